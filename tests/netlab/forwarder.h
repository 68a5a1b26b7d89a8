// forwarder.h: the thread that carries packets between the interfaces of a lab, late, seldom or not at all.
#pragma once
#include <chrono>
#include <cstddef>
#include <memory>
#include <mutex>
#include <random>
#include <span>
#include <thread>
#include <vector>

#include "descriptor.h"
#include "shape.h"

namespace trellis::netlab {

/// One direction of a link: reads packets from one TUN device and writes them to another. Belongs to the forwarder's
/// thread, under the forwarder's lock.
class Channel {
 public:
  using Clock = std::chrono::steady_clock;
  using Bytes = std::vector<std::byte>;

  Channel(int from, int to, const Shape& shape, std::uint64_t seed);
  int from() const { return from_; }
  Shape shape;
  bool cut = false;  ///< the cable is not plugged in
  Counters counters;

  /// Takes what the device has, up to a batch, and decides the fate of each packet. True: there may be more.
  bool read();
  /// Writes what is due. Returns when the next one is; Clock::time_point::max() when none waits.
  Clock::time_point deliver(Clock::time_point now);

 private:
  struct Packet {
    Clock::time_point due;
    std::uint64_t order;  // of packets due at the same time
    Bytes bytes;
  };
  static bool later(const Packet& a, const Packet& b) { return a.due != b.due ? a.due > b.due : a.order > b.order; }
  void take(std::span<const std::byte> bytes, Clock::time_point now);
  bool happens(double chance);
  bool survives(std::size_t size);
  void enqueue(std::span<const std::byte> bytes, Clock::time_point due);
  void corrupt(Bytes& bytes);
  Clock::duration serialization(std::size_t size) const;

  int from_, to_;
  std::vector<Packet> waiting_;  // a heap, the next one first
  std::vector<Bytes> spare_;
  std::uint64_t order_ = 0;
  Clock::time_point busy_until_{};  // the last bit of what was taken leaves then
  std::mt19937_64 random_;
};

/// Carries packets for all links of a lab, in one thread that sleeps when there is nothing to do. It runs before
/// ordinary threads where the kernel allows it, so that a busy machine does not add to the delays.
class Forwarder {
 public:
  Forwarder();
  ~Forwarder();
  Forwarder(const Forwarder&) = delete;
  Forwarder& operator=(const Forwarder&) = delete;

  /// The descriptors must live until the forwarder ends.
  Channel& add(int from, int to, const Shape& shape, std::uint64_t seed);
  Shape shape(const Channel& channel) const;
  Counters counters(const Channel& channel) const;
  void set(Channel& channel, const Shape& shape);
  void cut(Channel& channel, bool cut);

 private:
  void run();
  void sleep(Channel::Clock::time_point until);
  void wake() const;

  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<Channel>> channels_;
  bool over_ = false;
  Descriptor wake_;  // an eventfd
  std::thread thread_;
};

}  // namespace trellis::netlab
