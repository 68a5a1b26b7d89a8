// relay_allocation.h: an address at a TURN server (RFC 8656): allocated, kept alive, and given back.
#pragma once
#include <functional>
#include <memory>

#include "core/stun_exchange.h"
#include "trellis/resolved.h"

namespace trellis {

class RelayAllocation final : public HeldPort, public SocketEvents, Alarm {
 public:
  /// `socket` is connected to the server. `lost` hears, once and later, why it could not be kept alive.
  RelayAllocation(Executor& executor, std::unique_ptr<Socket> socket, StunLogin login,
                  std::function<void(const Error&)> lost);
  ~RelayAllocation() override;
  using Made = std::move_only_function<void(Result<void>)>;
  void begin(TimePoint when, Made made);
  const Address& relayed() const noexcept { return relayed_; }  // unset before it was made
  /// One datagram: if it is lost, the server forgets the allocation when its time is over.
  void release() noexcept override;

 private:
  void on_ready(Socket& socket, Ready what) noexcept override;
  void on_alarm() noexcept override;  // it is time to be heard of again
  void refresh() noexcept;
  Result<void> take(const StunMessage& answer, bool first);

  Executor& executor_;
  std::unique_ptr<Socket> socket_;  // null: released
  std::unique_ptr<StunExchange> exchange_;
  std::function<void(const Error&)> lost_;
  Made made_;
  Address relayed_{};
  TimePoint refresh_at_{};
};

}  // namespace trellis
