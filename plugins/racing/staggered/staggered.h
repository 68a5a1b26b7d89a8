// staggered.h: one child after another, each a while after the one before it (RFC 9623 section 4.3.2); for endpoints
// that is Happy Eyeballs version 2 (RFC 8305).
#pragma once
#include <memory>
#include <span>

#include "trellis/racing.h"

namespace trellis {

/// The constants of RFC 8305 section 8. Those that depend on the kind of branch are there once for each.
struct StaggeredTimes {
  Duration attempt{};  // between two starts, when nothing better is known
  Duration least{};    // of a delay that was computed
  Duration most{};
  Duration resolution{};      // after A answers, for AAAA
  Duration last_resort{};     // after the last start, before what NAT64 made is tried
  unsigned first_family = 1;  // children of the first family before families alternate
  bool adapt = true;          // delays follow what is known of the round-trip time
  bool prune = false;         // what failed last time waits until all else has failed
};

/// The race of one node.
class StaggeredRace final : public Race {
 public:
  explicit StaggeredRace(const StaggeredTimes& times) : times_(times) {}
  RacePlan decide(RaceEvent event, ChildId about, const RaceView& view) noexcept override;

 private:
  bool may_begin(const RaceView& view) const noexcept;
  const Child* next(const RaceView& view) const noexcept;
  bool others_have_hope(const RaceView& view) const noexcept;
  Duration delay_after(const Child& child) const noexcept;
  TimePoint next_start(const Child& next, const RaceView& view) const noexcept;
  void start(const Child& child, const RaceView& view, RacePlan& plan) noexcept;

  StaggeredTimes times_;
  TimePoint last_start_ = TimePoint::min();
  Duration last_delay_{};
  ChildId last_child_ = 0;
  std::optional<TimePoint> first_answer_;
};

/// The plugin.
class Staggered final : public RacingPolicy {
 public:
  std::string_view name() const noexcept override { return "staggered"; }
  std::span<const OptionSpec> options() const noexcept override;
  std::unique_ptr<Race> begin(Branch branch, const Options& options) const noexcept override;
};

}  // namespace trellis
