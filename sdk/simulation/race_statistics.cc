#include "simulation/race_statistics.h"

#include <algorithm>
#include <cmath>

namespace trellis::simulation {

void RaceStatistics::add(const RaceRun& run) {
  ++runs_;
  attempts_ += run.attempts;
  attempts_most_ = std::max(attempts_most_, run.attempts);
  if (run.failure) {
    ++failures_[std::string(to_string(run.failure->reason))];
    return;
  }
  times_.push_back(run.time);
  sorted_ = false;
  ++stacks_[run.stack];
  ++paths_[run.path];
  ++families_[run.family == Address::Family::ipv6 ? "ipv6" : "ipv4"];
}

Duration RaceStatistics::quantile(double share) const {
  if (times_.empty()) return {};
  if (!std::exchange(sorted_, true)) std::ranges::sort(times_);
  const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(times_.size())));
  return times_[std::clamp<std::size_t>(rank, 1, times_.size()) - 1];
}

}  // namespace trellis::simulation
