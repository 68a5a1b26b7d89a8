#include "core/rendezvous_core.h"

#include <algorithm>
#include <format>
#include <utility>

#include "core/initiation.h"
#include "core/listener_core.h"
#include "core/remote_endpoints.h"
#include "core/stun_exchange.h"
#include "trellis/address_text.h"
#include "trellis/endpoint_text.h"

namespace trellis {
namespace {

constexpr std::string_view kOverUdp = "udp";
// The controlling side asks again in that time if it has missed the answer to its choice.
constexpr Duration kSettle = 3 * kStunRto;

// Whether datagrams that are no business of the stack, late checks, do it no harm: it authenticates what it takes.
bool is_bare(const ComposedStack& stack) noexcept { return stack.layers.size() == 1; }
bool tells_strangers(const ComposedStack& stack) noexcept {
  return stack.layers.size() > 1 && stack.multiplexer == 1 && !stack.layers[1].traits.security.family.empty();
}

Error timed_out(const Plan& plan, const std::string& story) {
  const auto limit = std::chrono::duration_cast<std::chrono::milliseconds>(plan.connect_timeout).count();
  return {Reason::timed_out, 0, "core",
          std::format("no rendezvous with {} within {} ms: {}", to_text(plan.wishes.remote), limit, story)};
}

}  // namespace

RendezvousCore::RendezvousCore(FrameworkCore& framework, Executor& loop, Result<Plan> plan, RendezvousOptions how,
                               RendezvousEvents events)
    : framework_(framework),
      loop_(loop),
      how_(std::move(how)),
      events_(std::move(events)),
      session_(how_.own, how_.peer) {
  if (plan)
    plan_ = std::move(*plan);
  else
    failure_ = std::move(plan).error();
}
RendezvousCore::~RendezvousCore() = default;

// ---- beginning

void RendezvousCore::begin() {
  if (!failure_) {
    deadline_ = loop_.now() + plan_->connect_timeout;
    if (auto prepared = prepare(); !prepared) failure_ = std::move(prepared).error();
  }
  if (failure_) return loop_.queue(*this);
  arm(loop_, deadline_);
}

Result<void> RendezvousCore::prepare() {
  auto& candidates = plan_->wishes.candidates;
  if (candidates.empty())
    return fail(Reason::invalid_argument, "no local candidate was given: expected what resolve() has found");
  std::erase_if(candidates, [](const LocalCandidate& c) { return c.kind == CandidateKind::relayed; });
  if (candidates.empty())
    return fail(Reason::unsupported,
                "all local candidates are relayed ones, and no stack speaks TURN: expected a host or server-reflexive "
                "candidate");
  if (auto chosen = choose_stack(); !chosen) return chosen;
  return how_.peer == IceCredentials{} ? without_checks() : begin_checks();
}

// One that both sides come to: the first of the policy.
Result<void> RendezvousCore::choose_stack() {
  auto& stacks = plan_->stacks;
  const auto serves = [](const auto& stack) {
    return stack->layers.front().name == kOverUdp && (is_bare(*stack) || tells_strangers(*stack));
  };
  const auto found = std::ranges::find_if(stacks, serves);
  if (found == stacks.end())
    return fail(Reason::unsupported,
                "a rendezvous goes over udp or over a secure layer with streams on it such as "
                "quic/udp, found " +
                    stacks.front()->text);
  stacks = StackList{*found};
  plan_->in_clear.reset();
  return {};
}

Result<void> RendezvousCore::begin_checks() {
  if (auto checked = check_credentials(how_.own, "our"); !checked) return checked;
  if (auto checked = check_credentials(how_.peer, "the peer's"); !checked) return checked;
  agent_ =
      std::make_unique<IceAgent>(loop_, session_, how_.controlling, [this](const Address& local, const Address& to) {
        local_ = local;
        remote_ = to;
        loop_.queue(*this);
      });
  for (const LocalCandidate& candidate : plan_->wishes.candidates) {
    if (auto added = agent_->add_local(candidate); !added) return added;
  }
  std::vector<Endpoint> remotes = plan_->wishes.more_remotes;
  remotes.insert(remotes.begin(), plan_->wishes.remote);
  return add_remote(std::move(remotes));
}

Result<void> RendezvousCore::add_remote(std::vector<Endpoint> endpoints) {
  for (Endpoint& remote : endpoints) {
    if (auto checked = check_remote(remote, true); !checked) return checked;
    remote = with_address(std::move(remote));
    if (!remote.address)
      return fail(Reason::invalid_argument,
                  "found the remote endpoint " + to_text(remote) + ", expected an address: resolve() finds those");
  }
  if (local_) return {};  // a pair is chosen
  if (agent_ == nullptr)
    return fail(Reason::invalid_argument, "several remote endpoints are told apart by checks: expected credentials");
  for (const Endpoint& remote : endpoints) {
    if (auto added = agent_->add_remote(remote.address); !added) return added;
  }
  return {};
}

// API-87
Result<void> RendezvousCore::without_checks() {
  const auto& wishes = plan_->wishes;
  const auto other_base = [&](const LocalCandidate& c) { return c.base != wishes.candidates.front().base; };
  if (!wishes.more_remotes.empty() || std::ranges::any_of(wishes.candidates, other_base))
    return fail(Reason::invalid_argument, "several candidates are told apart by checks: expected credentials");
  if (!is_bare(*plan_->stacks.front()))
    return fail(Reason::invalid_argument,
                "who begins over " + plan_->stacks.front()->text + " is settled by checks: expected credentials");
  local_ = wishes.candidates.front().base;
  remote_ = with_address(wishes.remote).address;
  if (!remote_)
    return fail(Reason::invalid_argument,
                "found the remote endpoint " + to_text(wishes.remote) + ", expected an address: resolve() finds those");
  plan_->wishes.held = wishes.candidates.front().held;
  connect();
  return {};
}

// ---- a pair

void RendezvousCore::run() noexcept {
  if (failure_) return failed(*failure_);
  const bool serves = !is_bare(*plan_->stacks.front()) && !agent_->controlling();
  if (!serves) return settle();
  agent_->on_data([this] { arm(loop_, loop_.now()); });
  arm(loop_, std::min(loop_.now() + kSettle, deadline_));
}

void RendezvousCore::on_alarm() noexcept {
  if (agent_ != nullptr && local_ && loop_.now() < deadline_) return settle();
  const bool heard_nothing = agent_ == nullptr && how_.peer == IceCredentials{};
  failed(timed_out(*plan_, heard_nothing       ? "no message came"
                           : agent_ != nullptr ? agent_->story()
                                               : "the pair was chosen, and nothing came about over it"));
}

// The checks end, and the port is bound anew, in the same turn.
void RendezvousCore::settle() {
  const bool serves = !is_bare(*plan_->stacks.front()) && !agent_->controlling();
  agent_.reset();
  arm(loop_, deadline_);
  return serves ? listen() : connect();
}

void RendezvousCore::connect() {
  auto plan = std::make_shared<Plan>(*plan_);
  plan->wishes.local = {.port = local_.port, .address = local_};
  plan->wishes.candidates.clear();
  const std::string& name = plan_->wishes.remote.host;  // whom security has to find there
  plan->aim_at({.host = parse_address(name, 0) ? std::string() : name, .port = remote_.port, .address = remote_});
  const auto ready = [this](Result<void> how) {
    if (!how) return failed(std::move(how).error());
    const bool checked = how_.peer != IceCredentials{};
    if (checked && is_bare(*plan_->stacks.front()))
      core_->sift(
          [session = session_, to = remote_](std::span<const std::byte> data) { return session.late(data, to); });
    if (checked) return done(std::move(connection_));
    core_->when_heard([this] { done(std::move(connection_)); });
  };
  auto begun = initiate(framework_, loop_, std::move(plan), std::move(how_.early), ready, deadline_);
  core_ = &begun.core;
  connection_ = std::move(begun.connection);
}

void RendezvousCore::listen() {
  Plan plan = *plan_;
  plan.wishes.local = {.port = local_.port, .address = local_};
  plan.wishes.candidates.clear();
  plan.wishes.remote = {};
  Turn& turn = framework_.turn(loop_);
  ListenerEvents events;
  events.received = [this](Connection connection) {
    if (connection.remote() != remote_) return;  // a stranger's ends here
    if (is_something(how_.early)) connection.send(std::move(how_.early));
    done(std::move(connection));
  };
  events.failed = [this](const Error& why) { failed(why); };
  auto& core = turn.make<ListenerCore>(framework_, turn, std::move(plan), std::move(events));
  listener_ = core.handle();
  core.begin();
}

// ---- the end: the application may destroy this when it hears of it

void RendezvousCore::done(Connection connection) {
  disarm();
  listener_ = {};
  auto hear = std::exchange(events_, {});
  if (hear.done) hear.done(std::move(connection));
}

void RendezvousCore::failed(Error why) {
  const Error told = std::move(why);  // whose it was may end here
  disarm();
  withdraw();
  agent_.reset();
  listener_ = {};
  connection_ = {};
  auto hear = std::exchange(events_, {});
  if (hear.failed) hear.failed(told);
}

}  // namespace trellis
