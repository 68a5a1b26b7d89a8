// race_world.h: `trellis race POLICY --world WORLD`: many races in a simulated network, and what they come to.
#pragma once
#include "arguments.h"
#include "report.h"

namespace trellis::tool {

/// Adds the options to the command.
void declare_race_world(Arguments& arguments);
/// Runs the races and prints; returns what the process exits with.
int race_world(const Arguments& arguments, const Report& report);

}  // namespace trellis::tool
