// trace.h: a race as a trace file, and back: qlog in its sequential form (JSON text sequences, RFC 7464), with events
// of our own: trellis:race_started, trellis:candidate_added, …, trellis:race_ended, and trellis:path_changed for what
// the established connection tells of its paths.
#pragma once
#include <string>
#include <string_view>

#include "trellis/race_report.h"
#include "trellis/result.h"

namespace trellis::tool {

/// The trace; times are in milliseconds since the race began. Replaying needs nothing else.
std::string to_trace(const RaceReport& report);
/// What is added to the trace of a race that began then, when the event happens.
std::string to_trace(const RaceReport::PathEvent& event, TimePoint begun_at);

/// Reads a trace. `file` is for messages, which name the record: "FILE: record 7: found …, expected …".
Result<RaceReport> parse_trace(std::string_view text, const std::string& file);
Result<RaceReport> load_trace(const std::string& file);

}  // namespace trellis::tool
