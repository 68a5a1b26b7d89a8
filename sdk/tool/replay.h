// replay.h: a recorded race once more, in virtual time: the same facts are told to the same racing policies, and what
// they decide now is compared with what they decided then.
#pragma once
#include <cstddef>
#include <optional>
#include <string>

#include "arguments.h"
#include "core/registry.h"
#include "report.h"
#include "trellis/race_report.h"

namespace trellis::tool {

struct Replayed {
  std::size_t decisions = 0, facts = 0;   // that were the same
  std::optional<std::string> difference;  // the first one: "at 250.0 ms: then …, now …"
};

/// Replays a race with the racing policies of the registry. Errors: they are not there, or refuse their settings.
Result<Replayed> replay(const RaceReport& recorded, Registry& registry);

/// `trellis race --replay FILE`.
int replay_command(const Arguments& arguments, const Report& report);

}  // namespace trellis::tool
