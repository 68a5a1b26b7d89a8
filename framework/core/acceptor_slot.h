// acceptor_slot.h: an acceptor in its slot: what every engine side of one has in common.
#pragma once
#include <memory>
#include <optional>

#include "core/nothing.h"
#include "core/stack.h"
#include "trellis/listen.h"

namespace trellis {

class AcceptorSlot : public TurnMember, public Slot, public AcceptHost, public SeatKeeper {
 public:
  AcceptorSlot(Turn& turn, std::uint8_t level) : Slot(turn, level) {}

  // AcceptHost
  Executor& executor() noexcept override { return turn_->executor(); }
  State& state() noexcept override { return no_state(); }
  void log(Severity severity, std::string_view text) noexcept override {
    if (turn_->log()) turn_->log()(severity, composed_->layers[place_].name, text);
  }
  void deadline(TimePoint at) noexcept override { request_deadline(at); }
  void wake() noexcept override { request_wake(); }

  // Slot
  Layer& layer() noexcept override { return *acceptor_; }
  void down(UpperPort, Batch&) noexcept override {}
  void upper_credit(UpperPort) noexcept override {}

  // TurnMember
  bool outlives() const noexcept override { return true; }

 protected:
  ~AcceptorSlot() override = default;
  /// Makes the acceptor of the layer at place_ over `lower` and opens it. Errors: what the protocol says.
  Result<void> open_on(LowerPort lower, Route& route) {
    auto made = composed_->layers[place_].protocol->listen(*this, lower);
    if (!made) return trellis::fail(std::move(made));
    acceptor_ = std::move(*made);
    args_.emplace(OpenArgs{anyone_, route, security().alpn, true});
    opened = true;
    acceptor_->open(*args_);
    turn_->revisit(*this);
    return {};
  }

  std::shared_ptr<const ComposedStack> composed_;
  std::unique_ptr<Acceptor> acceptor_;
  unsigned place_ = 0;            // of its layer
  Endpoint anyone_{};             // whose packets are for it: everybody's, but for a group with a single source
  Route route_;                   // where it listens
  std::uint32_t instances_ = 0;   // layers that refer to it
  std::optional<OpenArgs> args_;  // refers to `anyone_`
};

}  // namespace trellis
