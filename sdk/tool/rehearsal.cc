#include "rehearsal.h"

#include "core/race_story.h"

namespace trellis::tool {

namespace {

constexpr Duration kStoreTime = std::chrono::seconds(1);  // longer than a race would wait: nobody is in a hurry here

}  // namespace

Rehearsal::Rehearsal(FrameworkCore& framework, Loop& loop, Plan plan)
    : framework_(framework),
      loop_(loop),
      plan_(std::move(plan)),
      race_({.remote = plan_.target}, plan_.race_limits(), plan_.racing, *this),
      gathering_(framework, loop, plan_, race_, [this] { return now_; }) {
  race_.keep_trace(true);
}

void Rehearsal::hear_of_earlier_races() {
  if (!plan_.state->store) return;
  StateVisit visit(framework_, plan_, loop_, false);
  bool over = false;
  if (!visit.ask([&] { over = true; })) return;
  arm(loop_, loop_.now() + kStoreTime);
  while (!over && armed()) loop_.run_once(true);
}

// Nothing answers, except that a host without a route to the address says so at once.
void Rehearsal::start_leaf(NodeIndex leaf) noexcept {
  if (!gathering_.unreachable()) return;
  race_.leaf_failed(now_, leaf, {Reason::unreachable, 0, "core", "this host has no route to it"});
}

Result<RaceReport> Rehearsal::run() {
  if (auto misfit = gathering_.misfit()) return std::unexpected(std::move(*misfit));
  const TimePoint begun = now_, last = begun + plan_.connect_timeout;
  hear_of_earlier_races();
  arm(loop_, loop_.now() + plan_.connect_timeout);
  race_.begin(now_);
  for (;;) {
    while (!race_.over() && gathering_.resolving()) loop_.run_once(true);
    if (race_.over() || wake_ > last) break;
    now_ = std::exchange(wake_, TimePoint::max());
    race_.wake(now_);
  }
  auto report = tell_race(plan_, gathering_.ways(), race_);
  report->clock = loop_.wall_clock();
  report->begun_at = begun;
  report->ended_at = last;
  report->failure = failure_;
  return std::move(*report);
}

}  // namespace trellis::tool
