#include "core/establishment.h"

#include <algorithm>

#include "core/address_text.h"

namespace trellis {

Establishment::Establishment(FrameworkCore& framework, Turn& turn, Plan plan, ConnectionCore& connection)
    : framework_(framework), turn_(turn), plan_(std::move(plan)), connection_(&connection) {}

void Establishment::begin() noexcept {
  deadline_ = turn_.executor().now() + plan_.connect_timeout;
  Endpoint remote = plan_.wishes.remote;
  if (!remote.address) remote.address = parse_address(remote.host, remote.port).value_or(Address{});
  if (!remote.address) return resolve();
  if (!fits(remote.address)) {
    failures_.push_back({Reason::invalid_argument, 0, "core",
                         to_text(remote.address) + " has another address family than was asked for or than the local address has"});
    return turn_.advance(*this);
  }
  add(remote);
  attempt();
}

void Establishment::resolve() noexcept {
  auto resolver = framework_.resolver(plan_);
  Result<void> begun;
  if (!resolver) {
    begun = fail(std::move(resolver));
  } else {
    kinds_pending_ = 2;
    const Query query{plan_.wishes.remote.host, {}, plan_.wishes.remote.port, nullptr};
    auto lookup = (*resolver)->resolve(turn_.executor(), plan_.resolver_options, query, *this);
    if (lookup) lookup_ = std::move(*lookup);
    else begun = fail(std::move(lookup));
  }
  if (begun) return arm(turn_.executor(), deadline_);
  kinds_pending_ = 0;
  resolution_failure_ = std::make_unique<Error>(std::move(begun).error());
  turn_.advance(*this);  // nothing fails inside initiate()
}

bool Establishment::fits(const Address& address) const noexcept {
  const auto wanted = plan_.wishes.family;
  if (wanted != Address::Family::none && address.family != wanted) return false;
  const Address& local = plan_.wishes.local.address;
  return !local || local.family == address.family;
}

void Establishment::add(const Endpoint& remote) {
  if (!fits(remote.address) || remotes_.size() * plan_.stacks.size() >= plan_.candidates) return;
  remotes_.push_back(remote);
}

void Establishment::answer(Answer answer) noexcept {
  for (const Endpoint& endpoint : answer.endpoints) add(endpoint);
  turn_.advance(*this);
}

void Establishment::done(Answer::Kind kind, Result<void> how) noexcept {
  if (kind == Answer::Kind::service) return;
  --kinds_pending_;
  if (!how) resolution_failure_ = std::make_unique<Error>(std::move(how).error());
  turn_.advance(*this);
}

void Establishment::advance() noexcept {
  if (connection_ != nullptr && stack_ == nullptr) attempt();
}

std::size_t Establishment::attempts_left() const noexcept {
  const std::size_t all = remotes_.size() * plan_.stacks.size();
  const std::size_t tried = next_stack_ * remotes_.size() + next_remote_;
  return std::max<std::size_t>(1, all - std::min(all, tried));
}

void Establishment::attempt() noexcept {
  for (;;) {
    if (next_remote_ >= remotes_.size() && kinds_pending_ > 0) return;  // later answers belong to this stack too
    if (next_remote_ >= remotes_.size()) {
      next_remote_ = 0;
      ++next_stack_;
    }
    if (next_stack_ >= plan_.stacks.size() || remotes_.empty()) return give_up();
    const Endpoint& remote = remotes_[next_remote_];
    Stack& stack = turn_.make<Stack>(turn_, plan_.stacks[next_stack_], plan_.wishes.security, *this);
    if (auto made = stack.make_layers(0); !made) {
      stack.leave();
      failures_.push_back(std::move(made).error());
      ++next_remote_;
      continue;
    }
    const TimePoint now = turn_.executor().now();
    arm(turn_.executor(), now + (deadline_ - now) / static_cast<std::int64_t>(attempts_left()));
    stack_ = &stack;
    return stack.open(remote, route_to(remote), false);
  }
}

Route Establishment::route_to(const Endpoint& remote) const {
  Route route;
  route.path.interface_name = plan_.wishes.interface_name;
  route.local = plan_.wishes.local.address;
  if (!route.local && plan_.wishes.local.port != 0) route.local.family = remote.address.family;
  route.local.port = plan_.wishes.local.port;
  route.remote = remote.address;
  return route;
}

Result<void> Establishment::apply_properties(Stack& stack) const noexcept {
  for (const auto& [name, value] : plan_.wishes.properties) {
    if (auto set = stack.set(name, value, stack.depth() - 1); !set) return set;
  }
  return {};
}

std::string Establishment::node() const {
  return "1." + std::to_string(next_stack_ + 1) + "." + std::to_string(next_remote_ + 1);
}

void Establishment::stack_ready() noexcept {
  if (auto applied = apply_properties(*stack_); !applied) return stack_failed(std::move(applied).error());
  ConnectionCore& connection = *std::exchange(connection_, nullptr);
  Stack& winner = *std::exchange(stack_, nullptr);
  connection.bind(winner, node());
  finish();
}

void Establishment::stack_failed(Error error) noexcept {
  std::exchange(stack_, nullptr)->leave();
  attempt_failed(std::move(error));
}

void Establishment::stack_closed() noexcept {
  stack_failed(Error{Reason::reset, 0, "core", "the peer closed the connection before it was established"});
}

void Establishment::on_alarm() noexcept {
  const std::string who = plan_.wishes.remote.host.empty() ? "the peer" : plan_.wishes.remote.host;
  if (stack_ == nullptr) {  // still resolving
    lookup_.reset();
    kinds_pending_ = 0;
    resolution_failure_ = std::make_unique<Error>(Error{Reason::unresolved, 0, "core", "no answer for the name " + who + " in time"});
    return turn_.advance(*this);
  }
  const std::string where = to_text(remotes_[next_remote_].address);
  const std::string stack = plan_.stacks[next_stack_]->text;
  std::exchange(stack_, nullptr)->leave();
  attempt_failed({Reason::timed_out, 0, "core", stack + " to " + where + " was not established in time"});
}

void Establishment::attempt_failed(Error error) noexcept {
  failures_.push_back(std::move(error));
  ++next_remote_;
  if (turn_.executor().now() >= deadline_) return give_up();
  turn_.advance(*this);
}

void Establishment::give_up() noexcept {
  Error error{Reason::unresolved, 0, "core", "no address was found for " + plan_.wishes.remote.host};
  if (!failures_.empty()) {
    error = failures_.front();
    for (const Error& failure : failures_) {
      if (failure.reason == Reason::authentication) error = failure;
    }
    if (failures_.size() > 1) error.detail += "; " + std::to_string(failures_.size()) + " attempts failed, the last one with: " + failures_.back().detail;
  } else if (resolution_failure_) {
    error = *resolution_failure_;
  }
  if (connection_ != nullptr) std::exchange(connection_, nullptr)->establish_failed(std::move(error));
  finish();
}

void Establishment::cancel() noexcept {
  connection_ = nullptr;
  if (stack_ != nullptr) std::exchange(stack_, nullptr)->leave();
  finish();
}

void Establishment::finish() noexcept {
  lookup_.reset();
  disarm();
  turn_.retire(*this);
}

}  // namespace trellis
