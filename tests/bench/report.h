// report.h: rows as text, for people and for programs.
#pragma once
#include <string>

#include "bench.h"

namespace trellis::bench {

/// `tcp-pingpong  ours 10.9 us  baseline 9.8 us  ratio 1.11  target <= 1.15  ok`
std::string as_text(const Row& row, const Outcome& outcome);

/// One JSON object in a line: name, ratio, target, better, pass, ours, baseline, unit. A row that failed has null for
/// its numbers and a member `failure`.
std::string as_json(const Row& row, const Outcome& outcome);

/// The name, the target and what it is about, for --list.
std::string as_list_entry(const Row& row);

}  // namespace trellis::bench
