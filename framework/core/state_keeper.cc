#include "core/state_keeper.h"

#include <algorithm>

#include "core/framework_core.h"

namespace trellis {

using std::chrono::system_clock;

void StateKeeper::tell_trouble(const Log& log) {
  const std::string trouble = store_->trouble();
  if (!trouble.empty() && log) log(Severity::warning, name_, trouble);
}

void StateKeeper::put(StateKey key, StateValue value, Duration keep, const Executor& loop) noexcept {
  const auto expires = loop.wall_clock() + std::chrono::duration_cast<system_clock::duration>(keep);
  store_->put({std::move(key), std::move(value), expires});
}

StateVisit::StateVisit(FrameworkCore& framework, const Plan& plan, Executor& loop, bool tickets)
    : framework_(framework), plan_(plan), loop_(loop) {
  places_.push_back({plan.state->partition, std::string(kWholeNetwork)});
  if (tickets) {
    if (auto partition = state_partition(plan.state->partition, plan.wishes.security.get())) {
      if (plan.targets.empty()) places_.push_back({*partition, plan.peer});
      for (const SharedEndpoint& target : plan.targets) places_.push_back({*partition, state_endpoint(*target)});
    }
  }
  places_.push_back({plan.state->partition, plan.peer});
}

StateVisit::~StateVisit() = default;

bool StateVisit::ask(std::function<void()> answered) {
  answered_ = std::move(answered);
  fetch_ = plan_.state->store->store().fetch(loop_, places_, [this](auto entries) { arrived(std::move(entries)); });
  return fetch_ != nullptr;
}

void StateVisit::arrived(std::vector<StateEntry> entries) {
  for (StateEntry& entry : entries) take_in(std::move(entry));
  answered_();
}

// A store may hold anything: only what was asked for is taken, and not longer than the policy keeps it.
void StateVisit::take_in(StateEntry entry) {
  const StateKey& key = entry.key;
  const bool asked = std::ranges::any_of(
      places_, [&](const StatePlace& p) { return p.partition == key.partition && p.endpoint == key.endpoint; });
  const auto left = std::chrono::duration_cast<Duration>(entry.expires - loop_.wall_clock());
  const Duration keep = std::min(left, plan_.state->keep_of(key.kind));
  if (!asked || entry.value.empty() || keep <= Duration{}) return;
  if (key.kind == StateKind::performance && key.detail == kRaceDetail) {
    const Duration believed = plan_.state->keep_of(key.kind);
    return framework_.history.restore({key.partition, key.network, key.endpoint, key.protocol},
                                      decode(entry.value, loop_.wall_clock(), loop_.now(), believed));
  }
  framework_.state.put(key, entry.value, loop_.now() + keep);
  if (single_use(key.kind)) lent_.push_back(std::move(entry));
}

void StateVisit::give_back() noexcept {
  StateKeeper& keeper = *plan_.state->store;
  for (StateEntry& entry : lent_) {
    if (keeper.usable() && framework_.state.remove(entry.key, entry.value)) keeper.store().put(std::move(entry));
  }
  lent_.clear();
}

}  // namespace trellis
