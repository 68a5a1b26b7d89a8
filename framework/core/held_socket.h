// held_socket.h: a UDP port that is kept for a candidate, and how a STUN server sees it.
#pragma once
#include <functional>
#include <memory>

#include "core/stun_exchange.h"
#include "trellis/resolved.h"

namespace trellis {

class HeldSocket final : public HeldPort, public SocketEvents, Alarm {
 public:
  HeldSocket(Executor& executor, std::unique_ptr<Socket> bound) : executor_(executor), socket_(std::move(bound)) {}
  ~HeldSocket() override { release(); }
  /// How the server sees it, or why that is not known.
  using Learnt = std::move_only_function<void(Result<Address>)>;
  /// Precondition: the socket is connected to the server. What is learnt is kept alive as long as the port is held.
  void learn(TimePoint when, StunLogin login, Learnt learnt);
  Socket& socket() noexcept { return *socket_; }  // precondition: not released
  void release() noexcept override;

 private:
  void on_ready(Socket& socket, Ready what) noexcept override;
  void on_alarm() noexcept override;  // it is time to be heard of again

  Executor& executor_;
  std::unique_ptr<Socket> socket_;          // null: released
  std::unique_ptr<StunExchange> exchange_;  // null: no server is asked
};

}  // namespace trellis
