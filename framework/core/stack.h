// stack.h: the layers and links of one candidate or connection, and their way through life:
// open bottom-up, close top-down, fail from anywhere.
//
// Where a layer has streams, a connection is several Stacks: one up to that layer (trunk.h) and one for each stream, of
// the layers above it.
#pragma once
#include <memory>
#include <optional>
#include <string_view>

#include "core/compose.h"
#include "core/shared_endpoint.h"
#include "core/state_memory.h"
#include "core/turn.h"
#include "trellis/lowers.h"
#include "trellis/streams.h"

namespace trellis {

/// Whoever uses a stack: an attempt first, then the Connection. Called in the advance pass of a turn.
class StackOwner : public StackTop {
 public:
  virtual void stack_early() noexcept {}  // layers above it may open
  virtual void stack_ready() noexcept = 0;
  virtual void stack_failed(Error) noexcept = 0;  // what came up before has been delivered
  virtual void stack_closed() noexcept = 0;
  virtual void stack_noticed(Notice, Error) noexcept = 0;
  virtual void stack_answered(unsigned) noexcept {}     // the peer reacted; round trips left until it is ready
  virtual void stack_stopped(const Error&) noexcept {}  // the peer takes nothing more; what comes up is not touched

 protected:
  ~StackOwner() = default;
};

class LowerSet;
class PathTable;
class Stack;
class Trunk;
struct Lower;
struct PathNews;

/// Who made the instances that belong to an acceptor, and outlives them.
class SeatKeeper {
 public:
  virtual void unseated(Stack&) noexcept = 0;  // it is being destroyed
  /// Why a peer is not let in that came that way; asked when its lowest layer is open. None: it is.
  virtual std::optional<Error> refusal(const Route&) noexcept { return std::nullopt; }

 protected:
  ~SeatKeeper() = default;
};

/// The link between a multiplexer and what is made for one of its streams.
struct Foot final : EngineLink {
  Stack* stack = nullptr;          // above
  Trunk* trunk = nullptr;          // below; null only while the loop is taken down
  std::unique_ptr<Error> stopped;  // the peer takes nothing more, and the owner has not heard of it yet
  std::uint32_t branch = 0;        // place in Trunk
  bool open = false;               // the multiplexer knows it: it must stay
  bool ending = false;             // both directions were ended by us
  bool held = true;                // somebody uses it
};

/// What a stream must be that is opened here for this: there is none that the peer alone sends on.
constexpr Direction opened_for(Direction wished) noexcept {
  return wished == Direction::sending ? wished : Direction::both;
}

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
  void drop_lower(LowerPort, const CloseArgs&) noexcept override;
  Result<PropertyValue> ask(LowerPort, std::string_view name) noexcept override;
  Result<void> tell(LowerPort, std::string_view name, const PropertyValue&) noexcept override;

  Layer& layer() noexcept override { return *instance; }
  void down(UpperPort port, Batch& batch) noexcept override { instance->on_down(port, batch); }
  void upper_credit(UpperPort port) noexcept override { instance->on_credit(port); }
  void drained(EngineLink&) noexcept override;
  void taken() noexcept override;

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
  /// All layers of a connection to be opened. Where one has streams: those of its first stream, on a trunk.
  static Stack& make(Turn& turn, std::shared_ptr<const ComposedStack> composed,
                     std::shared_ptr<const Security> security);
  /// The layers from `first` upwards of a connection that was accepted. Where one has streams: the trunk.
  static Stack& make_passive(Turn& turn, std::shared_ptr<const ComposedStack> composed,
                             std::shared_ptr<const Security> security, unsigned first);
  /// `first`: index of the lowest layer that is made; the ones below it belong to a listener, a trunk or its lowers.
  /// `end`: index after the topmost; 0: all. If that one has streams, this is a trunk.
  Stack(Turn& turn, std::shared_ptr<const ComposedStack> composed, std::shared_ptr<const Security> security,
        unsigned first = 0, unsigned end = 0);
  ~Stack() override;
  void stand_on(Trunk& trunk, Face face);  // right after making it
  /// Makes the layers from `from` up; failure leaves the stack to be retired.
  Result<void> make_layers(unsigned from);
  void set_layer(unsigned index, std::unique_ptr<ProtocolInstance> instance) noexcept;
  Seat seat(unsigned index) noexcept;
  void lost_below(const Error& error) noexcept { fail(first_, error); }  ///< the layers that it shares with others
  /// An instance of a listener's acceptor, which must be told before it is destroyed.
  void seated_by(Acceptor& acceptor, SeatKeeper& keeper) noexcept;

  /// Before open(): where the state of its layers belongs. Never called: nothing is remembered.
  void remember(StateMemory& memory, std::shared_ptr<const StateRules> rules) noexcept;

  /// Before open(): whom each layer talks to, bottom first, where a proxy's client makes them differ.
  void talk_to(std::vector<Endpoint> remotes);
  /// Before open(): hears of changes of its path from now on, and tells its owner (Notice::path_change).
  void follow_paths(std::shared_ptr<PathTable> table);
  PathTable* path_table() noexcept;  // null: routing decides

  /// Before open(), with its layers made: who knows the property minds it from the first packet on.
  void wish(std::string_view property, const PropertyValue& value) noexcept;

  void be_like(Stack& other);  // before open(): a connection of its own to the same peer, in the same way
  void remember_as(const Stack& other) noexcept;  // where the other one remembers, with the same peer
  /// Opens in the next advance pass.
  void prepare(const SharedEndpoint& remote, Route&& route, bool passive,
               Direction direction = Direction::both) noexcept;
  /// Opens now. `direction`: of the Connection that it is for.
  void open(const SharedEndpoint& remote, Route&& route, bool passive, Direction direction = Direction::both) noexcept;
  void follow_trunk(bool passive) noexcept;  // opens when the trunk has, which has its own prepare() or open()
  void close() noexcept;                     // graceful; then stack_closed() or stack_failed()
  void abort(std::uint64_t code) noexcept;   // tells the peer in this turn and retires; the owner hears nothing more
  void give_to(StackOwner& owner) noexcept;  // the winner changes hands
  void leave() noexcept;                     // retires silently; the owner hears nothing more

  LowerPort top() noexcept { return LowerPort(top_link()); }
  EngineLink& top_link() noexcept { return count_ > first_ ? level(count_ - 1u).link : *foot_; }
  Result<PropertyValue> get(std::string_view name, unsigned from) noexcept;  // from layer `from` downwards
  Result<void> set(std::string_view name, const PropertyValue&, unsigned from) noexcept;
  unsigned depth() const noexcept { return count_; }
  const ComposedStack& composed() const noexcept { return *composed_; }
  const std::shared_ptr<const ComposedStack>& composed_shared() const noexcept { return composed_; }
  const std::shared_ptr<const Security>& security_shared() const noexcept { return security_; }
  const Security& security() const noexcept;
  Route& route() noexcept { return base().route_; }
  const SharedEndpoint& remote() noexcept { return base().remote_; }
  const Address& local() noexcept;  // Route::local, asked for where the bottom layer left that open
  Turn& turn() noexcept { return turn_; }
  bool seat_taken() const noexcept { return level(first_).slot.instance != nullptr; }
  Stack& lowest() noexcept;  // that of its first lower, where it has one
  ProtocolInstance* instance() noexcept { return level(first_).slot.instance.get(); }
  /// Of the stream that it is made for, or its own; null: it has no streams.
  Trunk* trunk() noexcept { return foot_ ? foot_->trunk : trunk_.get(); }
  Face stream_face() const noexcept { return foot_->face; }  // precondition: made for a stream

  void advance() noexcept override;
  bool quiet() const noexcept override;

 private:
  friend class LayerSlot;
  friend class LowerSet;
  friend class Trunk;
  friend struct Lower;
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
  bool holds_back() noexcept;
  void report_end() noexcept;
  void say_abort() noexcept;
  State& state(unsigned index) noexcept;
  void answered(unsigned index, unsigned rtts_left) noexcept;
  template <class Ask>
  auto first_answer(std::string_view name, unsigned from, const Ask& ask, unsigned to = 0) noexcept;
  Stack& base() noexcept;                // the trunk of a stream, else itself
  Stack* part(unsigned index) noexcept;  // that has this layer; null: a listener has it
  bool end_stream() noexcept;
  void let_go_of_stream() noexcept;
  void paths_changed(const PathNews& news) noexcept;
  void stream_over() noexcept;
  void stream_stopped(Error) noexcept;
  void trunk_over(const Error* error) noexcept;

  Turn& turn_;
  std::shared_ptr<const ComposedStack> composed_;
  std::shared_ptr<const Security> security_;
  StackOwner* owner_;
  Level* levels_ = nullptr;
  alignas(Level) std::byte only_level_[sizeof(Level)];  // of a stack that has no more: one block less for each
  Route route_;
  SharedEndpoint remote_;
  std::optional<OpenArgs> args_;
  std::unique_ptr<Error> error_;
  struct Memories;
  StateMemory* memory_ = nullptr;  // null: nothing is remembered
  std::shared_ptr<const StateRules> rules_;
  std::unique_ptr<Memories> memories_;  // of the layers that asked
  struct Remotes;
  std::unique_ptr<Remotes> remotes_;  // null: all talk to remote_
  const OpenArgs& args(unsigned index) noexcept;
  struct Paths;
  std::unique_ptr<Paths> paths_;  // null: routing decides
  std::unique_ptr<Trunk> trunk_;  // of its own streams
  std::unique_ptr<Foot> foot_;    // made for a stream of another Stack
  Acceptor* acceptor_ = nullptr;
  SeatKeeper* keeper_ = nullptr;
  std::uint64_t abort_code_ = 0;
  std::uint8_t first_, count_, closing_ = 0;  // closing_: one above the layer that closes next
  bool told_ready_ = false, told_end_ = false, graceful_ = false, aborting_ = false, peer_closed_ = false;
};

}  // namespace trellis
