#include "core/stack.h"

#include <cassert>
#include <new>

#include "trellis/address_text.h"

namespace trellis {
namespace {

constexpr std::int64_t kSluice = std::int64_t{1} << 40;  // credit without bound: what was received is given out

class NoState final : public State {  // of stacks that a listener made
  StateValue take(StateKind, std::string_view) noexcept override { return {}; }
  StateValue peek(StateKind, std::string_view) noexcept override { return {}; }
  void put(StateKind, std::string_view, StateValue, Duration) noexcept override {}
} no_state;

class NoStreams final : public StreamHost {  // a multiplexer in a stack that has no groups: every stream is refused
  UpperPort accept_stream(const StreamArgs&) noexcept override { return {}; }
  void stream_aborted(UpperPort, Direction, Error) noexcept override {}
  void stream_closed(UpperPort) noexcept override {}
} no_streams;

class Nobody final : public StackOwner {  // of a stack that was abandoned
  void on_up(Batch& batch, bool) noexcept override { batch.clear(); }
  void on_credit() noexcept override {}
  void stack_ready() noexcept override {}
  void stack_failed(Error) noexcept override {}
  void stack_closed() noexcept override {}
  void stack_noticed(Notice, Error) noexcept override {}
} nobody;

const Security kNoSecurity;

}  // namespace

LayerSlot::LayerSlot(Turn& turn, Stack& stack, std::uint8_t index, std::uint8_t level)
    : Slot(turn, level), stack_(stack), index_(index) {}
Executor& LayerSlot::executor() noexcept { return turn_->executor(); }
State& LayerSlot::state() noexcept { return stack_.state(index_); }
const Security& LayerSlot::security() noexcept { return stack_.security(); }
StreamHost& LayerSlot::streams() noexcept { return no_streams; }
void LayerSlot::log(Severity severity, std::string_view text) noexcept {
  if (turn_->log()) turn_->log()(severity, stack_.composed().layers[index_].name, text);
}
void LayerSlot::answered(unsigned rtts_left) noexcept { stack_.answered(index_, rtts_left); }
void LayerSlot::early() noexcept {
  early_open = true;
  turn_->advance(stack_);
}
void LayerSlot::ready() noexcept {
  if (ended || Slot::ready) return;
  Slot::ready = true;
  if (index_ + 1u < stack_.count_ && stack_.composed().layers[index_].traits.handshake_rtts > 0)
    stack_.answered(index_, 0);  // its peer has finished the handshake with it: the candidate is alive
  turn_->revisit(*this);
  turn_->advance(stack_);
}
void LayerSlot::closed() noexcept {
  if (ended) return;
  ended = is_closed = true;
  disarm();
  if (!stack_.graceful_) stack_.peer_closed_ = true;
  stack_.open_sluices(index_);
  turn_->advance(stack_);
}
void LayerSlot::failed(Error error) noexcept {
  if (ended) return;
  ended = true;
  disarm();
  stack_.fail(index_, std::move(error));
}
void LayerSlot::notify(Notice notice, Error detail) noexcept {
  stack_.owner_->stack_noticed(notice, std::move(detail));
}
void LayerSlot::drained() noexcept { turn_->advance(stack_); }
Result<LowerPort> LayerSlot::want_lower(const LowerWish&) noexcept {
  return fail(Reason::unsupported, "this stack has one way down: several lowers are not built yet");
}
Result<PropertyValue> LayerSlot::ask(LowerPort, std::string_view name) noexcept {
  if (index_ == stack_.first_) return fail(Reason::unsupported);
  return stack_.get(name, index_ - 1u);
}
Result<void> LayerSlot::tell(LowerPort, std::string_view name, const PropertyValue& value) noexcept {
  if (index_ == stack_.first_) return fail(Reason::unsupported);
  return stack_.set(name, value, index_ - 1u);
}

// What the layers see of the state; few ever ask.
struct Stack::Memories {
  std::unique_ptr<LayerState> of[kStackDepthMax];
};

Stack::Stack(Turn& turn, std::shared_ptr<const ComposedStack> composed, std::shared_ptr<const Security> security,
             unsigned first)
    : turn_(turn),
      composed_(std::move(composed)),
      security_(std::move(security)),
      owner_(&nobody),
      first_(static_cast<std::uint8_t>(first)),
      count_(static_cast<std::uint8_t>(composed_->layers.size())) {
  // One block for all levels; they hold references to each other, so they cannot live in a vector that moves.
  static_assert(alignof(Level) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__);
  levels_ = static_cast<Level*>(::operator new(sizeof(Level) * (count_ - first_)));
  for (unsigned i = first_; i < count_; ++i) {
    Level& here = *new (&level(i)) Level(turn, *this, static_cast<std::uint8_t>(i), static_cast<std::uint8_t>(i));
    here.slot.above = &here.link;
    here.link.lower = &here.slot;
    here.link.schedule = &turn.schedule();
    here.link.level = static_cast<std::uint8_t>(i);
    here.link.route = &route_;
    here.link.face = composed_->layers[i].traits.above;
    if (i == first_) continue;
    Level& under = level(i - 1);
    under.link.upper = &here.slot;
    under.link.segments = composed_->layers[i].traits.segments && composed_->layers[i - 1].traits.segments;
    here.slot.below = &under.link;
  }
  top_link().top = &nobody;
}

Stack::~Stack() {
  if (acceptor_ != nullptr && level(first_).slot.instance) acceptor_->unseated(*level(first_).slot.instance);
  for (unsigned i = count_; i-- > first_;) level(i).~Level();
  ::operator delete(levels_);
  if (seated_ != nullptr) --*seated_;
}

EngineLink& Stack::top_link() noexcept { return level(count_ - 1u).link; }
const Security& Stack::security() const noexcept { return security_ ? *security_ : kNoSecurity; }

Seat Stack::seat(unsigned index) noexcept {
  return Seat{level(index).slot, UpperPort(level(index).link),
              index > first_ ? LowerPort(level(index - 1).link) : LowerPort()};
}
void Stack::set_layer(unsigned index, std::unique_ptr<ProtocolInstance> instance) noexcept {
  level(index).slot.instance = std::move(instance);
}
void Stack::seated_by(Acceptor& acceptor, std::uint32_t& seated) noexcept {
  acceptor_ = &acceptor;
  seated_ = &seated;
  ++seated;
}
Result<void> Stack::make_layers(unsigned from) {
  for (unsigned i = from; i < count_; ++i) {
    auto instance = composed_->layers[i].protocol->connect(seat(i));
    if (!instance) return trellis::fail(std::move(instance));
    set_layer(i, std::move(*instance));
  }
  return {};
}

void Stack::remember(StateMemory& memory, std::shared_ptr<const std::string> profile,
                     std::uint64_t generation) noexcept {
  memory_ = &memory;
  profile_ = std::move(profile);
  generation_ = generation;
}

State& Stack::state(unsigned index) noexcept {
  if (memory_ == nullptr) return no_state;
  if (!memories_) memories_ = std::make_unique<Memories>();
  if (memories_->of[index]) return *memories_->of[index];
  const auto partition = state_partition(*profile_ + "#" + std::to_string(generation_), security_.get());
  const std::string host = remote_.host.empty() ? to_text(remote_.address) : remote_.host;
  StateKey key{.kind = {},
               .partition = partition.value_or(""),
               .network = route_.path.provisioning_domain,
               .endpoint = host + " " + std::to_string(remote_.port != 0 ? remote_.port : remote_.address.port),
               .protocol = composed_->layers[index].name,
               .detail = {}};
  memories_->of[index] = std::make_unique<LayerState>(partition ? memory_ : nullptr, std::move(key), turn_.executor());
  return *memories_->of[index];
}

// What the layer says, and what the layers above it still need.
void Stack::answered(unsigned index, unsigned rtts_left) noexcept {
  for (unsigned i = index + 1; i < count_; ++i) rtts_left += composed_->layers[i].traits.handshake_rtts;
  owner_->stack_answered(rtts_left);
}

void Stack::prepare(const Endpoint& remote, const Route& route, bool passive) noexcept {
  remote_ = remote;
  route_ = route;
  args_.emplace(OpenArgs{remote_, route_, security().alpn, passive});
  turn_.advance(*this);
}
void Stack::open(const Endpoint& remote, const Route& route, bool passive) noexcept {
  prepare(remote, route, passive);
  open_next();
}
void Stack::give_to(StackOwner& owner) noexcept {
  owner_ = &owner;
  top_link().top = &owner;
}
void Stack::leave() noexcept {
  give_to(nobody);
  for (unsigned i = first_; i < count_; ++i) {  // silent: nothing of it is called any more
    level(i).slot.ended = true;
    level(i).slot.disarm();
  }
  turn_.retire(*this);
}
void Stack::close() noexcept {
  if (told_end_ || graceful_) return;
  graceful_ = true;
  closing_ = count_;
  turn_.advance(*this);
}
void Stack::abort(std::uint64_t code) noexcept {
  give_to(nobody);
  abort_code_ = code;
  aborting_ = true;
  turn_.advance(*this);
}

void Stack::advance() noexcept {
  if (aborting_) return say_abort();
  if (error_ || peer_closed_) return report_end();
  if (!told_ready_ && args_) open_next();
  if (graceful_ && !error_) close_next();
}

// Iterates, so that a layer that is ready at once never nests the next one's open() in its own.
void Stack::open_next() noexcept {
  for (unsigned i = first_; i < count_ && !error_; ++i) {
    LayerSlot& slot = level(i).slot;
    if (!slot.opened) {
      slot.opened = true;
      slot.instance->open(*args_);
      turn_.revisit(slot);
    }
    if (!slot.Slot::ready && !slot.early_open) return;
  }
  for (unsigned i = first_; i < count_; ++i) {
    if (!level(i).slot.Slot::ready) return;
  }
  if (error_ || std::exchange(told_ready_, true)) return;
  owner_->stack_ready();
}

void Stack::close_next() noexcept {
  while (closing_ > first_) {
    Level& next = level(closing_ - 1u);
    if (!next.slot.opened) {
      --closing_;
      continue;
    }
    if (!next.link.down.batch.empty() && !next.slot.ended) {
      next.link.watch_drain = true;  // what was sent goes down first
      return;
    }
    if (!next.slot.ended && !std::exchange(next.slot.close_called, true)) {
      next.slot.instance->close(CloseArgs{});
      turn_.revisit(next.slot);
    }
    if (!next.slot.is_closed) return;
    --closing_;
  }
  if (!std::exchange(told_end_, true)) owner_->stack_closed();
}

void Stack::fail(unsigned index, Error error) noexcept {
  if (error_ || told_end_) return;
  error_ = std::make_unique<Error>(std::move(error));
  open_sluices(index);
  turn_.advance(*this);
}

// Nothing more will come from below `from`: what waits in the links above goes to the application now, whatever its
// demand.
void Stack::open_sluices(unsigned from) noexcept {
  for (unsigned i = from; i < count_; ++i) {
    EngineLink& link = level(i).link;
    link.up.credit += kSluice;
    link.up.refilled = true;
    link.visit_below();
  }
}

bool Stack::moving() const noexcept {
  for (unsigned i = first_; i < count_; ++i) {
    if (level(i).link.up.queued || level(i).link.down.queued) return true;
  }
  return false;
}

void Stack::report_end() noexcept {
  if (told_end_) return;
  if (moving()) return turn_.advance(*this);  // deliver first, then fail
  told_end_ = true;
  if (error_)
    owner_->stack_failed(*error_);
  else
    owner_->stack_closed();
}

// Top down, and what each layer says to its peer goes through the layers below in this very call.
void Stack::say_abort() noexcept {
  for (unsigned i = count_; i-- > first_;) {
    Level& here = level(i);
    if (!here.slot.active() || error_) continue;
    if (i + 1u < count_ && !here.link.down.batch.empty()) here.slot.down(UpperPort(here.link), here.link.down.batch);
    here.slot.instance->close(CloseArgs{.abort = true, .code = abort_code_, .reason = {}});
    here.slot.instance->flush();
  }
  leave();
}

bool Stack::quiet() const noexcept {
  for (unsigned i = first_; i < count_; ++i) {
    if (!level(i).slot.idle()) return false;
  }
  return !moving();
}

Result<PropertyValue> Stack::get(std::string_view name, unsigned from) noexcept {
  std::string why;
  for (unsigned i = from + 1; i-- > first_;) {
    if (!level(i).slot.opened) continue;
    auto value = level(i).slot.instance->get(UpperPort(level(i).link), name);
    if (value || value.error().reason != Reason::unsupported) return value;
    if (why.empty()) why = std::move(value.error().detail);
  }
  if (why.empty()) why = "no layer of " + composed_->text + " has the property '" + std::string(name) + "'";
  return trellis::fail(Reason::unsupported, std::move(why));
}
Result<void> Stack::set(std::string_view name, const PropertyValue& value, unsigned from) noexcept {
  std::string why;
  for (unsigned i = from + 1; i-- > first_;) {
    if (!level(i).slot.opened) continue;
    auto done = level(i).slot.instance->set(UpperPort(level(i).link), name, value);
    if (done || done.error().reason != Reason::unsupported) return done;
    if (why.empty()) why = std::move(done.error().detail);
  }
  if (why.empty()) why = "no layer of " + composed_->text + " has the property '" + std::string(name) + "'";
  return trellis::fail(Reason::unsupported, std::move(why));
}

}  // namespace trellis
