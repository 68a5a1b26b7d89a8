#include "core/establishment.h"

#include <algorithm>

#include "core/path_table.h"
#include "core/race_story.h"
#include "core/selection_properties.h"
#include "core/service_endpoint.h"
#include "core/source_address.h"
#include "core/trunk.h"
#include "trellis/address_text.h"

namespace trellis {

namespace {

constexpr Duration kPatienceAtFirst = std::chrono::milliseconds(10);  // of a process: its store is just being opened

// Of the same stack, and on their way when the winner was ready: what failed before has shown that it leads nowhere.
std::vector<Loser> losers_to(NodeIndex winner, const CandidateTree& tree, const Ways& ways) {
  std::vector<Loser> losers;
  for (NodeIndex i = 0; i < tree.size(); ++i) {
    const CandidateNode& node = tree[i];
    const bool ran = node.candidate.concrete() && node.started_at != TimePoint{};
    if (!ran || node.candidate.stack != tree[winner].candidate.stack || node.state != Child::State::canceled ||
        node.ended_at != tree[winner].ended_at)
      continue;
    const Way& way = ways[static_cast<std::size_t>(node.candidate.path)];
    losers.push_back({node.candidate.remote->address, way.paths.front().interface_name});
  }
  return losers;
}

// A layer that could use other ways than the one that won may keep those of the losers.
void offer_losers(Stack& winner, std::vector<Loser> losers) {
  if (losers.empty() || !winner.set(kRaceLosers.name, std::uint64_t{losers.size()}, winner.depth() - 1)) return;
  winner.trunk()->lowers().prefer(std::move(losers));
}

}  // namespace

// One leaf that is being tried.
struct Establishment::Attempt final : StackOwner, Recycled {
  Attempt(Establishment& owner, NodeIndex node, Stack& made) : establishment(owner), leaf(node), stack(made) {}
  void on_up(Batch&, bool) noexcept override {}  // nobody receives yet: what came waits in the link
  void on_credit() noexcept override { give_early(); }
  void stack_ready() noexcept override { establishment.race_.leaf_ready(establishment.now(), leaf); }
  void stack_answered(unsigned rtts_left) noexcept override {
    establishment.race_.leaf_answered(establishment.now(), leaf, rtts_left);
  }
  void stack_failed(Error error) noexcept override {
    Establishment& e = establishment;
    const NodeIndex node = leaf;
    e.cancel_leaf(node);  // this is gone now
    if (error.reason == Reason::unreachable) e.gathering_.unreachable();
    e.race_.leaf_failed(e.now(), node, std::move(error));
  }
  void stack_closed() noexcept override {
    stack_failed({Reason::reset, 0, "core", "the peer closed the connection before it was established"});
  }
  void stack_noticed(Notice notice, Error detail) noexcept override { notices.emplace_back(notice, std::move(detail)); }
  /// As soon as a stack that can send early data has room for them it gets its copy (RACE-106).
  void give_early() noexcept {
    if (early_copy || !stack.composed().traits.have.has(Feature::zero_rtt) || stack.top().credit() == 0) return;
    if (establishment.early_went_elsewhere(*this)) return;
    auto chunk = establishment.owner_->share_early();
    if (!chunk) return;
    early_copy = chunk->info;
    stack.top().push(std::move(*chunk));
  }

  Establishment& establishment;
  NodeIndex leaf;
  Stack& stack;
  MessageRef early_copy;                          // given to the stack; empty: it was not
  std::vector<std::pair<Notice, Error>> notices;  // for the Connection, if it wins
};

Establishment::Establishment(FrameworkCore& framework, Turn& turn, std::shared_ptr<const Plan> plan,
                             EstablishmentOwner& owner)
    : framework_(framework),
      turn_(turn),
      shared_plan_(std::move(plan)),
      plan_(*shared_plan_),
      owner_(&owner),
      race_({.remote = plan_.target}, plan_.race_limits(), plan_.racing, *this),
      gathering_(framework, turn.executor(), plan_, race_, [this] { return now(); }) {
  race_.tree()[kRoot].number = framework.next_root();
  race_.keep_trace(plan_.report != nullptr);
  gathering_.path_gone = [this](const Path& path) { path_gone(path); };
}
Establishment::~Establishment() = default;

void Establishment::begin(TimePoint deadline) noexcept {
  begun_at_ = now();
  deadline_ = std::min(begun_at_ + plan_.connect_timeout, deadline);
  if (auto misfit = gathering_.misfit()) {
    failure_ = std::make_unique<Error>(std::move(*misfit));
    return turn_.advance(*this);
  }
  if (!ask_store()) begin_race();
}

// True: the race waits for the answer, but not long.
bool Establishment::ask_store() noexcept {
  if (plan_.wishes.isolated || !plan_.state->store) return false;
  StateKeeper& store = *plan_.state->store;
  store.tell_trouble(framework_.options.log);
  if (!store.usable()) return false;
  visit_ = std::make_unique<StateVisit>(framework_, plan_, turn_.executor(), true);
  if (!visit_->ask([this] {
        if (waits_for_store_) begin_race();
      }))
    return false;
  Duration patience = store.patience(begun_at_);
  if (patience == Duration{}) return false;
  if (framework_.history.empty()) patience = kPatienceAtFirst;
  waits_for_store_ = true;
  wake_ = begun_at_ + patience;
  arm_next();
  return true;
}

void Establishment::begin_race() noexcept {
  beginning_ = !std::exchange(waits_for_store_, false);
  wake_ = TimePoint::max();
  race_.begin(now());
  beginning_ = false;
  if (owner_ != nullptr) arm_next();
}

void Establishment::advance() noexcept {
  if (!failure_ || owner_ == nullptr) return;
  if (lost_ && plan_.in_clear) return go_on_in_clear();
  fail(*failure_);
}

// ---- attempts

Route Establishment::route_to(const Candidate& candidate) const {
  const Address& remote = candidate.remote->address;
  const Way& way = gathering_.ways()[static_cast<std::size_t>(candidate.path)];
  const bool routing_decides = gathering_.table() == nullptr;
  const Path* source = nullptr;
  if (!routing_decides) source = source_for(way.paths, remote, AddressSelection(plan_.prefix_policies()));
  Route route{.path = source != nullptr ? *source : way.paths.front(),
              .local = source != nullptr ? source->local : plan_.wishes.local.address,
              .remote = remote};
  if (!route.local && plan_.wishes.local.port != 0) route.local.family = remote.family;
  route.local.port = plan_.wishes.local.port;
  // By which interface a datagram to a group goes, the kernel sees from its source over IPv4 alone.
  if (is_multicast(remote) && remote.family == Address::Family::ipv6 && route.local && !source &&
      route.path.interface_name.empty())
    route.path.interface_name = turn_.executor().sockets().interface_name(route.local);
  return route;
}

void Establishment::start_leaf(NodeIndex leaf) noexcept {
  const Candidate& candidate = race_.tree()[leaf].candidate;
  const auto which = static_cast<std::size_t>(candidate.stack);
  Stack& stack = owner_->make_candidate(plan_.stacks[which], plan_.wishes.security);
  if (Trunk* const trunk = stack.trunk()) let_grow(*trunk, which, *candidate.remote);
  Attempt& attempt = *attempts_.emplace_back(std::make_unique<Attempt>(*this, leaf, stack));
  stack.give_to(attempt);
  if (!plan_.wishes.isolated) stack.remember(framework_.state, plan_.state);
  if (auto made = stack.make_layers(0); !made) return attempt.stack_failed(std::move(made).error());
  if (plan_.wishes.advertises) stack.wish(kAdvertisesAltaddr.name, true);
  if (gathering_.table() != nullptr) stack.follow_paths(gathering_.shared_table());
  if (stack.composed().proxied) stack.talk_to(gathering_.remotes(candidate));
  if (plan_.wishes.held) plan_.wishes.held->release();  // its port is bound anew
  stack.open(identified(plan_.wishes.remote, candidate.remote), route_to(candidate), false, plan_.wishes.direction);
}

// Copied once and shared: what names the peer, not what was found out about it.
void Establishment::let_grow(Trunk& trunk, std::size_t stack, const Endpoint& remote) {
  const bool several = !plan_.targets.empty();
  if (!growth_ || several || growth_->plan->stacks.front() != plan_.stacks[stack]) {
    auto plan = std::make_shared<Plan>(plan_);
    if (several) plan->aim_at(plan_.asked_for(remote));  // the others are other peers
    plan->stacks = {plan_.stacks[stack]};
    plan->wishes.properties.clear();
    plan->report.reset();
    plan->in_clear.reset();
    growth_ = std::make_shared<const Growth>(Growth{framework_, std::move(plan)});
  }
  trunk.lowers().grow_from(growth_);
}

// RACE-112: early data on a second path would tell that both belong to one client.
bool Establishment::early_went_elsewhere(const Attempt& attempt) noexcept {
  if (!plan_.profile->policy.early_on_one_path) return false;
  const int path = race_.tree()[attempt.leaf].candidate.path;
  if (early_path_ < 0) early_path_ = path;
  return early_path_ != path;
}

void Establishment::cancel_leaf(NodeIndex leaf) noexcept {
  const auto found = std::ranges::find(attempts_, leaf, [](const auto& a) { return a->leaf; });
  if (found == attempts_.end()) return;
  (*found)->stack.abort(0);  // the peer may know of it already
  attempts_.erase(found);
}

void Establishment::path_gone(const Path& path) noexcept {
  std::vector<NodeIndex> lost;
  for (const auto& attempt : attempts_) {
    if (attempt->stack.route().path.id == path.id) lost.push_back(attempt->leaf);
  }
  for (const NodeIndex leaf : lost) {
    cancel_leaf(leaf);
    race_.leaf_failed(
        now(), leaf,
        {Reason::unreachable, 0, "core",
         "the address " + to_text(path.local) + " on " + path.interface_name + ", from which it went out, went away"});
  }
}

// What belongs to one protocol is nothing to the others, and no reason to lose the winner (API-14, API-258).
Result<void> Establishment::apply_properties(Attempt& winner) {
  Stack& stack = winner.stack;
  for (const auto& [name, value] : plan_.wishes.properties) {
    if (is_hint(name)) {
      owner_->remember(name, value);
      continue;
    }
    const bool specialized = is_specialized(name);
    if (specialized && !has_protocol_of(stack.composed(), name)) continue;
    if (auto set = stack.set(name, value, stack.depth() - 1); set)
      owner_->remember(name, value);
    else if (specialized)
      winner.notices.emplace_back(Notice::soft_error, std::move(set).error());
    else
      return set;
  }
  return {};
}

// ---- time

void Establishment::wake_at(TimePoint when) noexcept {
  wake_ = when;
  if (owner_ != nullptr && !race_.over()) arm_next();
}
void Establishment::arm_next() noexcept { arm(turn_.executor(), std::min(wake_, deadline_)); }

void Establishment::on_alarm() noexcept {
  if (owner_ == nullptr) return;
  if (now() < deadline_) {
    if (waits_for_store_) {
      plan_.state->store->was_slow(now());
      return begin_race();
    }
    wake_ = TimePoint::max();
    race_.wake(now());
    if (owner_ != nullptr) arm_next();
    return;
  }
  Error late = too_late();
  race_.cancel(now(), "the time to connect is over");
  late_ = true;
  failure_ = std::make_unique<Error>(std::move(late));
  turn_.advance(*this);
}

Error Establishment::too_late() const {
  const auto limit = std::chrono::duration_cast<std::chrono::milliseconds>(plan_.connect_timeout).count();
  const std::string within = " within " + std::to_string(limit) + " ms";
  if (auto held = race_.held_back()) {
    held->detail += "; the time to connect is over";
    return *held;
  }
  if (attempts_.empty())
    return {Reason::timed_out, 0, "core", "no address of " + plan_.target->host + " was found" + within};
  const Candidate& c = race_.tree()[attempts_.front()->leaf].candidate;
  return explained({Reason::timed_out, 0, "core",
                    plan_.stacks[static_cast<std::size_t>(c.stack)]->text + " to " + to_text(c.remote->address) +
                        " was not established" + within});
}

// ---- the end

void Establishment::won(NodeIndex leaf) noexcept {
  const auto found = std::ranges::find(attempts_, leaf, [](const auto& a) { return a->leaf; });
  Stack& winner = (*found)->stack;
  if (auto applied = apply_properties(**found); !applied) {
    failure_ = std::make_unique<Error>(std::move(applied).error());
    cancel_leaf(leaf);
    return turn_.advance(*this);
  }
  if (winner.trunk() != nullptr) offer_losers(winner, losers_to(leaf, race_.tree(), gathering_.ways()));
  EstablishmentOwner& owner = *std::exchange(owner_, nullptr);
  const std::string name = race_.tree().name(leaf);
  owner.bind(winner, name, std::move((*found)->early_copy));
  owner.learn_on(gathering_.learn_on(shared_plan_, race_.tree()[leaf].candidate));
  for (auto& [notice, detail] : (*found)->notices) owner.stack_noticed(notice, std::move(detail));
  attempts_.erase(found);
  if (plan_.report) owner.race_over(report(name, nullptr), plan_.report);
  turn_.deliver(*this);  // the application hears first
}

void Establishment::deliver() noexcept { finish(); }

void Establishment::lost(const Error& error) noexcept {
  lost_ = true;
  failure_ = std::make_unique<Error>(explained(error));
  turn_.advance(*this);
}

// The first failure decides; that there were more of them is said too.
Error Establishment::explained(const Error& error) const {
  Error whole = error;
  std::size_t failures = 0;
  const Error* last = nullptr;
  for (NodeIndex i = 0; i < race_.tree().size(); ++i) {
    const CandidateNode& node = race_.tree()[i];
    if (!node.candidate.concrete() || !node.failure) continue;
    ++failures;
    last = &*node.failure;
  }
  if (failures > 1 && last->detail != whole.detail)
    whole.detail += "; " + std::to_string(failures) + " attempts failed, the last one with: " + last->detail;
  return whole;
}

void Establishment::fail(const Error& error) noexcept {
  EstablishmentOwner& owner = *std::exchange(owner_, nullptr);
  if (plan_.report) owner.race_over(report({}, &error), plan_.report);
  owner.establish_failed(error);
  finish();
}

// The application has said that it takes what is not secured as well: then, and only when nothing secured is left
// (API-240, RACE-94).
void Establishment::go_on_in_clear() noexcept {
  EstablishmentOwner& owner = *std::exchange(owner_, nullptr);
  auto& other = turn_.make<Establishment>(framework_, turn_, plan_.in_clear, owner);
  owner.stack_noticed(Notice::soft_error,
                      {failure_->reason, failure_->code, failure_->layer,
                       "nothing secured could be established, going on in clear: " + failure_->detail});
  if (plan_.report) owner.race_over(report({}, failure_.get()), plan_.report);
  finish();
  owner.establishing_with(other);
  other.begin(deadline_);
}

void Establishment::finish() noexcept {
  gathering_.learn(late_);
  race_.cancel(now(), "given up");
  for (const auto& attempt : attempts_) attempt->stack.abort(0);
  attempts_.clear();
  gathering_.stop();
  if (visit_) {
    visit_->give_back();
    plan_.state->store->tell_trouble(framework_.options.log);
  }
  disarm();
  turn_.retire(*this);
}

void Establishment::cancel() noexcept {
  owner_ = nullptr;
  finish();
}

std::unique_ptr<RaceReport> Establishment::report(std::string winner, const Error* failure) {
  auto made = tell_race(plan_, gathering_.ways(), race_);
  made->clock = turn_.executor().wall_clock() -
                std::chrono::duration_cast<std::chrono::system_clock::duration>(now() - begun_at_);
  made->begun_at = begun_at_;
  made->ended_at = now();
  made->winner = std::move(winner);
  if (failure != nullptr) made->failure = *failure;
  return made;
}

}  // namespace trellis
