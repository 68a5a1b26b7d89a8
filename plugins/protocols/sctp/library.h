// library.h: usrsctp, which is one for the whole process: started for its first user, driven by the timers of one loop,
// ended after its last user. It knows peers by keys; packets to them go to whoever has enrolled for the key.
#pragma once
#include <cstdint>
#include <span>
#include <thread>
#include <unordered_map>
#include <vector>

#include "library_hooks.h"
#include "trellis/executor.h"

namespace trellis::sctp {

/// What usrsctp takes for the address of a peer; never followed as a pointer.
using PeerKey = std::uintptr_t;

/// Takes packets to one peer.
class PacketSink {
 public:
  /// A packet with its checksum, at any moment in which usrsctp runs. False: no room.
  virtual bool take_packet(std::span<const std::byte> packet, std::uint8_t ecn) noexcept = 0;

 protected:
  ~PacketSink() = default;
};

/// Has associations, and so timers that must run. One of them runs the timers of all.
class LibraryDriver {
 public:
  virtual void wake_at(TimePoint) noexcept = 0;  ///< Library::tick() shall be called then

 protected:
  ~LibraryDriver() = default;
};

class Library {
 public:
  static Library& of_process() noexcept;
  ~Library();

  /// One more user, on this loop; `driver` null: it has no timers. Error: usrsctp is in use on another thread.
  Result<void> join(Executor& loop, LibraryDriver* driver);
  void leave(Executor& loop, LibraryDriver* driver) noexcept;  ///< once for each join() that succeeded
  PeerKey new_key() noexcept { return ++last_key_; }           ///< of a server; as long as somebody has joined
  void enroll(PeerKey key, PacketSink& sink);
  void retire(PeerKey key) noexcept;
  /// A packet from a peer that is enrolled. Drops what is not sound.
  void input(PeerKey key, std::span<const std::byte> packet, std::uint8_t ecn) noexcept;
  void stir() noexcept;                                   ///< there is traffic: timers are exact again
  void tick() noexcept;                                   ///< the driver's time has come
  bool in_timers() const noexcept { return in_timers_; }  ///< what it sends now is sent because time has passed

 private:
  struct User {
    Executor* loop;
    LibraryDriver* driver;
  };
  Library() = default;
  void start() noexcept;
  void finish() noexcept;
  void choose_driver() noexcept;
  void advance() noexcept;
  void wait() noexcept;
  TimePoint now() const noexcept;
  static int output(void* key, void* packet, std::size_t bytes, std::uint8_t tos, std::uint8_t df) noexcept;
  static void read_time(timeval& now) noexcept;
  static bool read_random(void* into, std::size_t bytes) noexcept;

  std::vector<User> users_;  // those that meet here share a clock: they are of one loop, or of one virtual world
  LibraryDriver* driver_ = nullptr;
  std::thread::id thread_;
  std::unordered_map<PeerKey, PacketSink*> sinks_;
  PeerKey last_key_ = 0;
  TimePoint told_{};     // the time up to which usrsctp's timers have run
  TimePoint stirred_{};  // when there was traffic
  TimePoint next_tick_{};
  bool running_ = false;
  bool redirected_ = false;
  bool in_timers_ = false;
};

}  // namespace trellis::sctp
