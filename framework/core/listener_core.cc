#include "core/listener_core.h"

#include <algorithm>
#include <cassert>

#include "core/multicast.h"
#include "trellis/address_text.h"

namespace trellis {
namespace {

constexpr std::size_t kPendingMax = 4096;  // Connections on their way at once; more are refused until some are ready
constexpr std::size_t kBareMax = 4096;     // peers with streams of which none is open
constexpr std::size_t kWaitingMax = 1024;  // ready and not taken by the application

std::uint8_t accepting_level(const Plan& plan) {
  return static_cast<std::uint8_t>(plan.stacks.empty() ? 0 : std::max(plan.stacks.front()->acceptor, 0));
}

// Null: it can.
const char* cannot_listen(const ComposedStack& stack) noexcept {
  if (stack.acceptor < 0) return "no layer of it can listen";
  const auto place = static_cast<std::size_t>(stack.acceptor);
  if (stack.multiplexer >= 0 && stack.multiplexer < stack.acceptor) return "its acceptor is above a layer with streams";
  if (stack.layers[place].traits.accepts != Accepts::over_many_lowers) return nullptr;
  if (stack.multiplexer != stack.acceptor) return "its acceptor joins connections and has no streams";
  if (place == 0 || stack.layers[0].traits.accepts != Accepts::over_one_lower)
    return "its acceptor joins connections, and the bottom layer accepts none";
  for (std::size_t i = 1; i < place; ++i) {
    if (stack.layers[i].traits.accepts != Accepts::no) return "it has more than two acceptors";
  }
  return nullptr;
}

}  // namespace

void ListenerCore::choose_stacks(Plan& plan) {
  std::vector<std::shared_ptr<const ComposedStack>> chosen;
  for (const auto& stack : plan.stacks) {
    const auto same_port = [&](const auto& other) { return other->layers[0].name == stack->layers[0].name; };
    if (cannot_listen(*stack) == nullptr && std::ranges::none_of(chosen, same_port)) chosen.push_back(stack);
  }
  if (!chosen.empty()) plan.stacks = std::move(chosen);
}

ListenerCore::ListenerCore(FrameworkCore& framework, Turn& turn, Plan plan, ListenerEvents events, ListenerCore* head)
    : AcceptorSlot(turn, accepting_level(plan)),
      framework_(framework),
      plan_(std::move(plan)),
      events_(std::move(events)),
      head_(head) {
  if (!plan_.stacks.empty()) composed_ = acceptor_stack_ = plan_.stacks.front();
}

ListenerCore::~ListenerCore() {
  let_all_go();
  leave_below();
}

void ListenerCore::let_all_go() noexcept {
  for (ConnectionCore* connection : std::vector(std::move(pending_))) connection->taker_gone();
  pending_.clear();
  for (Trunk* trunk : std::vector(std::move(trunks_))) trunk->taken_by(nullptr);
  trunks_.clear();
  bare_ = 0;
}

const Security& ListenerCore::security() noexcept {
  return plan_.wishes.security ? *plan_.wishes.security : no_security();
}

void ListenerCore::begin() noexcept {
  if (const char* const why = cannot_listen(*composed_)) {
    return fail_later({Reason::unsupported, 0, "core", "cannot listen with the stack " + composed_->text + ": " + why});
  }
  place_ = static_cast<unsigned>(composed_->acceptor);
  route_.path.interface_name = plan_.wishes.interface_name;
  if (plan_.wishes.held) plan_.wishes.held->release();  // its port is bound anew
  route_.local = plan_.wishes.local.address;
  route_.local.port = head_ != nullptr ? head_->local_.port : plan_.wishes.local.port;
  if (is_multicast(route_.local)) {
    senders_ = std::make_shared<Group>();
    anyone_ = {.hop_limit = plan_.wishes.local.hop_limit, .address = source_of(plan_.wishes)};
  }
  if (auto judged = judge_paths(); !judged) return fail_later(std::move(judged).error());
  if (!admission_) return open();
  if (admission_->complete()) open_if_allowed();
}

// Which paths there are takes a moment to be known.
void ListenerCore::open_if_allowed() noexcept {
  if (stopped_ || ended) return;
  if (auto nowhere = admission_->nowhere()) return fail_later(std::move(*nowhere));
  if (senders_ && route_.path.interface_name.empty())
    route_.path.interface_name = admission_->interface_for(route_.local.family);
  open();
}

void ListenerCore::open() noexcept {
  if (composed_->layers[place_].traits.accepts == Accepts::over_many_lowers) return open_offering();
  if (place_ == 0) return open_acceptor();
  open_below();
}

// ---- rules about paths

Result<void> ListenerCore::judge_paths() {
  next_.reset();
  if (!Admission::needed(plan_.wishes.paths, plan_.profile->policy.path_rules)) {
    admission_.reset();
    return {};
  }
  auto table = framework_.paths(executor(), plan_);
  if (!table) return trellis::fail(std::move(table));
  if (*table == nullptr) {  // routing decides
    admission_.reset();
    return {};
  }
  auto made = std::make_unique<Admission>(std::move(*table), plan_.wishes, [this] {
    if (!opened && offering_ == nullptr && below_ == nullptr) open_if_allowed();
  });
  (admission_ ? next_ : admission_) = std::move(made);
  return {};
}

std::optional<Error> ListenerCore::refusal(const Route& route) noexcept {
  if (next_ && next_->complete()) admission_ = std::move(next_);
  return admission_ ? admission_->refusal(route) : std::nullopt;
}

// ---- an acceptor of connections that another one has accepted

void ListenerCore::open_offering() noexcept {
  many = std::make_unique<Slot::Many>();
  offering_ = &turn_->make<OfferingAcceptor>(*this, *turn_, composed_, plan_.wishes.security, place_);
  if (auto begun = offering_->begin(route_); !begun) fail_later(std::move(begun).error());
}

void ListenerCore::offers_begin(const Address& local) noexcept {
  route_.local = local;
  if (!opened && !ended) open_acceptor();
}

void ListenerCore::offered(EngineLink& link) noexcept {
  if (!active()) return offering_->refuse(link);
  link.upper = this;
  many->below.push_back(&link);
  acceptor_->offered(LowerPort(link));
  turn_->revisit(*this);
}

void ListenerCore::offer_failed(EngineLink& link) noexcept {
  std::erase(many->below, &link);
  if (active()) acceptor_->offered_failed(LowerPort(link));
}

Stack* ListenerCore::take_offer(LowerPort offered) noexcept {
  if (offering_ == nullptr || !offered) return nullptr;
  auto& link = static_cast<EngineLink&>(offered.link());
  Stack* const taken = offering_->take(link);
  if (taken != nullptr) std::erase(many->below, &link);
  return taken;
}

void ListenerCore::attach(ProtocolInstance& instance, LowerPort offered) noexcept {
  Stack* const stack = take_offer(offered);
  if (stack == nullptr) return;
  const auto session = sessions_.find(&instance);
  // RFC 9622 section 6.2.14: with multipath Disabled neither side adds paths, nor moves to another one.
  const bool one_path = plan_.wishes.prohibit.has(Feature::path_migration);
  if (one_path) log(Severity::info, "a connection that joins a session was refused: multipath is Disabled");
  if (!one_path && session != sessions_.end() && session->second->trunk()->takes_lowers())
    return session->second->trunk()->lowers().adopt(*stack, true);
  stack->top_link().upper = nullptr;
  stack->abort(0);
}

void ListenerCore::refuse(LowerPort offered) noexcept {
  if (offering_ == nullptr || !offered) return;
  auto& link = static_cast<EngineLink&>(offered.link());
  std::erase(many->below, &link);
  offering_->refuse(link);
}

// ---- what belongs to another loop

void ListenerCore::forward(unsigned loop, const Chunk& datagram) noexcept {
  if (siblings_) siblings_->forward(loop, datagram);
}

void ListenerCore::forwarded(Chunk&& datagram) noexcept {
  if (!active() || below == nullptr) return;
  UpperPort from(*below);
  if (from.credit() > 0) from.push(std::move(datagram));
}

void ListenerCore::unseated(Stack& stack) noexcept {
  --instances_;
  sessions_.erase(stack.instance());
}

// What the acceptor stands on belongs to no peer: it is opened once, unconnected, and lives as long as the acceptor.
void ListenerCore::open_below() noexcept {
  below_ = &turn_->make<Stack>(*turn_, composed_, plan_.wishes.security, 0u, place_);
  below_->give_to(base_);
  below = &below_->top_link();
  below->upper = this;
  below->segments = composed_->layers[place_].traits.segments && composed_->layers[place_ - 1].traits.segments;
  if (auto made = below_->make_layers(0); !made) return fail_later(std::move(made).error());
  below_->open(anyone_, Route(route_), true);
}

void ListenerCore::open_acceptor() noexcept {
  auto begun =
      open_on(below != nullptr ? LowerPort(*below) : LowerPort(), below_ != nullptr ? below_->route() : route_);
  if (!begun) fail_later(std::move(begun).error());
}

void ListenerCore::leave_below() noexcept {
  if (turn_->over()) return;
  if (OfferingAcceptor* const offering = std::exchange(offering_, nullptr)) {
    many->below.clear();
    offering->stop();
  }
  siblings_.reset();
  if (below_ == nullptr) return;
  below->upper = nullptr;
  below = nullptr;
  std::exchange(below_, nullptr)->leave();
}

// Peers that share it cannot see for themselves that it is gone.
void ListenerCore::below_failed(Error error) noexcept {
  for (const auto& [instance, stack] : sessions_) stack->lost_below(error);
  failed(std::move(error));
}

bool ListenerCore::below_moves() const noexcept {
  return below_ != nullptr && (below->up.queued || below->down.queued);
}

void ListenerCore::fail_later(Error error) noexcept {
  failure_ = std::move(error);
  ended = true;
  tell_failed_ = true;
  stop_followers();
  turn_->deliver(*this);
}

void ListenerCore::failed(Error error) noexcept {
  if (ended) return;
  disarm();
  fail_later(std::move(error));
}
void ListenerCore::listening(const Address& local) noexcept {
  local_ = local;
  if (executor().loops() > 1 && below_ != nullptr)
    siblings_.emplace(framework_.siblings, *this, executor(), composed_->text + " " + to_text(local));
  if (!std::exchange(ready, true)) begin_followers();
  tell_listening_ = true;
  turn_->deliver(*this);
}
void ListenerCore::closed() noexcept {
  if (shares_below()) return;  // it still tells apart what comes for the peers that it has
  disarm();
  ended = true;
}

// ---- the other stacks of the policy

// One that cannot listen is missed and not fatal: the application has the first one.
void ListenerCore::begin_followers() noexcept {
  for (std::size_t i = 1; head_ == nullptr && i < plan_.stacks.size(); ++i) {
    Plan plan = plan_;
    plan.stacks = {plan_.stacks[i]};
    auto& follower = turn_->make<ListenerCore>(framework_, *turn_, std::move(plan), ListenerEvents{}, this);
    followers_.push_back(&follower);
    follower.begin();
  }
}

void ListenerCore::stop_followers() noexcept {
  for (ListenerCore* follower : followers_) follower->stop();
}

void ListenerCore::stop() noexcept {
  if (std::exchange(stopped_, true)) return;
  stop_followers();
  tell_stopped_ = !failure_;
  let_all_go();
  turn_->advance(*this);
  turn_->deliver(*this);
}

void ListenerCore::advance() noexcept {
  if (!stopped_) return;
  if (active()) acceptor_->close(CloseArgs{});
  if (instances_ != 0 || opening_) return;
  if (shares_below()) ended = true;
  leave_below();
}

void ListenerCore::gone() noexcept {
  gone_ = true;
  waiter_ = {};
  stop();
  waiting_.clear();
  for (ListenerCore* follower : std::exchange(followers_, {})) follower->gone();
  turn_->retire(*this);
}

void ListenerCore::accept(std::move_only_function<void(Result<Connection>)> hear) {
  waiter_ = std::move(hear);
  if (!waiting_.empty() || ended || stopped_) turn_->deliver(*this);
}

// After a reload new Connections get the limits and the settings that the policies say now, but for the layer that
// accepts. If they do not have the stack any more, nobody is let in by what was true before.
bool ListenerCore::renew() {
  if (plan_.generation == framework_.generation()) return true;
  auto plan = framework_.plan(plan_.wishes);
  std::string why = plan ? "the policies do not have it any more" : plan.error().detail;
  if (plan && plan->face == plan_.face) {
    const auto same = std::ranges::find(plan->stacks, composed_->text, [](const auto& stack) { return stack->text; });
    if (same != plan->stacks.end()) {
      composed_ = *same;
      plan_ = std::move(*plan);
      const auto judged = judge_paths();
      if (judged) return true;
      why = judged.error().detail;
    }
  }
  failure_ = Error{Reason::configuration, 0, "core",
                   "since the policies were loaded anew, " + composed_->text + " is not listened with: " + why};
  tell_failed_ = true;
  stop();
  turn_->deliver(*this);
  return false;
}

bool ListenerCore::full() noexcept {
  return stopped_ || head().limit_ == 0 || pending_.size() >= kPendingMax || head().waiting_.size() >= kWaitingMax;
}

Seat* ListenerCore::seat(const Address& peer, LowerPort lower) noexcept {
  assert(!opening_ && "seat() is answered by seated() before the next seat()");
  if (full() || bare_ >= kBareMax || !renew()) return nullptr;
  Stack* const offered = take_offer(lower);
  if (offering_ != nullptr && offered == nullptr) return nullptr;
  Stack& stack = Stack::make_passive(*turn_, composed_, plan_.wishes.security, place_);
  Stack& lowest = stack.lowest();
  if (offered != nullptr) stack.trunk()->lowers().adopt(*offered, false);
  ConnectionCore* connection = nullptr;
  if (stack.trunk() == nullptr) {
    connection = &turn_->make<ConnectionCore>(*turn_, plan_.face, plan_.limits);
    stack.give_to(*connection);
  }
  opening_.emplace(Opening{connection, stack, lowest, lowest.seat(place_), peer});
  if (lower) opening_->seat.lower = lower;
  return &opening_->seat;
}

void ListenerCore::seated(Seat* seat, std::unique_ptr<ProtocolInstance> instance) noexcept {
  assert(opening_ && seat == &opening_->seat);
  (void)seat;
  auto [connection, stack, lowest, place, peer] = *std::exchange(opening_, std::nullopt);
  Result<void> made;
  if (instance) {
    if (shares_below()) sessions_[instance.get()] = &stack;
    lowest.set_layer(place_, std::move(instance));
    lowest.seated_by(*acceptor_, *this);
    ++instances_;
    made = stack.make_layers(place_ + 1);
  }
  if (!lowest.seat_taken() || !made) {
    if (!made) log(Severity::failure, made.error().detail);
    stack.leave();
    if (connection != nullptr) turn_->retire(*connection);
    return;
  }
  // RFC 9622 section 6.2.14: so that a layer can tell its peer.
  if (plan_.wishes.prohibit.has(Feature::path_migration)) stack.wish(kMultipath.name, std::string("Disabled"));
  if (connection == nullptr) {
    adopt(*stack.trunk());
  } else {
    if (head().limit_ != UINT64_MAX) --head().limit_;
    if (senders_) connection->join(senders_);
    connection->accepted_by(*this, stack, static_cast<std::uint32_t>(pending_.size()));
    pending_.push_back(connection);
  }
  Route route{.path = route_.path, .local = local_, .remote = peer};
  stack.prepare(SharedEndpoint(peer), std::move(route), true);
}

// ---- streams of the peers

// The trunk stays as long as this listener does, even while it has no streams: the peer may open some.
void ListenerCore::adopt(Trunk& trunk) {
  trunk.moved_in_taker(static_cast<std::uint32_t>(trunks_.size()));
  trunk.taken_by(this);
  trunks_.push_back(&trunk);
  ++bare_;
}

void ListenerCore::not_established(ConnectionCore& connection, const Error* why) noexcept {
  forget(connection);
  if (head().limit_ != UINT64_MAX) ++head().limit_;  // only what the application gets counts
  if (why != nullptr) log(Severity::warning, "a peer was not established: " + why->detail);
}

Stack* ListenerCore::take_stream(Trunk& trunk, const StreamArgs& args) noexcept {
  if (full()) return nullptr;
  if (trunk.fresh()) --bare_;
  Stack* branch = accept_stream(trunk, args, *this, pending_, plan_.limits);
  if (branch != nullptr && head().limit_ != UINT64_MAX) --head().limit_;
  return branch;
}

void ListenerCore::trunk_over(Trunk& trunk) noexcept {
  const std::uint32_t place = trunk.place_in_taker();
  if (place >= trunks_.size() || trunks_[place] != &trunk) return;
  if (trunk.fresh()) --bare_;
  trunks_[place] = trunks_.back();
  trunks_[place]->moved_in_taker(place);
  trunks_.pop_back();
}

void ListenerCore::forget(ConnectionCore& connection) noexcept { forget_pending(pending_, connection); }

void ListenerCore::established(ConnectionCore& connection) noexcept {
  forget(connection);
  if (composed_->multiplexer >= 0) {  // one of its group may have asked for all streams since this one was opened
    if (const auto group = connection.membership().group; group && group->hears())
      return group->established(connection);
  }
  head().arrived(connection);
}

void ListenerCore::arrived(ConnectionCore& connection) noexcept {
  if (waiter_ || !events_.received) {
    waiting_.push_back(connection.handle());
    turn_->deliver(*this);
  } else {
    events_.received(connection.handle());
  }
}

void ListenerCore::deliver() noexcept {
  if (std::exchange(tell_listening_, false) && !gone_ && events_.listening) events_.listening(local_);
  while (!gone_ && waiter_ && !waiting_.empty()) {
    auto hear = std::exchange(waiter_, {});
    Connection next = std::move(waiting_.front());
    waiting_.pop_front();
    hear(std::move(next));
  }
  if (!gone_ && waiter_ && (ended || stopped_)) {
    auto hear = std::exchange(waiter_, {});
    hear(std::unexpected(failure_.value_or(Error{Reason::canceled, 0, "core", "the listener was stopped"})));
  }
  if (std::exchange(tell_failed_, false) && !gone_) {
    if (head_ != nullptr) log(Severity::warning, composed_->text + " is not listened with: " + failure_->detail);
    if (events_.failed) events_.failed(*failure_);
  }
  if (std::exchange(tell_stopped_, false) && !gone_ && events_.stopped) events_.stopped();
}

}  // namespace trellis
