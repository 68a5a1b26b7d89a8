#include "core/listener_core.h"

#include <algorithm>
#include <cassert>

namespace trellis {
namespace {

constexpr std::size_t kPendingMax = 4096;  // Connections on their way at once; more are refused until some are ready
constexpr std::size_t kWaitingMax = 1024;  // ready and not taken by the application

class NoState final : public State {
  StateValue take(StateKind, std::string_view) noexcept override { return {}; }
  StateValue peek(StateKind, std::string_view) noexcept override { return {}; }
  void put(StateKind, std::string_view, StateValue, Duration) noexcept override {}
} no_state;
const Security kNoSecurity;

}  // namespace

ListenerCore::ListenerCore(FrameworkCore& framework, Turn& turn, Plan plan, ListenerEvents events)
    : Slot(turn, 0), framework_(framework), plan_(std::move(plan)), events_(std::move(events)) {
  if (!plan_.stacks.empty()) composed_ = acceptor_stack_ = plan_.stacks.front();
}

ListenerCore::~ListenerCore() {
  for (ConnectionCore* connection : std::vector(std::move(pending_))) connection->listener_gone();
}

State& ListenerCore::state() noexcept { return no_state; }
const Security& ListenerCore::security() noexcept {
  return plan_.wishes.security ? *plan_.wishes.security : kNoSecurity;
}
void ListenerCore::log(Severity severity, std::string_view text) noexcept {
  if (turn_->log()) turn_->log()(severity, composed_->layers[0].name, text);
}

void ListenerCore::begin() noexcept {
  if (composed_->acceptor != 0) {
    const char* why = composed_->acceptor < 0 ? "no layer of it can listen"
                                              : "its acceptor is above another layer, which is not built yet";
    return fail_later({Reason::unsupported, 0, "core", "cannot listen with the stack " + composed_->text + ": " + why});
  }
  auto acceptor = composed_->layers[0].protocol->listen(*this, LowerPort());
  if (!acceptor) return fail_later(std::move(acceptor).error());
  acceptor_ = std::move(*acceptor);
  route_.path.interface_name = plan_.wishes.interface_name;
  route_.local = plan_.wishes.local.address;
  route_.local.port = plan_.wishes.local.port;
  args_.emplace(OpenArgs{anyone_, route_, security().alpn, true});
  opened = true;
  acceptor_->open(*args_);
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
  disarm();
  ended = true;
}

void ListenerCore::stop() noexcept {
  if (std::exchange(stopped_, true)) return;
  for (ConnectionCore* connection : std::vector(std::move(pending_))) connection->listener_gone();
  pending_.clear();
  turn_->advance(*this);
}

void ListenerCore::advance() noexcept {
  if (stopped_ && active()) acceptor_->close(CloseArgs{});
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
  std::string why = plan ? "the policies do not have it any more" : plan.error().detail;
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

Seat* ListenerCore::seat(const Address& peer, LowerPort) noexcept {
  assert(!opening_ && "seat() is answered by seated() before the next seat()");
  if (stopped_ || limit_ == 0 || pending_.size() >= kPendingMax || waiting_.size() >= kWaitingMax) return nullptr;
  if (!renew()) return nullptr;
  auto& connection = turn_->make<ConnectionCore>(*turn_, plan_.face, plan_.limits);
  auto& stack = turn_->make<Stack>(*turn_, composed_, plan_.wishes.security);
  stack.give_to(connection);
  opening_.emplace(Opening{connection, stack, stack.seat(0), peer});
  return &opening_->seat;
}

void ListenerCore::seated(Seat* seat, std::unique_ptr<ProtocolInstance> instance) noexcept {
  assert(opening_ && seat == &opening_->seat);
  (void)seat;
  auto [connection, stack, place, peer] = *std::exchange(opening_, std::nullopt);
  Result<void> made;
  if (instance) {
    stack.set_layer(0, std::move(instance));
    stack.seated_by(*acceptor_, instances_);
    made = stack.make_layers(1);
  }
  if (!stack.seat_taken() || !made) {
    if (!made) log(Severity::failure, made.error().detail);
    stack.leave();
    return turn_->retire(connection);
  }
  if (limit_ != UINT64_MAX) --limit_;
  connection.accepted_by(*this, stack, static_cast<std::uint32_t>(pending_.size()));
  pending_.push_back(&connection);
  const Route route{.path = route_.path, .local = local_, .remote = peer};
  stack.prepare(Endpoint{.host = {}, .port = peer.port, .address = peer}, route, true);
}

void ListenerCore::forget(ConnectionCore& connection) noexcept {
  const std::uint32_t place = connection.listener_place();
  if (place >= pending_.size() || pending_[place] != &connection) return;  // the listener stopped meanwhile
  pending_[place] = pending_.back();
  pending_[place]->moved_in_listener(place);
  pending_.pop_back();
}

void ListenerCore::not_established(ConnectionCore& connection, const Error* why) noexcept {
  forget(connection);
  if (limit_ != UINT64_MAX) ++limit_;  // only what the application gets counts
  if (why != nullptr) log(Severity::warning, "a peer was not established: " + why->detail);
}

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
