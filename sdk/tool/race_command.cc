// race_command.cc: `trellis race`: races in virtual time.
#include "arguments.h"
#include "commands.h"
#include "replay.h"
#include "report.h"

namespace trellis::tool {

namespace {

Arguments make_arguments() {
  Arguments arguments("race", "", "Runs a race in virtual time, with the racing policies that are installed now.");
  arguments.value("replay", "FILE", "a race that was recorded with connect --trace: are the decisions still the same?")
      .flag("json", "", "report in JSON, one object per line");
  arguments.footer(
      "Exits with 0 when all decisions are the same, 1 for a wrong command line or a file that is no trace, 3 when a "
      "decision differs (the first one is reported), 5 when a racing policy is missing or refuses its settings.");
  return arguments;
}

}  // namespace

int race(std::span<char* const> words) {
  Arguments arguments = make_arguments();
  const auto parsed = arguments.parse(words);
  const Report report("race", arguments.has("json"));
  if (!parsed) return report.usage(parsed.error());
  if (arguments.has("help")) return std::fputs(arguments.help().c_str(), stdout) < 0 ? kBroken : kDone;
  if (!arguments.operands().empty())
    return report.usage(
        {Reason::invalid_argument, 0, "core", "expected no operand, found " + arguments.operands().front()});
  if (arguments.text("replay").empty())
    return report.usage({Reason::invalid_argument, 0, "core", "expected --replay FILE"});
  return replay_command(arguments, report);
}

}  // namespace trellis::tool
