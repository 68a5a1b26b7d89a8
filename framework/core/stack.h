// stack.h: the layers and links of one candidate or connection, and their way through life:
// open bottom-up, close top-down, fail from anywhere.
#pragma once
#include <memory>
#include <optional>
#include <string_view>

#include "core/compose.h"
#include "core/state_memory.h"
#include "core/turn.h"
#include "trellis/lowers.h"
#include "trellis/streams.h"

namespace trellis {

/// Whoever uses a stack: an attempt first, then the Connection. Called in the advance pass of a turn.
class StackOwner : public StackTop {
 public:
  virtual void stack_ready() noexcept = 0;
  virtual void stack_failed(Error) noexcept = 0;  // what came up before has been delivered
  virtual void stack_closed() noexcept = 0;
  virtual void stack_noticed(Notice, Error) noexcept = 0;
  virtual void stack_answered(unsigned) noexcept {}  // the peer reacted; round trips left until it is ready

 protected:
  ~StackOwner() = default;
};

class Stack;

/// One layer of a stack in the engine: its host, and what is to be called.
class LayerSlot final : public Slot, public LayerHost, public LowerHost {
 public:
  LayerSlot(Turn& turn, Stack& stack, std::uint8_t index, std::uint8_t level);
  Executor& executor() noexcept override;
  State& state() noexcept override;
  const Security& security() noexcept override;
  void log(Severity, std::string_view text) noexcept override;
  void deadline(TimePoint at) noexcept override { request_deadline(at); }
  void wake() noexcept override { request_wake(); }
  void answered(unsigned rtts_left) noexcept override;
  void early() noexcept override;
  void ready() noexcept override;
  void closed() noexcept override;
  void failed(Error) noexcept override;
  void notify(Notice, Error) noexcept override;
  StreamHost& streams() noexcept override;
  LowerHost& lowers() noexcept override { return *this; }
  void* extension(std::string_view) noexcept override { return nullptr; }
  Result<LowerPort> want_lower(const LowerWish&) noexcept override;
  void drop_lower(LowerPort, const CloseArgs&) noexcept override {}
  Result<PropertyValue> ask(LowerPort, std::string_view name) noexcept override;
  Result<void> tell(LowerPort, std::string_view name, const PropertyValue&) noexcept override;

  Layer& layer() noexcept override { return *instance; }
  void down(UpperPort port, Batch& batch) noexcept override { instance->on_down(port, batch); }
  void upper_credit(UpperPort port) noexcept override { instance->on_credit(port); }
  void drained() noexcept override;

  std::unique_ptr<ProtocolInstance> instance;
  bool early_open = false;  // layers above may open
  bool close_called = false;
  bool is_closed = false;

 private:
  Stack& stack_;
  std::uint8_t index_;
};

class Stack final : public TurnMember {
 public:
  /// `first`: index of the lowest layer that is made; the ones below it belong to a listener.
  Stack(Turn& turn, std::shared_ptr<const ComposedStack> composed, std::shared_ptr<const Security> security,
        unsigned first = 0);
  ~Stack() override;
  /// Makes the layers from `from` up; failure leaves the stack to be retired.
  Result<void> make_layers(unsigned from);
  void set_layer(unsigned index, std::unique_ptr<ProtocolInstance> instance) noexcept;
  Seat seat(unsigned index) noexcept;
  /// An instance of a listener's acceptor, which must be told before it is destroyed.
  void seated_by(Acceptor& acceptor, std::uint32_t& seated) noexcept;

  /// Before open(): where the state of its layers belongs. What was remembered under a policy that has been replaced is
  /// not used (`generation`). Never called: nothing is remembered.
  void remember(StateMemory& memory, std::shared_ptr<const std::string> profile, std::uint64_t generation) noexcept;

  void prepare(const Endpoint& remote, const Route& route, bool passive) noexcept;  // opens in the next advance pass
  void open(const Endpoint& remote, const Route& route, bool passive) noexcept;     // opens now
  void close() noexcept;                     // graceful; then stack_closed() or stack_failed()
  void abort(std::uint64_t code) noexcept;   // tells the peer in this turn and retires; the owner hears nothing more
  void give_to(StackOwner& owner) noexcept;  // the winner changes hands
  void leave() noexcept;                     // retires silently; the owner hears nothing more

  LowerPort top() noexcept { return LowerPort(top_link()); }
  EngineLink& top_link() noexcept;
  Result<PropertyValue> get(std::string_view name, unsigned from) noexcept;  // from layer `from` downwards
  Result<void> set(std::string_view name, const PropertyValue&, unsigned from) noexcept;
  unsigned depth() const noexcept { return count_; }
  const ComposedStack& composed() const noexcept { return *composed_; }
  const Security& security() const noexcept;
  Route& route() noexcept { return route_; }
  Turn& turn() noexcept { return turn_; }
  bool seat_taken() const noexcept { return level(first_).slot.instance != nullptr; }

  void advance() noexcept override;
  bool quiet() const noexcept override;

 private:
  friend class LayerSlot;
  struct Level {
    Level(Turn& turn, Stack& stack, std::uint8_t index, std::uint8_t level) : slot(turn, stack, index, level) {}
    LayerSlot slot;
    EngineLink link;  // above the slot
  };
  Level& level(unsigned index) noexcept { return levels_[index - first_]; }
  const Level& level(unsigned index) const noexcept { return levels_[index - first_]; }
  void open_next() noexcept;
  void close_next() noexcept;
  void fail(unsigned index, Error) noexcept;
  void open_sluices(unsigned from) noexcept;
  bool moving() const noexcept;
  void report_end() noexcept;
  void say_abort() noexcept;
  State& state(unsigned index) noexcept;
  void answered(unsigned index, unsigned rtts_left) noexcept;

  Turn& turn_;
  std::shared_ptr<const ComposedStack> composed_;
  std::shared_ptr<const Security> security_;
  StackOwner* owner_;
  Level* levels_ = nullptr;
  Route route_;
  Endpoint remote_;
  std::optional<OpenArgs> args_;
  std::unique_ptr<Error> error_;
  struct Memories;
  StateMemory* memory_ = nullptr;  // null: nothing is remembered
  std::shared_ptr<const std::string> profile_;
  std::uint64_t generation_ = 0;
  std::unique_ptr<Memories> memories_;  // of the layers that asked
  Acceptor* acceptor_ = nullptr;
  std::uint32_t* seated_ = nullptr;
  std::uint64_t abort_code_ = 0;
  std::uint8_t first_, count_, closing_ = 0;  // closing_: one above the layer that closes next
  bool told_ready_ = false, told_end_ = false, graceful_ = false, aborting_ = false, peer_closed_ = false;
};

}  // namespace trellis
