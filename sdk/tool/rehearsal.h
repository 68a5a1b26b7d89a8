// rehearsal.h: a race as it would go if nothing ever answered: real names, real racing policies, virtual time, and not
// one connection.
#pragma once
#include "core/gathering.h"
#include "trellis/loop.h"

namespace trellis::tool {

class Rehearsal final : public RaceActions, public Alarm {
 public:
  Rehearsal(FrameworkCore& framework, Loop& loop, Plan plan);
  ~Rehearsal() { disarm(); }
  /// Looks names up on the loop, which takes as long as it takes; everything else takes no time. What was never started
  /// within the time to connect never is.
  Result<RaceReport> run();

  void on_alarm() noexcept override { gathering_.stop(); }  // the resolver had its time
  void start_leaf(NodeIndex leaf) noexcept override;
  void cancel_leaf(NodeIndex) noexcept override {}
  void expand(NodeIndex node) noexcept override { gathering_.expand(node); }
  void abandon(NodeIndex) noexcept override {}
  void wake_at(TimePoint when) noexcept override { wake_ = when; }
  void won(NodeIndex) noexcept override {}
  void lost(const Error& error) noexcept override { failure_ = error; }

 private:
  void hear_of_earlier_races();
  FrameworkCore& framework_;
  Loop& loop_;
  Plan plan_;
  RaceEngine race_;
  Gathering gathering_;
  TimePoint now_{std::chrono::hours(1)}, wake_ = TimePoint::max();
  std::optional<Error> failure_;
};

}  // namespace trellis::tool
