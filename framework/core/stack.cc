#include "core/stack.h"

#include <algorithm>
#include <cassert>
#include <new>

#include "core/lower_set.h"
#include "core/nothing.h"
#include "core/path_rules.h"
#include "core/path_table.h"
#include "core/selection_properties.h"
#include "core/trunk.h"
#include "trellis/address_text.h"

namespace trellis {
namespace {

constexpr std::int64_t kSluice = std::int64_t{1} << 40;  // credit without bound: what was received is given out

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

}  // namespace

LayerSlot::LayerSlot(Turn& turn, Stack& stack, std::uint8_t index, std::uint8_t level)
    : Slot(turn, level), stack_(stack), index_(index) {}
Executor& LayerSlot::executor() noexcept { return turn_->executor(); }
State& LayerSlot::state() noexcept { return stack_.state(index_); }
const Security& LayerSlot::security() noexcept { return stack_.security(); }
StreamHost& LayerSlot::streams() noexcept {
  if (many && above == nullptr) return *stack_.trunk_;
  return no_streams;
}
void LayerSlot::log(Severity severity, std::string_view text) noexcept {
  if (turn_->log()) turn_->log()(severity, stack_.composed().layers[index_].name, text);
}
void LayerSlot::answered(unsigned rtts_left) noexcept { stack_.answered(index_, rtts_left); }
void LayerSlot::early() noexcept {
  early_open = true;
  turn_->advance(stack_);
  if (index_ + 1u == stack_.count_) stack_.owner_->stack_early();
  if (stack_.trunk_) stack_.trunk_->stirred();
}
void LayerSlot::ready() noexcept {
  if (ended || Slot::ready) return;
  Slot::ready = true;
  if (index_ + 1u < stack_.composed().layers.size() && stack_.composed().layers[index_].traits.handshake_rtts > 0)
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
void LayerSlot::drained(EngineLink& link) noexcept {
  turn_->advance(many && above == nullptr ? *static_cast<Foot&>(link).stack : stack_);
}
void LayerSlot::taken() noexcept { turn_->advance(stack_); }
Result<LowerPort> LayerSlot::want_lower(const LowerWish& wish) noexcept {
  if (stack_.trunk_) return stack_.trunk_->lowers().want(wish);
  return fail(Reason::unsupported, "only a layer with streams can have several lowers", 0, "core");
}
void LayerSlot::drop_lower(LowerPort port, const CloseArgs& args) noexcept {
  if (stack_.trunk_) stack_.trunk_->lowers().drop(port, args);
}
Result<PropertyValue> LayerSlot::ask(LowerPort port, std::string_view name) noexcept {
  Stack* const below = stack_.trunk_ ? stack_.trunk_->lowers().find(port) : &stack_;
  if (below == nullptr || index_ == below->base().first_) return fail(Reason::unsupported);
  return below->get(name, index_ - 1u);
}
Result<void> LayerSlot::tell(LowerPort port, std::string_view name, const PropertyValue& value) noexcept {
  Stack* const below = stack_.trunk_ ? stack_.trunk_->lowers().find(port) : &stack_;
  if (below == nullptr || index_ == below->base().first_) return fail(Reason::unsupported);
  return below->set(name, value, index_ - 1u);
}

// Whom the layers talk to, where that differs.
struct Stack::Remotes {
  std::vector<Endpoint> of;
  std::optional<OpenArgs> args[kStackDepthMax];
};

// Hears of paths, where a policy finds them.
struct Stack::Paths final : PathWatcher {
  explicit Paths(Stack& owner) : stack(owner) {}
  void paths_changed(const PathNews& news) noexcept override { stack.paths_changed(news); }
  Stack& stack;
};

// What the layers see of the state; few ever ask.
struct Stack::Memories {
  std::unique_ptr<LayerState> of[kStackDepthMax];
};

Stack::Stack(Turn& turn, std::shared_ptr<const ComposedStack> composed, std::shared_ptr<const Security> security,
             unsigned first, unsigned end)
    : turn_(turn),
      composed_(std::move(composed)),
      security_(std::move(security)),
      owner_(&nobody),
      first_(static_cast<std::uint8_t>(first)),
      count_(static_cast<std::uint8_t>(end != 0 ? end : composed_->layers.size())) {
  // One block for all levels; they hold references to each other, so they cannot live in a vector that moves.
  static_assert(alignof(Level) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__);
  const unsigned levels = count_ - first_;
  levels_ = static_cast<Level*>(levels == 1 ? only_level_ : ::operator new(sizeof(Level) * levels));
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
  if (count_ == first_) return;  // a stream of the topmost layer: there is only the link to it
  top_link().top = &nobody;
  if (composed_->multiplexer != count_ - 1) return;
  LayerSlot& multiplexer = level(count_ - 1u).slot;
  multiplexer.above = nullptr;
  multiplexer.many = std::make_unique<Slot::Many>();
  trunk_ = std::make_unique<Trunk>(*this);
  owner_ = trunk_.get();
}

Stack::~Stack() {
  if (foot_ && foot_->trunk != nullptr) foot_->trunk->forget(*foot_);
  if (acceptor_ != nullptr && level(first_).slot.instance) acceptor_->unseated(*level(first_).slot.instance);
  if (keeper_ != nullptr) keeper_->unseated(*this);
  for (unsigned i = count_; i-- > first_;) level(i).~Level();
  if (count_ - first_ != 1) ::operator delete(levels_);
}

const Security& Stack::security() const noexcept { return security_ ? *security_ : no_security(); }

Seat Stack::seat(unsigned index) noexcept {
  Level& here = level(index);
  Seat seat{here.slot, UpperPort(here.link), LowerPort()};
  if (here.slot.below != nullptr) seat.lower = LowerPort(*here.slot.below);
  if (Stack* const under = trunk_ ? trunk_->lowers().first() : nullptr) seat.lower = LowerPort(under->top_link());
  if (here.slot.above != nullptr) return seat;
  seat.upper = UpperPort();
  if (here.slot.many->above.empty()) return seat;  // passive: every stream comes by accept_stream()
  auto& first = static_cast<Foot&>(*here.slot.many->above.front());
  first.open = true;
  seat.upper = UpperPort(first);
  return seat;
}
void Stack::set_layer(unsigned index, std::unique_ptr<ProtocolInstance> instance) noexcept {
  level(index).slot.instance = std::move(instance);
}
void Stack::seated_by(Acceptor& acceptor, SeatKeeper& keeper) noexcept {
  acceptor_ = &acceptor;
  keeper_ = &keeper;
}
Stack& Stack::lowest() noexcept {
  Stack* const under = trunk_ ? trunk_->lowers().first() : nullptr;
  return under != nullptr ? *under : *this;
}
Result<void> Stack::make_layers(unsigned from) {
  if (foot_ && from < first_) {
    if (auto made = base().make_layers(from); !made) return made;
    from = first_;
  }
  if (from < first_) {
    if (auto made = lowest().make_layers(from); !made) return made;
    from = first_;
  }
  for (unsigned i = from; i < count_; ++i) {
    auto instance = composed_->layers[i].protocol->connect(seat(i));
    if (!instance) return trellis::fail(std::move(instance));
    set_layer(i, std::move(*instance));
  }
  return {};
}

void Stack::remember(StateMemory& memory, std::shared_ptr<const StateRules> rules) noexcept {
  if (foot_) base().remember(memory, rules);
  if (Stack& under = lowest(); &under != this) under.remember(memory, rules);
  memory_ = &memory;
  rules_ = std::move(rules);
}

void Stack::be_like(Stack& other) {
  remember_as(other);
  if (other.base().remotes_) {
    std::vector<Endpoint> remotes = other.base().remotes_->of;
    remotes.resize(composed_->layers.size(), remotes.back());  // other framers talk to whom those talked to
    talk_to(std::move(remotes));
  }
  if (other.base().paths_) follow_paths(other.base().paths_->shared_table());
}

void Stack::remember_as(const Stack& other) noexcept {
  memory_ = other.memory_;
  rules_ = other.rules_;
}

State& Stack::state(unsigned index) noexcept {
  if (memory_ == nullptr) return no_state();
  if (!memories_) memories_ = std::make_unique<Memories>();
  if (memories_->of[index]) return *memories_->of[index];
  const auto partition = state_partition(rules_->partition, security_.get());
  StateKey key{.kind = {},
               .partition = partition.value_or(""),
               .network = domain_of(route().path),
               .endpoint = state_endpoint(base().remotes_ ? base().remotes_->of[index] : *remote()),
               .protocol = composed_->layers[index].name,
               .detail = {}};
  memories_->of[index] = std::make_unique<LayerState>(partition ? memory_ : nullptr, rules_, std::move(key),
                                                      security_.get(), turn_.executor());
  return *memories_->of[index];
}

// What the layer says, and what the layers above it still need.
void Stack::answered(unsigned index, unsigned rtts_left) noexcept {
  for (std::size_t i = index + 1u; i < composed_->layers.size(); ++i)
    rtts_left += composed_->layers[i].traits.handshake_rtts;
  owner_->stack_answered(rtts_left);
}

void Stack::prepare(const SharedEndpoint& remote, Route&& route, bool passive, Direction direction) noexcept {
  remote_ = remote;
  route_ = std::move(route);
  args_.emplace(OpenArgs{*remote_, route_, security().alpn, passive, opened_for(direction)});
  if (Stack& under = lowest(); &under != this && !under.args_) under.prepare(remote, Route(route_), passive);
  turn_.advance(*this);
}
void Stack::open(const SharedEndpoint& remote, Route&& route, bool passive, Direction direction) noexcept {
  if (foot_) {
    base().open(remote, std::move(route), passive, direction);
    return follow_trunk(passive);
  }
  prepare(remote, std::move(route), passive, direction);
  lowest().open_next();
  open_next();
}
const Address& Stack::local() noexcept {
  Stack& all = base();
  Address& local = all.route_.local;
  if (local.port != 0 || all.first_ != 0 || all.count_ == 0) return local;
  const LayerSlot& bottom = all.level(0).slot;
  if (!bottom.instance || !bottom.Slot::ready) return local;
  if (const Address own = bottom.instance->local_address()) local = own;
  return local;
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
  if (foot_) return let_go_of_stream();
  if (trunk_) trunk_->left();
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
  if (trunk_) trunk_->lowers().advance();
  if (foot_ && foot_->stopped) owner_->stack_stopped(*std::exchange(foot_->stopped, nullptr));
  if (aborting_) return say_abort();
  if (error_ || peer_closed_) return report_end();
  if (!told_ready_ && args_) open_next();
  if (trunk_) trunk_->lowers().tell_news();
  if (graceful_ && !error_) close_next();
}

void Stack::talk_to(std::vector<Endpoint> remotes) {
  base().remotes_ = std::make_unique<Remotes>();
  base().remotes_->of = std::move(remotes);
}

const OpenArgs& Stack::args(unsigned index) noexcept {
  Remotes* const remotes = base().remotes_.get();
  if (remotes == nullptr) return *args_;
  return remotes->args[index].emplace(
      OpenArgs{remotes->of[index], args_->route, args_->alpn, args_->passive, args_->direction});
}

// Iterates, so that a layer that is ready at once never nests the next one's open() in its own.
void Stack::open_next() noexcept {
  if (foot_ && !foot_->trunk->carries()) return;
  if (trunk_ && !trunk_->lowers().carries()) return;
  for (unsigned i = first_; i < count_ && !error_; ++i) {
    LayerSlot& slot = level(i).slot;
    if (!slot.opened) {
      slot.opened = true;
      slot.instance->open(args(i));
      turn_.revisit(slot);
      if (auto why = i == first_ && keeper_ != nullptr ? keeper_->refusal(route_) : std::nullopt)
        return fail(i, std::move(*why));
    }
    if (!slot.Slot::ready && !slot.early_open) return;
  }
  for (unsigned i = first_; i < count_; ++i) {
    if (!level(i).slot.Slot::ready) return;
  }
  if (foot_ && !foot_->trunk->ready()) return;
  if (trunk_ && !trunk_->lowers().ready()) return;
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
  if (foot_ && !end_stream()) return;
  if (trunk_ && !trunk_->lowers().close()) return;
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
  const auto open = [](EngineLink& link) {
    link.up.credit += kSluice;
    link.up.refilled = true;
    link.visit_below();
  };
  for (unsigned i = from; i < count_ - (trunk_ ? 1u : 0u); ++i) open(level(i).link);
  if (!trunk_) return;
  for (Foot* foot : trunk_->branches_) {
    open(*foot);
    foot->stack->open_sluices(foot->stack->first_);
  }
}

bool Stack::moving() const noexcept {
  if (foot_ && (foot_->up.queued || foot_->down.queued)) return true;
  if (trunk_ && trunk_->lowers().moving()) return true;
  for (unsigned i = first_; i < count_; ++i) {
    if (level(i).link.up.queued || level(i).link.down.queued) return true;
  }
  return false;
}

// A stream that has ended in good order is over for the application when the layer above has taken all of it.
bool Stack::holds_back() noexcept {
  if (!foot_ || foot_->upper == nullptr || error_ || graceful_) return false;
  foot_->watch_taken = !foot_->up.batch.empty();
  return foot_->watch_taken;
}

void Stack::report_end() noexcept {
  if (told_end_) return;
  if (moving()) return turn_.advance(*this);  // deliver first, then fail
  if (holds_back()) return;
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
    const bool of_a_layer = i + 1u < composed_->layers.size();  // what the application queued is dropped
    if (of_a_layer && !here.link.down.batch.empty()) here.slot.down(UpperPort(here.link), here.link.down.batch);
    here.slot.instance->close(CloseArgs{.abort = true, .code = abort_code_, .reason = {}});
    here.slot.instance->flush();
  }
  if (trunk_) trunk_->lowers().abort(abort_code_);
  leave();
}

bool Stack::quiet() const noexcept {
  for (unsigned i = first_; i < count_; ++i) {
    if (!level(i).slot.idle()) return false;
  }
  return !moving() && (!trunk_ || trunk_->empty());
}

template <class Ask>
auto Stack::first_answer(std::string_view name, unsigned from, const Ask& ask, unsigned to) noexcept {
  std::string why;
  const bool of_one = is_specialized(name) && has_protocol_of(*composed_, name);  // then it is nobody else's (IMPL-85)
  for (unsigned i = from + 1; i-- > to;) {
    Stack* const owner = part(i);
    if (owner == nullptr) break;
    if (of_one && !is_of(composed_->layers[i].name, name)) continue;
    LayerSlot& slot = owner->level(i).slot;
    if (!slot.opened) continue;
    const UpperPort port = foot_ && i + 1u == first_ ? UpperPort(*foot_) : UpperPort(owner->level(i).link);
    auto answer = ask(*slot.instance, port);
    if (answer || answer.error().reason != Reason::unsupported) return answer;
    if (why.empty()) why = std::move(answer.error().detail);
  }
  if (why.empty()) why = "no layer of " + composed_->text + " has the property '" + std::string(name) + "'";
  return decltype(ask(*levels_->slot.instance, UpperPort()))(trellis::fail(Reason::unsupported, std::move(why)));
}
Result<PropertyValue> Stack::get(std::string_view name, unsigned from) noexcept {
  return first_answer(name, from, [&](ProtocolInstance& layer, UpperPort port) { return layer.get(port, name); });
}
Result<void> Stack::set(std::string_view name, const PropertyValue& value, unsigned from) noexcept {
  const auto ask = [&](ProtocolInstance& layer, UpperPort port) { return layer.set(port, name, value); };
  Trunk* const cut = trunk();
  if (cut == nullptr) return first_answer(name, from, ask);
  auto done = first_answer(name, from, ask, base().first_);
  if (done || done.error().reason != Reason::unsupported) return done;
  auto below = cut->lowers().set(name, value);  // on all of them
  return below || below.error().reason != Reason::unsupported ? std::move(below) : std::move(done);
}

void Stack::wish(std::string_view property, const PropertyValue& value) noexcept {
  for (unsigned i = count_; i-- > 0;) {
    if (Stack* const owner = part(i)) std::ignore = owner->level(i).slot.instance->set({}, property, value);
  }
}

// ---- paths

PathTable* Stack::path_table() noexcept { return base().paths_ ? base().paths_->table() : nullptr; }

void Stack::follow_paths(std::shared_ptr<PathTable> table) {
  Stack& below = base();
  below.paths_ = std::make_unique<Paths>(below);
  below.paths_->follow(std::move(table));
}

// An interface that comes back is another path with the same address.
void Stack::paths_changed(const PathNews& news) noexcept {
  Path& mine = route_.path;
  const auto is_mine = [&](const Path& path) {
    return path.id == mine.id || (path.interface_name == mine.interface_name && path.local == mine.local &&
                                  path.provisioning_domain == mine.provisioning_domain);
  };
  const auto tell = [&](Reason reason, const char* what) {
    owner_->stack_noticed(Notice::path_change, {reason, 0, "core", "the path " + mine.interface_name + what});
  };
  for (const std::vector<Path>* list : {&news.removed, &news.changed, &news.added}) {
    const auto found = std::ranges::find_if(*list, is_mine);
    if (found == list->end()) continue;
    mine = *found;
    if (list == &news.removed)
      tell(Reason::unreachable, " went away");
    else
      tell(Reason{}, list == &news.changed ? " has changed" : " is there again");
  }
  if (trunk_) trunk_->lowers().paths_changed();
}

// ---- streams

Stack& Stack::make(Turn& turn, std::shared_ptr<const ComposedStack> composed,
                   std::shared_ptr<const Security> security) {
  Stack& made = make_passive(turn, std::move(composed), std::move(security), 0);
  return made.trunk_ ? made.trunk_->add_branch(made.level(made.first_).link.face) : made;
}

Stack& Stack::make_passive(Turn& turn, std::shared_ptr<const ComposedStack> composed,
                           std::shared_ptr<const Security> security, unsigned first) {
  if (composed->multiplexer < 0) return turn.make<Stack>(turn, std::move(composed), std::move(security), first);
  const auto place = static_cast<unsigned>(composed->multiplexer);
  auto& trunk = turn.make<Stack>(turn, composed, security, place, place + 1);
  if (first < place)
    trunk.trunk_->lowers().add_first(turn.make<Stack>(turn, std::move(composed), std::move(security), first, place));
  return trunk;
}

void Stack::stand_on(Trunk& trunk, Face face) {
  Stack& below = trunk.stack();
  LayerSlot& multiplexer = below.level(below.count_ - 1u).slot;
  foot_ = std::make_unique<Foot>();
  foot_->stack = this;
  foot_->trunk = &trunk;
  foot_->lower = &multiplexer;
  foot_->top = &nobody;
  foot_->route = &below.route_;
  foot_->schedule = &turn_.schedule();
  foot_->level = static_cast<std::uint8_t>(first_ - 1);
  foot_->face = face;
  multiplexer.add_above(*foot_);
  for (unsigned i = first_; i < count_; ++i) level(i).link.route = &below.route_;
  if (count_ == first_) return;
  LayerSlot& lowest = level(first_).slot;
  foot_->upper = &lowest;
  foot_->segments = composed_->layers[first_].traits.segments && composed_->layers[first_ - 1u].traits.segments;
  lowest.below = foot_.get();
}

Stack* Stack::part(unsigned index) noexcept {
  if (index >= first_) return this;
  Stack& below = base();
  if (index >= below.first_) return &below;
  Stack& under = below.lowest();
  return index >= under.first_ && index < under.count_ ? &under : nullptr;
}
Stack& Stack::base() noexcept { return foot_ ? foot_->trunk->stack() : *this; }

void Stack::follow_trunk(bool passive) noexcept {
  args_.emplace(OpenArgs{*base().remote_, base().route_, security().alpn, passive});
  turn_.advance(*this);
}

// After the layers above: says that nothing more will be sent or read. True: the multiplexer has forgotten the stream,
// and the trunk has ended too if this was the last one.
bool Stack::end_stream() noexcept {
  Foot& foot = *foot_;
  if (!foot.open) return foot.trunk->closed_with(foot);
  if (!foot.down.batch.empty()) {
    foot.watch_drain = true;
    return false;
  }
  if (std::exchange(foot.ending, true)) return false;
  if (!foot.discards) LowerPort(foot).finish();
  if (!foot.up.finished) foot.trunk->end_stream(foot, Direction::receiving, 0);
  return false;
}

// What the multiplexer still says of the stream is nobody's business; the port stays until it has forgotten it.
void Stack::let_go_of_stream() noexcept {
  Foot& foot = *foot_;
  if (!foot.held) return;  // it has been done: an abort may come by twice
  foot.down.batch.clear();
  foot.upper = nullptr;
  foot.top = &nobody;
  if (foot.trunk->let_go(foot, aborting_)) {
    Stack& below = base();
    if (aborting_)
      below.abort(abort_code_);
    else if (below.told_ready_)
      foot.trunk->close();
    else
      below.leave();
  } else if (foot.open) {
    foot.trunk->end_stream(foot, Direction::both, abort_code_);
  }
  if (!foot.open) turn_.retire(*this);
}

void Stack::stream_over() noexcept {
  foot_->open = false;
  foot_->lower = nullptr;
  foot_->discards = true;
  if (!foot_->held) return turn_.retire(*this);
  if (!graceful_) peer_closed_ = true;
  open_sluices(first_);
  turn_.advance(*this);
}

void Stack::stream_stopped(Error error) noexcept {
  foot_->stopped = std::make_unique<Error>(std::move(error));
  foot_->discards = true;
  foot_->down.credit += kSluice;  // what is above shall not wait for credit that cannot come
  foot_->down.refilled = true;
  foot_->visit_above();
  foot_->visit_below();
  turn_.advance(*this);
}

void Stack::trunk_over(const Error* error) noexcept {
  if (error != nullptr && foot_->held && !error_ && !told_end_) error_ = std::make_unique<Error>(*error);
  if (error == nullptr) peer_closed_ = true;
  stream_over();
}

}  // namespace trellis
