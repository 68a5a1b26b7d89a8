// report.h: what the kit prints: one line per check, what failed with the command that repeats it, a badge at the end.
#pragma once
#include <string>

#include "conformance/runner.h"

namespace trellis::conformance {

/// Prints ids and titles; returns 0.
int list_checks();

/// Runs and prints. `command` is what repeats a run when flags are put behind it. Returns what main() returns.
int run_and_report(const Subject& subject, const Settings& settings, const std::string& command);

/// The flags that repeat a failure.
std::string replay_flags(const Outcome& outcome);

}  // namespace trellis::conformance
