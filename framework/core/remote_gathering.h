// remote_gathering.h: what remote endpoints come to, as a race would gather them, without any attempt.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "core/gathering.h"

namespace trellis {

class RemoteGathering final : RaceActions, Alarm, Job {
 public:
  /// `over` is called once, later, and may destroy this. All references outlive it.
  RemoteGathering(FrameworkCore& framework, Executor& loop, std::shared_ptr<const Plan> plan,
                  std::function<void()> over);
  ~RemoteGathering();
  void begin() noexcept;
  // When it is over.
  const std::vector<Endpoint>& found() const noexcept { return found_; }  // concrete, in the order of the race
  const std::optional<Error>& failure() const noexcept { return failure_; }

 private:
  void start_leaf(NodeIndex leaf) noexcept override;
  void cancel_leaf(NodeIndex) noexcept override {}
  void expand(NodeIndex node) noexcept override { gathering_.expand(node); }
  void abandon(NodeIndex) noexcept override {}
  void wake_at(TimePoint when) noexcept override;
  void won(NodeIndex) noexcept override {}
  void lost(const Error& error) noexcept override;
  void on_alarm() noexcept override;
  void run() noexcept override;  // Job: it is over
  void end(Error why) noexcept;
  void arm_next() noexcept { arm(loop_, std::min(wake_, deadline_)); }

  Executor& loop_;
  std::shared_ptr<const Plan> plan_;
  std::function<void()> over_;
  RaceEngine race_;
  Gathering gathering_;
  std::vector<Endpoint> found_;
  std::optional<Error> failure_;  // nothing was found
  TimePoint deadline_{}, wake_ = TimePoint::max();
};

}  // namespace trellis
