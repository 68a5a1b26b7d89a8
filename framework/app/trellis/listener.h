// listener.h: passive opens (RFC 9622 section 7.2).
#pragma once
#include <functional>

#include "trellis/connection.h"

namespace trellis {

/// What a Listener tells. Called on its loop, never inside listen().
struct ListenerEvents {
  std::move_only_function<void(const Address&)> listening = {};  ///< peers can come, at this address
  std::move_only_function<void(Connection)> received = {};       ///< ConnectionReceived: established
  std::move_only_function<void(const Error&)> failed = {};       ///< EstablishmentError: it listens no more
  std::move_only_function<void()> stopped = {};  ///< Stopped, after stop(): no Connection comes any more
};

class ListenerCore;  // core/listener_core.h

/// A Listener on one loop. Destroying it stops it; its Connections live on. It listens with all stacks of its policy
/// that can, at the same port number: with the first one for each kind of port (udp, tcp). Where that of another one
/// than the first is taken, the framework's log says so and the Listener does without.
class Listener {
 public:
  Listener() = default;
  Listener(Listener&& other) noexcept : core_(std::exchange(other.core_, nullptr)) {}
  Listener& operator=(Listener&& other) noexcept {
    std::swap(core_, other.core_);
    return *this;
  }
  ~Listener();
  explicit operator bool() const noexcept { return core_ != nullptr; }  ///< false: empty handle
  Address local() const;                                                ///< unset before `listening`
  std::string_view stack() const;                                       ///< the first of its stacks: "quic/udp"
  void stop();  ///< no more Connections; then `stopped`, the last of its events. Peers that are not ready are let go.
  /// At most this many Connections more are accepted; UINT64_MAX: no limit (RFC 9622: SetNewConnectionLimit).
  void new_connection_limit(std::uint64_t n);
  /// co_await listener.accept_async(): the next Connection. While somebody waits, `received` is not called.
  auto accept_async() {
    return await_callback<Result<Connection>>([this](auto resume) { accept(std::move(resume)); },
                                              [this] { cancel_accept(); });
  }

 private:
  friend class ListenerCore;
  explicit Listener(ListenerCore& core) : core_(&core) {}
  void accept(std::move_only_function<void(Result<Connection>)>);
  void cancel_accept();
  ListenerCore* core_ = nullptr;
};

}  // namespace trellis
