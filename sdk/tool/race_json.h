// race_json.h: the parts of a race as JSON, for traces and for reports.
#pragma once
#include <Poco/JSON/Object.h>

#include "trellis/race_report.h"

namespace trellis::tool {

/// An empty object that keeps the order of its keys.
Poco::JSON::Object json_object();
/// {"reason":"refused","code":111,"layer":"tcp","detail":"…"}
Poco::JSON::Object to_json(const Error& error);
/// Where a node goes: host, port, address, path, stack; what is open is not there.
Poco::JSON::Object where_json(const RaceNode& node);
/// A whole race: every node with what was tried, when, how it ended and by which rule.
Poco::JSON::Object to_json(const RaceReport& report);
/// Milliseconds, to the nanosecond.
double milliseconds(Duration duration);

}  // namespace trellis::tool
