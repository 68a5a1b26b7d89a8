#include "core/race_engine.h"

#include <algorithm>

#include "trellis/address_text.h"

namespace trellis {
namespace {

constexpr Duration kWakeLeast = std::chrono::milliseconds(1);  // a plan that wakes in the past must not spin
constexpr unsigned kIdleWakesMax = 256;                        // of one node in a row, each of which changed nothing

constexpr std::string_view kPolicy = "racing policy";

const char* event_word(RaceEvent event) {
  switch (event) {
    case RaceEvent::begin: return "first";
    case RaceEvent::children_changed: return "new candidates";
    case RaceEvent::answered: return "a sibling was answered";
    case RaceEvent::ready: return "a sibling is ready";
    case RaceEvent::failed: return "a sibling failed";
    case RaceEvent::wake: return "delay over";
  }
  return "";
}

bool active(Child::State s) { return s == Child::State::started || s == Child::State::answered; }

}  // namespace

RaceEngine::RaceEngine(const Candidate& root, const RaceLimits& limits, const BranchRacing (&racing)[3],
                       RaceActions& actions)
    : tree_(root, limits.tree), limits_(limits), actions_(actions) {
  std::ranges::copy(racing, racing_);
}

const RaceEngine::Parent* RaceEngine::known_parent(NodeIndex node) const noexcept {
  const auto found = std::ranges::find(parents_, node, &Parent::node);
  return found != parents_.end() ? &*found : nullptr;
}

RaceEngine::Parent& RaceEngine::parent(NodeIndex node) {
  const auto found = std::ranges::find(parents_, node, &Parent::node);
  return found != parents_.end() ? *found : parents_.emplace_back(node);
}

void RaceEngine::no_wake(NodeIndex node) noexcept {
  if (known_parent(node) != nullptr) parent(node).wake = TimePoint::max();
}

void RaceEngine::note(TimePoint now, Kind kind, bool fact, NodeIndex at, std::string_view why,
                      std::string_view detail) {
  RaceStep step{.at = now, .kind = kind, .fact = fact, .node = at, .detail = std::string(detail)};
  step.why = why;
  step.nested = nested_;
  const CandidateNode& node = tree_[step.node];
  if (step.kind == Kind::waiting) step.until = parent(step.node).wake;
  if (step.kind == Kind::failed) step.error = node.failure;
  if (step.kind == Kind::answered) step.rtts_left = node.rtts_left;
  if (step.kind == Kind::added || step.kind == Kind::moved) step.rank = node.rank;
  if (const Parent* p = known_parent(step.node); step.kind == Kind::changed && p != nullptr) step.awaited = p->awaited;
  trace_.push_back(std::move(step));
}

void RaceEngine::begin(TimePoint now) {
  begun_at_ = now;
  fact(now, Kind::started, kRoot, "asked for");
  begin_node(now, kRoot);
  rearm();
}

NodeIndex RaceEngine::add(TimePoint now, NodeIndex parent, Branch branch, const Candidate& candidate, std::int64_t rank,
                          std::string_view detail) {
  if (over_) return kNoNode;  // updates after the end are not for this Connection (RACE-48)
  NodeIndex added = tree_.add(parent, branch, candidate, rank);
  const char* limit = nullptr;
  NodeIndex worse = kNoNode;  // that has to go for it
  if (added == kNoNode) {
    limit = tree_.full(parent, candidate);
    worse = tree_.worse(parent, candidate, rank);
    if (worse == kNoNode) {
      decision(now, Kind::dropped, parent, limit, candidate.remote->address ? to_text(candidate.remote->address) : "");
      return kNoNode;
    }
    tree_.remove(worse);
    added = tree_.add(parent, branch, candidate, rank);
  }
  fact(now, Kind::added, added, "", detail);
  if (worse != kNoNode && tracing_) decision(now, Kind::canceled, worse, limit, "for " + tree_.name(added));
  return added;
}

bool RaceEngine::rerank(TimePoint now, NodeIndex child, std::int64_t rank) {
  if (over_ || !tree_.rerank(child, rank)) return false;
  fact(now, Kind::moved, child, "by later answers");
  return true;
}

void RaceEngine::drop(TimePoint now, NodeIndex parent, std::string_view rule, std::string_view which) {
  if (!over_) fact(now, Kind::dropped, parent, rule, which);
}

void RaceEngine::withdraw(TimePoint now, NodeIndex child) {
  if (!over_ && tree_.remove(child)) fact(now, Kind::canceled, child, "withdrawn");
}

void RaceEngine::pending(NodeIndex node, RaceStep::Awaited awaited) {
  if (awaited != RaceStep::Awaited{} || known_parent(node) != nullptr) parent(node).awaited = awaited;
}

void RaceEngine::children_changed(TimePoint now, NodeIndex node, std::string_view how) {
  if (over_ || !active(tree_[node].state)) return;
  fact(now, Kind::changed, node, how);
  const Parent* const p = known_parent(node);
  if (p != nullptr && p->race) {
    decide(now, node, RaceEvent::children_changed, 0);
  } else if (how == kAllGathered && tree_[node].children.size() == 1) {
    start_only_child(now, node);
  } else if (tree_[node].branch) {  // the first children: now it is known how the node branches
    auto race = race_of(node);
    if (!race) return broken(now, node, "began no race");
    parent(node).race = std::move(race);
    decide(now, node, RaceEvent::begin, 0);
  }
  keep_going(now, node);
  rearm();
}

void RaceEngine::expansion_failed(TimePoint now, NodeIndex node, Error error) {
  if (over_ || !active(tree_[node].state)) return;
  pending(node, {});
  if (tree_[node].children.empty())
    fail_node(now, node, std::move(error), "no candidates were found");
  else
    children_changed(now, node);
  rearm();
}

void RaceEngine::node_failed(TimePoint now, NodeIndex node, Error error) {
  if (over_) return;
  if (tree_[node].state == Child::State::waiting) {
    withdraw(now, node);
    return children_changed(now, tree_[node].parent);
  }
  if (!active(tree_[node].state)) return;
  actions_.abandon(node);
  fail_node(now, node, std::move(error), kWentAway);
  run_deferred(now);
  rearm();
}

void RaceEngine::start(TimePoint now, NodeIndex node, const char* why) {
  decision(now, Kind::started, node, why);
  begin_node(now, node);
}

void RaceEngine::begin_node(TimePoint now, NodeIndex node) {
  tree_[node].state = Child::State::started;
  tree_[node].started_at = now;
  ++nested_;
  if (tree_[node].candidate.concrete()) {
    ++attempts_;
    actions_.start_leaf(node);
  } else {
    actions_.expand(node);
  }
  --nested_;
}

void RaceEngine::decide(TimePoint now, NodeIndex node, RaceEvent event, ChildId about) {
  const Parent* const p = known_parent(node);
  if (over_ || p == nullptr || !p->race) return;
  static thread_local std::vector<Child> children;  // keeps its memory; a racing policy calls nothing back
  children.clear();
  for (const NodeIndex i : tree_[node].children) {
    const CandidateNode& c = tree_[i];
    children.push_back({.id = c.number,
                        .state = c.state,
                        .ipv6 = c.candidate.remote->address.family == Address::Family::ipv6 && !c.candidate.last_resort,
                        .rtts_left = c.rtts_left,
                        .started_at = c.started_at,
                        .answered_at = c.answered_at,
                        .expected = c.candidate.expected,
                        .failed_before = c.candidate.failed_before,
                        .last_resort = c.candidate.last_resort,
                        .failure = c.failure ? std::optional(c.failure->reason) : std::nullopt});
  }
  const RaceView view{.branch = *tree_[node].branch,
                      .now = now,
                      .begun_at = tree_[node].started_at,
                      .children = children,
                      .ipv6_pending = p->awaited.ipv6,
                      .ipv4_pending = p->awaited.ipv4,
                      .service_pending = p->awaited.service,
                      .ipv4_preferred = p->awaited.ipv4_preferred};
  no_wake(node);
  execute(now, node, event, plan_of(node, event, about, view));
}

std::unique_ptr<Race> RaceEngine::race_of(NodeIndex node) const {
  const Branch branch = *tree_[node].branch;
  const Watchdog::Watch watch(limits_.watchdog, kPolicy, policy_of(node).name(), "begin()");
  return policy_of(node).begin(branch, *racing_[static_cast<std::size_t>(branch)].options);
}

RacePlan RaceEngine::plan_of(NodeIndex node, RaceEvent event, ChildId about, const RaceView& view) {
  const Watchdog::Watch watch(limits_.watchdog, kPolicy, policy_of(node).name(), "decide()");
  return parent(node).race->decide(event, about, view);
}

void RaceEngine::execute(TimePoint now, NodeIndex node, RaceEvent event, RacePlan plan) {
  if (plan.wake) {
    parent(node).wake = std::max(*plan.wake, now + kWakeLeast);
    decision(now, Kind::waiting, node, "until the next decision");
  }
  for (const auto* list : {&plan.cancel, &plan.start}) {
    const auto wrong = std::ranges::find_if(*list, [&](ChildId id) { return id == 0 || id > tree_[node].numbered; });
    if (wrong == list->end()) continue;
    return broken(
        now, node,
        "asked for child " + std::to_string(*wrong) + " where there are " + std::to_string(tree_[node].numbered));
  }
  const bool idle = event == RaceEvent::wake && plan.cancel.empty() && plan.start.empty();
  parent(node).idle_wakes = idle ? parent(node).idle_wakes + 1 : 0;
  if (parent(node).idle_wakes > kIdleWakesMax) {
    return broken(now, node, "was woken " + std::to_string(kIdleWakesMax) + " times in a row and did nothing");
  }
  for (const ChildId id : plan.cancel) {
    const NodeIndex child = tree_.child(node, id);
    if (child == kNoNode || !(active(tree_[child].state) || tree_[child].state == Child::State::waiting)) {
      decision(now, Kind::ignored, node, "the plan cancels a child that is not there or has ended", std::to_string(id));
      continue;
    }
    cancel_node(now, child, "by the racing policy");
  }
  for (const ChildId id : plan.start) {
    if (over_) return;
    const NodeIndex child = tree_.child(node, id);
    if (child == kNoNode || tree_[child].state != Child::State::waiting) {
      decision(now, Kind::ignored, node, "the plan starts a child that is not there or not waiting",
               std::to_string(id));
      continue;
    }
    start_child(now, node, child, event_word(event));
  }
}

void RaceEngine::start_child(TimePoint now, NodeIndex, NodeIndex child, const char* why) {
  if (tree_[child].candidate.concrete() && attempts_ >= limits_.attempts_at_once) {
    if (std::ranges::find(deferred_, child) != deferred_.end()) return;
    decision(now, Kind::ignored, child, "not yet: as many attempts as allowed are running");
    deferred_.push_back(child);
    return;
  }
  start(now, child, why);
}

// There is nothing to decide, so nobody is asked.
void RaceEngine::start_only_child(TimePoint now, NodeIndex node) {
  const NodeIndex child = tree_[node].children.front();
  if (tree_[child].state == Child::State::waiting) start_child(now, node, child, event_word(RaceEvent::begin));
}

void RaceEngine::run_deferred(TimePoint now) {
  while (!over_ && !deferred_.empty() && attempts_ < limits_.attempts_at_once) {
    const NodeIndex next = deferred_.front();
    deferred_.erase(deferred_.begin());
    if (tree_[next].state == Child::State::waiting && active(tree_[tree_[next].parent].state))
      start(now, next, "an attempt has ended");
  }
}

bool RaceEngine::running(NodeIndex node) const noexcept {
  return std::ranges::any_of(tree_[node].children, [&](NodeIndex i) {
    return active(tree_[i].state) || std::ranges::find(deferred_, i) != deferred_.end();
  });
}

// Whatever a racing policy forgets: a node with nothing running, nothing planned and something to try goes on, and one
// with nothing to try has failed.
void RaceEngine::keep_going(TimePoint now, NodeIndex node) {
  while (!over_ && active(tree_[node].state) && !running(node)) {
    const Parent* const p = known_parent(node);
    if (p != nullptr && p->awaited != RaceStep::Awaited{}) return;
    const auto& children = tree_[node].children;
    const auto waiting =
        std::ranges::find_if(children, [&](NodeIndex i) { return tree_[i].state == Child::State::waiting; });
    if (waiting == children.end()) return fail_node(now, node, summary(node));
    if (p != nullptr && p->wake != TimePoint::max()) return;
    decision(now, Kind::ignored, node, "the plan stops here, but a candidate is left");
    start_child(now, node, *waiting, "left by the racing policy");
  }
}

Error RaceEngine::summary(NodeIndex node) const {
  const Error* first = nullptr;
  std::size_t failures = 0;
  for (const NodeIndex i : tree_[node].children) {
    if (!tree_[i].failure) continue;
    ++failures;
    const bool decides = tree_[i].failure->reason == Reason::authentication;
    if (first == nullptr || (decides && first->reason != Reason::authentication)) first = &*tree_[i].failure;
  }
  if (first != nullptr) return *first;
  if (!tree_[node].children.empty()) return blame(node, "canceled every candidate");
  return {Reason::unreachable, 0, "core", "there was nothing to try"};
}

Error RaceEngine::blame(NodeIndex node, const std::string& what) const {
  return {Reason::configuration, 0, "core",
          std::string(kPolicy) + " '" + std::string(policy_of(node).name()) + "' " + what + " (node " +
              tree_.name(node) + "): use another one, or repair its plugin"};
}

// A racing policy that cannot be obeyed: nobody else decides for it, the race is lost.
void RaceEngine::broken(TimePoint now, NodeIndex node, const std::string& what) {
  tree_[kRoot].failure = blame(node, what);
  over_ = true;
  for (NodeIndex i = 1; i < tree_.size(); ++i) {
    if (active(tree_[i].state)) cancel_node(now, i, "the racing policy is broken");
  }
  tree_[kRoot].state = Child::State::failed;
  tree_[kRoot].ended_at = now;
  decision(now, Kind::failed, kRoot, "the racing policy is broken");
  deferred_.clear();
  rearm();
  actions_.lost(*tree_[kRoot].failure);
}

std::optional<Error> RaceEngine::held_back() const {
  for (const Parent& p : parents_) {
    if (!active(tree_[p.node].state) || !p.race || p.awaited != RaceStep::Awaited{} || running(p.node)) continue;
    return blame(p.node, "started nothing although candidates were waiting");
  }
  return {};
}

void RaceEngine::fail_node(TimePoint now, NodeIndex node, Error error, const char* fact_why) {
  CandidateNode& n = tree_[node];
  n.state = Child::State::failed;
  n.ended_at = now;
  n.failure = std::move(error);
  no_wake(node);
  if (fact_why != nullptr)
    fact(now, Kind::failed, node, fact_why);
  else
    decision(now, Kind::failed, node, "nothing below it is left");
  cancel_children(now, node, "what is above it went away");
  if (node != kRoot) return child_ended(now, n.parent, node);
  over_ = true;
  rearm();
  actions_.lost(*tree_[kRoot].failure);
}

void RaceEngine::child_ended(TimePoint now, NodeIndex parent_node, NodeIndex child) {
  if (over_ || !active(tree_[parent_node].state)) return;
  decide(now, parent_node, RaceEvent::failed, tree_[child].number);
  keep_going(now, parent_node);
}

void RaceEngine::leaf_answered(TimePoint now, NodeIndex leaf, unsigned rtts_left) {
  if (over_ || tree_[leaf].state != Child::State::started) return;
  tree_[leaf].rtts_left = static_cast<std::uint8_t>(rtts_left);
  fact(now, Kind::answered, leaf, "the peer reacted");
  for (NodeIndex i = leaf; i != kNoNode; i = tree_[i].parent) {
    if (tree_[i].state != Child::State::started) break;
    tree_[i].state = Child::State::answered;
    tree_[i].answered_at = now;
    tree_[i].rtts_left = static_cast<std::uint8_t>(rtts_left);
    if (tree_[i].parent != kNoNode) decide(now, tree_[i].parent, RaceEvent::answered, tree_[i].number);
  }
  rearm();
}

void RaceEngine::leaf_ready(TimePoint now, NodeIndex leaf) {
  if (over_ || !active(tree_[leaf].state)) return;
  over_ = true;
  for (NodeIndex i = leaf; i != kNoNode; i = tree_[i].parent) {
    tree_[i].state = Child::State::ready;
    tree_[i].ended_at = now;
    if (i == leaf)
      fact(now, Kind::ready, i, "established");
    else
      decision(now, Kind::ready, i, "a candidate below it is");
  }
  for (NodeIndex i = 0; i < tree_.size(); ++i) {
    if (active(tree_[i].state)) cancel_node(now, i, "another one was faster");
  }
  deferred_.clear();
  rearm();
  actions_.won(leaf);
}

void RaceEngine::leaf_failed(TimePoint now, NodeIndex leaf, Error error) {
  if (over_ || !active(tree_[leaf].state)) return;
  --attempts_;
  fail_node(now, leaf, std::move(error), "the attempt failed");
  run_deferred(now);
  rearm();
}

void RaceEngine::cancel_node(TimePoint now, NodeIndex node, const char* why, bool as_fact) {
  CandidateNode& n = tree_[node];
  const bool was_active = active(n.state);
  n.state = Child::State::canceled;
  n.ended_at = now;
  if (as_fact)
    fact(now, Kind::canceled, node, why);
  else
    decision(now, Kind::canceled, node, why);
  if (!was_active) return;
  if (n.candidate.concrete()) {
    --attempts_;
    actions_.cancel_leaf(node);
    return;
  }
  no_wake(node);
  actions_.abandon(node);
  cancel_children(now, node, why);
}

void RaceEngine::cancel_children(TimePoint now, NodeIndex node, const char* why) {
  for (std::size_t i = 0; i < tree_[node].children.size(); ++i) {
    const NodeIndex child = tree_[node].children[i];
    if (active(tree_[child].state)) cancel_node(now, child, why);
  }
}

void RaceEngine::cancel(TimePoint now, const char* why) {
  if (std::exchange(over_, true)) return;
  for (NodeIndex i = 0; i < tree_.size(); ++i) {
    if (active(tree_[i].state)) cancel_node(now, i, why, i == kRoot);
  }
  deferred_.clear();
  rearm();
}

void RaceEngine::wake(TimePoint now) {
  armed_ = TimePoint::max();
  if (!over_ && std::ranges::any_of(parents_, [&](const Parent& p) { return p.wake <= now; }))
    fact(now, Kind::woke, kRoot, "the time is over");
  for (std::size_t i = 0; i < parents_.size() && !over_; ++i) {  // deciding may add more
    if (parents_[i].wake > now) continue;
    const NodeIndex node = parents_[i].node;
    decide(now, node, RaceEvent::wake, 0);
    keep_going(now, node);
  }
  rearm();
}

void RaceEngine::rearm() {
  TimePoint first = TimePoint::max();
  if (!over_) {
    for (const Parent& p : parents_) first = std::min(first, p.wake);
  }
  if (first == armed_) return;
  armed_ = first;
  actions_.wake_at(first);
}

}  // namespace trellis
