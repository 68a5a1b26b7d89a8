// ares_sockets.h: the sockets of one c-ares channel are the executor's, bound to the path whose servers are asked.
#pragma once
#include <ares.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "trellis/executor.h"

namespace trellis::dns {

/// Who runs c-ares when a socket is ready.
class SocketOwner {
 public:
  virtual void socket_ready(ares_socket_t socket, bool readable, bool writable) noexcept = 0;  ///< from the loop

 protected:
  ~SocketOwner() = default;
};

/// Sockets that c-ares knows by numbers of ours. Outlives the channel that uses it.
class AresSockets {
 public:
  /// What they are bound to; where the server is on this host, to nothing.
  struct Binding {
    std::string interface_name;  ///< empty: routing decides
    Address local{};             ///< unset: routing decides
  };
  AresSockets(Executor& executor, SocketOwner& owner, Binding binding);
  ~AresSockets();
  void serve(ares_channel_t& channel) noexcept;  ///< makes the channel use them
  /// From where c-ares has read last: the server whose answer it is telling.
  const Address& last_read_from() const noexcept { return read_from_; }
  /// Why the last datagram that came is no answer to anything that was asked, which c-ares keeps to itself: "another
  /// id"; empty: none came, or it is one.
  std::string last_fault() const;
  void forget_last() noexcept { last_ = {}; }  ///< it was of use
  /// ARES_OPT_SOCK_STATE_CB: what c-ares waits for.
  void wait_for(ares_socket_t socket, bool readable, bool writable) noexcept;

 private:
  struct Entry;
  struct Functions;
  Entry* find(ares_socket_t socket) noexcept;
  ares_socket_t open(int family, int type) noexcept;

  Executor& executor_;
  SocketOwner& owner_;
  Binding binding_;
  std::vector<std::unique_ptr<Entry>> entries_;
  Address read_from_{};
  Slice last_;                             // of a datagram
  std::array<std::uint16_t, 64> asked_{};  // the last ids that were sent
  std::size_t asked_in_all_ = 0;
  ares_socket_t next_ = 1000;  // a number is never used twice: events of a closed socket find nothing
};

}  // namespace trellis::dns
