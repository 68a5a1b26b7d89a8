#include "staggered.h"

#include <algorithm>

namespace trellis {
namespace {

using std::chrono::milliseconds;

constexpr Duration kApart = milliseconds(10);  // two starts are never closer, unless one of them failed (RACE-133)

// Zero takes what suits the kind of branch: the source gives numbers for endpoints only, the others wait longer
// (RACE-57).
struct Defaults {
  Duration attempt, least, most;
};
constexpr Defaults kDefaults[] = {
    {milliseconds(500), milliseconds(250), milliseconds(5000)},  // path
    {milliseconds(300), milliseconds(150), milliseconds(3000)},  // protocol
    {milliseconds(250), milliseconds(100), milliseconds(2000)},  // endpoint
};

constexpr OptionSpec kOptions[] = {
    {"attempt-delay-ms", std::int64_t{0}, "between two starts; 0: 500 for paths, 300 for protocols, 250 for endpoints",
     0, 60'000},
    {"attempt-delay-least-ms", std::int64_t{0}, "lower bound of a computed delay; 0: 250, 150 and 100", 0, 60'000},
    {"attempt-delay-most-ms", std::int64_t{0}, "upper bound of a computed delay; 0: 5000, 3000 and 2000", 0, 60'000},
    {"resolution-delay-ms", std::int64_t{50},
     "how long answers wait for those of the preferred family, mostly IPv6, and stacks for service records", 0, 10'000},
    {"last-resort-delay-ms", std::int64_t{2000},
     "after the last start, before addresses that NAT64 made stand in for IPv6 addresses that do not answer", 0,
     60'000},
    {"first-family-count", std::int64_t{1}, "addresses of the first family before families alternate", 1, 32},
    {"prune", false, "what failed last time is left out, unless everything else fails"},
    {"adapt", true, "delays follow the round-trip times that earlier connections measured"},
};

bool runs(const Child& c) { return c.state == Child::State::started || c.state == Child::State::answered; }
// What NAT64 made of an IPv4 address is a last resort as long as one of these may still come through.
bool hopeful_native(const Child& c) {
  return !c.last_resort && !c.failed_before && (c.state == Child::State::waiting || runs(c));
}
bool was_started(const Child& c) { return c.state != Child::State::waiting && c.state != Child::State::canceled; }

// The first of the last resorts waits longer than others do (RFC 8305 section 7.2).
bool held_back(const Child& next, const RaceView& view) {
  if (!next.last_resort) return false;
  const auto tried = [](const Child& c) { return c.last_resort && was_started(c); };
  return std::ranges::any_of(view.children, hopeful_native) && std::ranges::none_of(view.children, tried);
}

}  // namespace

std::span<const OptionSpec> Staggered::options() const noexcept { return kOptions; }

std::unique_ptr<Race> Staggered::begin(Branch branch, const Options& options) const noexcept {
  const Defaults& defaults = kDefaults[static_cast<std::size_t>(branch)];
  const auto time = [&](std::string_view name, Duration otherwise) {
    const std::int64_t given = options.number(name);
    return given == 0 ? otherwise : Duration(milliseconds(given));
  };
  StaggeredTimes t;
  t.least = std::max(kApart, time("attempt-delay-least-ms", defaults.least));
  t.most = std::max(t.least, time("attempt-delay-most-ms", defaults.most));
  t.attempt = std::max(kApart, time("attempt-delay-ms", defaults.attempt));
  t.resolution = milliseconds(options.number("resolution-delay-ms"));
  t.last_resort = milliseconds(options.number("last-resort-delay-ms"));
  t.first_family = static_cast<unsigned>(options.number("first-family-count"));
  t.adapt = options.flag("adapt");
  t.prune = options.flag("prune");
  return std::make_unique<StaggeredRace>(t);
}

// RFC 8305 section 3: IPv6 addresses start at once; IPv4 addresses wait a little for them. Where only IPv4 leads
// everywhere it is the other way round (RACE-144). Stacks wait as long for the service records that say which of them
// the peer speaks, and what failed last time for something better.
bool StaggeredRace::may_begin(const RaceView& view) const noexcept {
  const bool more = view.ipv6_pending || view.ipv4_pending || view.service_pending;
  const bool stacks_wait = view.branch == Branch::protocol && view.service_pending;
  if (stacks_wait || (more && std::ranges::all_of(view.children, &Child::failed_before)))
    return first_answer_ && view.now >= *first_answer_ + times_.resolution;
  const bool preferred_pending = view.ipv4_preferred ? view.ipv4_pending : view.ipv6_pending;
  if (view.branch != Branch::endpoint || !(preferred_pending || view.service_pending)) return true;
  const auto preferred = [&](const Child& c) { return c.ipv6 != view.ipv4_preferred && !c.last_resort; };
  if (std::ranges::any_of(view.children, preferred) && !view.service_pending) return true;
  return first_answer_ && view.now >= *first_answer_ + times_.resolution;
}

// Then what failed last time waits for its turn: behind those that wait; where it is pruned, also for those that run or
// may still be found (RFC 9623 section 4.1.1.3).
bool StaggeredRace::others_have_hope(const RaceView& view) const noexcept {
  if (times_.prune && (view.ipv6_pending || view.ipv4_pending || view.service_pending)) return true;
  return std::ranges::any_of(view.children, [this](const Child& c) {
    return !c.failed_before && (c.state == Child::State::waiting || (times_.prune && runs(c)));
  });
}

// RFC 8305 section 4: a few of the first family, then one of each in turn. What was started counts, so that addresses
// that come late stand where they would have stood.
const Child* StaggeredRace::next(const RaceView& view) const noexcept {
  const Child* best[2] = {nullptr, nullptr};  // by family
  unsigned started[2] = {0, 0};
  const auto hopeful = [](const Child& c) { return c.state == Child::State::waiting && !c.failed_before; };
  const bool hope = others_have_hope(view);
  const auto native = [&](const Child& c) { return hopeful(c) && !c.last_resort; };
  const bool natives = std::ranges::any_of(view.children, native);
  const auto turn_has_come = [&](const Child& c) {
    return c.state == Child::State::waiting && !(hope && c.failed_before) && !(natives && c.last_resort);
  };
  for (const Child& c : view.children) {
    if (turn_has_come(c) && best[c.ipv6] == nullptr) best[c.ipv6] = &c;
    if (was_started(c)) ++started[c.ipv6];
  }
  const bool first = view.children.empty() || view.children.front().ipv6;
  const bool other = !first;
  const unsigned ahead = started[first] - std::min(started[first], times_.first_family - 1);  // counts the lead as one
  const bool others_turn = started[first] >= times_.first_family && ahead > started[other];
  const Child* turn = others_turn ? best[other] : best[first];
  return turn != nullptr ? turn : best[others_turn ? first : other];
}

// About when the child's first packet would be sent again: then it is late (RACE-132).
Duration StaggeredRace::delay_after(const Child& child) const noexcept {
  if (!times_.adapt) return times_.attempt;
  if (child.state == Child::State::answered) {  // it lives: as long as its remaining round trips take, and a bit
    const Duration rtt = child.answered_at - child.started_at;
    const Duration until_ready = rtt + rtt * (child.rtts_left + 1);  // counted from its start
    return std::clamp(std::max(times_.attempt, until_ready), times_.least, times_.most);
  }
  if (child.expected == Duration{}) return times_.attempt;
  return std::clamp(2 * child.expected, times_.least, times_.most);
}

TimePoint StaggeredRace::next_start(const Child& next, const RaceView& view) const noexcept {
  if (held_back(next, view)) return last_start_ + std::max(times_.last_resort, last_delay_);
  for (const Child& c : view.children) {
    if (c.id == last_child_ && runs(c)) return last_start_ + delay_after(c);
  }
  return last_start_ + kApart;
}

void StaggeredRace::start(const Child& child, const RaceView& view, RacePlan& plan) noexcept {
  plan.start.push_back(child.id);
  last_child_ = child.id;
  last_start_ = view.now;
  last_delay_ = delay_after(child);
}

RacePlan StaggeredRace::decide(RaceEvent event, ChildId, const RaceView& view) noexcept {
  RacePlan plan;
  if (!first_answer_ && !view.children.empty()) first_answer_ = view.now;
  if (std::ranges::any_of(view.children, [](const Child& c) { return c.state == Child::State::ready; })) return plan;
  const Child* child = next(view);
  if (child == nullptr) return plan;
  const bool nothing_runs = std::ranges::none_of(view.children, runs);
  const bool begun = last_start_ != TimePoint::min();
  if (!begun && !may_begin(view)) {
    if (first_answer_) plan.wake = *first_answer_ + times_.resolution;
    return plan;
  }
  const bool failed = event == RaceEvent::failed && !held_back(*child, view);  // a failure does not wait for the timer
  if (!begun || nothing_runs || failed || view.now >= next_start(*child, view)) {
    start(*child, view, plan);
    const bool more =
        std::ranges::count_if(view.children, [](const Child& c) { return c.state == Child::State::waiting; }) > 1;
    if (more || view.ipv6_pending || view.ipv4_pending) plan.wake = view.now + last_delay_;
  } else {
    plan.wake = next_start(*child, view);
  }
  return plan;
}

}  // namespace trellis
