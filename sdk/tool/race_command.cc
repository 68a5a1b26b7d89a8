// race_command.cc: `trellis race`: races in virtual time.
#include "arguments.h"
#include "commands.h"
#include "race_world.h"
#include "replay.h"
#include "report.h"

namespace trellis::tool {

namespace {

Arguments race_arguments() {
  Arguments arguments("race", "[POLICY]",
                      "Runs races in virtual time, with the plugins and racing policies that are installed now: many "
                      "of a policy (default: the shipped default.xml) in a simulated network, or one that was "
                      "recorded.");
  declare_race_world(arguments);
  arguments
      .value("replay", "FILE", "a race that was recorded with connect --trace: are the decisions still the same?",
             "what")
      .flag("json", "", "report in JSON, one object per line");
  arguments.footer(
      "With --world it exits with 0 when all races were run, connected or not. With --replay it exits with 0 when all "
      "decisions are the same, 3 when a decision differs (the first one is reported). 1: a wrong command line or a "
      "file that is no trace. 5: a policy, plugin or world is refused.");
  return arguments;
}

}  // namespace

int race(std::span<char* const> words) {
  Arguments arguments = race_arguments();
  if (const auto over = read_command_line(arguments, words)) return *over;
  const Report report("race", arguments.has("json"));
  if (!arguments.text("world").empty()) return race_world(arguments, report);
  if (arguments.text("replay").empty())
    return report.usage({Reason::invalid_argument, 0, "core", "expected --world WORLD or --replay FILE"});
  if (!arguments.operands().empty())
    return report.usage({Reason::invalid_argument, 0, "core",
                         "expected no operand with --replay, found " + arguments.operands().front()});
  return replay_command(arguments, report);
}

}  // namespace trellis::tool
