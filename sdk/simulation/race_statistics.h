// race_statistics.h: what many races come to.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "simulation/race_simulation.h"

namespace trellis::simulation {

/// Counts by a word, in the order of the words.
using Counts = std::map<std::string, std::uint64_t, std::less<>>;

class RaceStatistics {
 public:
  void add(const RaceRun& run);

  std::uint64_t runs() const noexcept { return runs_; }
  std::uint64_t connected() const noexcept { return times_.size(); }
  /// Time to connect of those that did: the least time that this share (0 … 1) of them did not exceed (nearest rank).
  /// Zero when none did.
  Duration quantile(double share) const;
  std::uint64_t attempts() const noexcept { return attempts_; }            ///< of all runs
  std::uint32_t attempts_most() const noexcept { return attempts_most_; }  ///< of one run
  const Counts& stacks() const noexcept { return stacks_; }                ///< of the winners
  const Counts& paths() const noexcept { return paths_; }                  ///< of the winners
  const Counts& families() const noexcept { return families_; }            ///< of the winners: "ipv4", "ipv6"
  const Counts& failures() const noexcept { return failures_; }            ///< by reason

 private:
  std::uint64_t runs_ = 0, attempts_ = 0;
  std::uint32_t attempts_most_ = 0;
  mutable std::vector<Duration> times_;
  mutable bool sorted_ = true;
  Counts stacks_, paths_, families_, failures_;
};

}  // namespace trellis::simulation
