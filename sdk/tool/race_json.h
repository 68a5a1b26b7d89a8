// race_json.h: the parts of a race as JSON, for traces and for reports.
#pragma once
#include "json.h"
#include "trellis/race_report.h"

namespace trellis::tool {

/// {"reason":"refused","code":111,"layer":"tcp","detail":"…"}
json::object to_json(const Error& error);
/// Where a node goes: host, port, address, path, stack; what is open is not there.
json::object where_json(const RaceNode& node);
/// A whole race: every node with what was tried, when, how it ended and by which rule.
json::object to_json(const RaceReport& report);
/// Milliseconds, to the nanosecond.
double milliseconds(Duration duration);

}  // namespace trellis::tool
