#include "core/listener_core.h"

#include <algorithm>
#include <cassert>

namespace trellis {
namespace {

constexpr std::size_t kPendingMax = 4096;  // Connections on their way at once; more are refused until some are ready
constexpr std::size_t kBareMax = 4096;     // peers with streams of which none is open
constexpr std::size_t kWaitingMax = 1024;  // ready and not taken by the application

class NoState final : public State {
  StateValue take(StateKind, std::string_view) noexcept override { return {}; }
  StateValue peek(StateKind, std::string_view) noexcept override { return {}; }
  void put(StateKind, std::string_view, StateValue, Duration) noexcept override {}
} no_state;
const Security kNoSecurity;

std::uint8_t accepting_level(const Plan& plan) {
  return static_cast<std::uint8_t>(plan.stacks.empty() ? 0 : std::max(plan.stacks.front()->acceptor, 0));
}

}  // namespace

ListenerCore::ListenerCore(FrameworkCore& framework, Turn& turn, Plan plan, ListenerEvents events)
    : Slot(turn, accepting_level(plan)), framework_(framework), plan_(std::move(plan)), events_(std::move(events)) {
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

State& ListenerCore::state() noexcept { return no_state; }
const Security& ListenerCore::security() noexcept {
  return plan_.wishes.security ? *plan_.wishes.security : kNoSecurity;
}
void ListenerCore::log(Severity severity, std::string_view text) noexcept {
  if (turn_->log()) turn_->log()(severity, composed_->layers[place_].name, text);
}

void ListenerCore::begin() noexcept {
  const auto refuse = [this](const char* why) {
    fail_later({Reason::unsupported, 0, "core", "cannot listen with the stack " + composed_->text + ": " + why});
  };
  if (composed_->acceptor < 0) return refuse("no layer of it can listen");
  place_ = static_cast<unsigned>(composed_->acceptor);
  if (place_ != 0 && composed_->layers[place_].traits.accepts == Accepts::over_many_lowers)
    return refuse("its acceptor takes connections of an acceptor below, which is not built yet");
  if (composed_->multiplexer >= 0 && composed_->multiplexer < composed_->acceptor)
    return refuse("its acceptor is above a layer with streams");
  route_.path.interface_name = plan_.wishes.interface_name;
  route_.local = plan_.wishes.local.address;
  route_.local.port = plan_.wishes.local.port;
  if (place_ == 0) return open_acceptor();
  open_below();
}

// What the acceptor stands on belongs to no peer: it is opened once, unconnected, and lives as long as the acceptor.
void ListenerCore::open_below() noexcept {
  below_ = &turn_->make<Stack>(*turn_, composed_, plan_.wishes.security, 0u, place_);
  below_->give_to(base_);
  below = &below_->top_link();
  below->upper = this;
  if (auto made = below_->make_layers(0); !made) return fail_later(std::move(made).error());
  below_->open(anyone_, route_, true);
}

void ListenerCore::open_acceptor() noexcept {
  auto acceptor = composed_->layers[place_].protocol->listen(*this, below != nullptr ? LowerPort(*below) : LowerPort());
  if (!acceptor) return fail_later(std::move(acceptor).error());
  acceptor_ = std::move(*acceptor);
  args_.emplace(OpenArgs{anyone_, below_ != nullptr ? below_->route() : route_, security().alpn, true});
  opened = true;
  acceptor_->open(*args_);
  turn_->revisit(*this);
}

void ListenerCore::leave_below() noexcept {
  if (below_ == nullptr || turn_->over()) return;
  below->upper = nullptr;
  below = nullptr;
  std::exchange(below_, nullptr)->leave();
}

bool ListenerCore::below_moves() const noexcept {
  return below_ != nullptr && (below->up.queued || below->down.queued);
}

void ListenerCore::fail_later(Error error) noexcept {
  failure_ = std::move(error);
  ended = true;
  tell_failed_ = true;
  turn_->deliver(*this);
}

void ListenerCore::failed(Error error) noexcept {
  if (ended) return;
  disarm();
  fail_later(std::move(error));
}
void ListenerCore::listening(const Address& local) noexcept {
  local_ = local;
  ready = true;
  tell_listening_ = true;
  turn_->deliver(*this);
}
void ListenerCore::closed() noexcept {
  if (below_ != nullptr) return;  // it still tells apart what comes for the peers that it has
  disarm();
  ended = true;
}

void ListenerCore::stop() noexcept {
  if (std::exchange(stopped_, true)) return;
  let_all_go();
  turn_->advance(*this);
}

void ListenerCore::advance() noexcept {
  if (!stopped_) return;
  if (active()) acceptor_->close(CloseArgs{});
  if (instances_ != 0 || opening_) return;
  if (below_ != nullptr) ended = true;
  leave_below();
}

void ListenerCore::gone() noexcept {
  gone_ = true;
  waiter_ = {};
  stop();
  waiting_.clear();
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
  const std::string why = plan ? "the policies do not have it any more" : plan.error().detail;
  if (plan && plan->face == plan_.face) {
    const auto same = std::ranges::find(plan->stacks, composed_->text, [](const auto& stack) { return stack->text; });
    if (same != plan->stacks.end()) {
      composed_ = *same;
      plan_ = std::move(*plan);
      return true;
    }
  }
  failure_ = Error{Reason::configuration, 0, "core",
                   "since the policies were loaded anew, " + composed_->text + " is not listened with: " + why};
  tell_failed_ = true;
  stop();
  turn_->deliver(*this);
  return false;
}

bool ListenerCore::full() const noexcept {
  return stopped_ || limit_ == 0 || pending_.size() >= kPendingMax || waiting_.size() >= kWaitingMax;
}

Seat* ListenerCore::seat(const Address& peer, LowerPort lower) noexcept {
  assert(!opening_ && "seat() is answered by seated() before the next seat()");
  if (full() || bare_ >= kBareMax || !renew()) return nullptr;
  auto& stack = turn_->make<Stack>(*turn_, composed_, plan_.wishes.security, place_,
                                   static_cast<unsigned>(composed_->multiplexer + 1));
  ConnectionCore* connection = nullptr;
  if (stack.trunk() == nullptr) {
    connection = &turn_->make<ConnectionCore>(*turn_, plan_.face, plan_.limits);
    stack.give_to(*connection);
  }
  opening_.emplace(Opening{connection, stack, stack.seat(place_), peer});
  opening_->seat.lower = lower;
  return &opening_->seat;
}

void ListenerCore::seated(Seat* seat, std::unique_ptr<ProtocolInstance> instance) noexcept {
  assert(opening_ && seat == &opening_->seat);
  (void)seat;
  auto [connection, stack, place, peer] = *std::exchange(opening_, std::nullopt);
  Result<void> made;
  if (instance) {
    stack.set_layer(place_, std::move(instance));
    stack.seated_by(*acceptor_, instances_);
    made = stack.make_layers(place_ + 1);
  }
  if (!stack.seat_taken() || !made) {
    if (!made) log(Severity::failure, made.error().detail);
    stack.leave();
    if (connection != nullptr) turn_->retire(*connection);
    return;
  }
  if (connection == nullptr) {
    adopt(*stack.trunk());
  } else {
    if (limit_ != UINT64_MAX) --limit_;
    connection->accepted_by(*this, stack, static_cast<std::uint32_t>(pending_.size()));
    pending_.push_back(connection);
  }
  const Route route{.path = route_.path, .local = local_, .remote = peer};
  stack.prepare(Endpoint{.host = {}, .port = peer.port, .address = peer}, route, true);
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
  if (limit_ != UINT64_MAX) ++limit_;  // only what the application gets counts
  if (why != nullptr) log(Severity::warning, "a peer was not established: " + why->detail);
}

Stack* ListenerCore::take_stream(Trunk& trunk, const StreamArgs& args) noexcept {
  if (full()) return nullptr;
  if (trunk.fresh()) --bare_;
  Stack* branch = accept_stream(trunk, args, *this, pending_, plan_.limits);
  if (branch != nullptr && limit_ != UINT64_MAX) --limit_;
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
  if (std::exchange(tell_failed_, false) && !gone_ && events_.failed) events_.failed(*failure_);
}

}  // namespace trellis
