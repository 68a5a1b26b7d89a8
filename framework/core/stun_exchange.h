// stun_exchange.h: requests to one STUN or TURN server over UDP, one at a time: repeated until there is an answer,
// signed when the server asks for it, and bounded in time and number.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/stun_login.h"
#include "trellis/executor.h"

namespace trellis {

// RFC 8489 section 6.2.1: 0, 500, 1500, 3500, 7500, 15500 and 31500 ms; the end comes 8 s behind the last one.
inline constexpr Duration kStunRto = std::chrono::milliseconds(500);  // for a round trip that is not known
inline constexpr unsigned kStunRequests = 7;                          // Rc
inline constexpr unsigned kStunLastWait = 16;                         // Rm: times kStunRto
/// Ta: between two requests (RFC 8445 section 14.2).
inline constexpr Duration kStunPace = std::chrono::milliseconds(50);
/// Tr: between packets that keep the binding of a NAT alive (RFC 8445 sections 5.1.1.4 and 11).
inline constexpr Duration kStunKeepalive = std::chrono::seconds(15);

class StunExchange final : public SocketEvents, Alarm {
 public:
  /// `socket` is connected to the server; it and the executor outlive this. `events` is told of the socket's and hands
  /// them on.
  StunExchange(Executor& executor, Socket& socket, SocketEvents& events, StunLogin login);
  ~StunExchange();
  /// What goes into a request besides credentials; called again when they change.
  using Fill = std::function<void(StunWriter&)>;
  /// A success, which holds during the call, or why there is none: the server does not answer, it refuses, its answer
  /// is malformed. Never called inside ask(); may destroy this.
  using Answered = std::move_only_function<void(Result<const StunMessage*>)>;
  /// Precondition: nothing is being asked.
  void ask(TimePoint when, StunMethod method, Fill fill, Answered answered);
  /// Once, and whoever answers is not heard.
  void tell(StunMethod method, const Fill& fill) noexcept;
  bool asking() const noexcept { return bool(answered_); }
  bool signs() const noexcept { return login_.known(); }
  const Address& server() const noexcept { return server_; }

  void on_ready(Socket& socket, Ready what) noexcept override;

 private:
  void on_alarm() noexcept override;
  void make_request();
  bool transmit() noexcept;
  bool heard(std::span<const std::byte> bytes) noexcept;
  bool refused(const StunMessage& answer) noexcept;
  bool ignore(std::string what);
  void give_up(Error why) noexcept;
  Error silence() const;

  Executor& executor_;
  Socket& socket_;
  SocketEvents& events_;
  const Address server_;
  StunLogin login_;
  StunMethod method_ = StunMethod::binding;
  Fill fill_;
  Answered answered_;  // empty: nothing is being asked
  StunId id_{};
  std::vector<std::byte> request_;
  unsigned sent_ = 0, challenges_ = 0;
  Duration wait_{};
  std::string ignored_;  // the last thing that came and was no answer
};

}  // namespace trellis
