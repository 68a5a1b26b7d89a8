// runner.h: runs checks, each in a process of its own, so that a layer that crashes or hangs fails one check and not
// the kit, and so that the leak checker of a sanitizer build looks after each.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "conformance/check.h"

namespace trellis::conformance {

/// Raised when a check is added or becomes stricter: a badge says against what a plugin was held.
inline constexpr int kKitVersion = 2;
inline constexpr std::uint64_t kSeedsDefault = 20;

/// What to run.
struct Settings {
  std::uint64_t first_seed = 1, seeds = kSeedsDefault;
  std::vector<std::string> checks{};  ///< ids or groups ("T"); empty: all
  std::string only_case{};            ///< repeat this case alone
  bool verbose = false;               ///< print the timeline of every run
  bool in_process = false;            ///< no process of its own: for debuggers
};

/// What became of one check.
struct Outcome {
  enum class Kind : std::uint8_t { passed, failed, not_applicable, not_run };
  Kind kind = Kind::passed;
  std::string id, title;
  std::string text;         ///< why it failed, or was not run
  std::string label;        ///< the case that failed
  std::uint64_t seed = 0;   ///< that failed
  std::uint64_t seeds = 0;  ///< how many were tried
  double seconds = 0;
};

/// Runs the checks in the order of their ids; tells each outcome at once.
std::vector<Outcome> examine(const Subject& subject, const Settings& settings,
                             const std::function<void(const Outcome&)>& tell);

/// The checks that `settings` names. Errors: an unknown id.
Result<std::vector<Check>> chosen_checks(const Settings& settings);

}  // namespace trellis::conformance
