// run.cc: the command line of a conformance test, and what it prints.
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <format>
#include <string>

#include "conformance/conformance.h"
#include "conformance/report.h"

namespace trellis::conformance {
namespace {

constexpr const char* kHelp = R"(usage: %s [FLAG...]

Holds a layer to its claims and to the contract, in virtual time.

  --seeds=N     seeds to try (default %d)
  --seed=N      this seed alone; what failed prints the flags that repeat it
  --check=ID    this check, or this group of checks (T); may be given several times
  --case=CASE   this case of the check alone, in this process (for a debugger)
  --verbose     print what happens, event by event
  --list        print the checks and end

Exit status: 0 all passed, 1 some failed, 2 the command line is wrong.
)";

bool number(std::string_view text, std::uint64_t& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size() && out > 0;
}

/// False: it is none of ours, or its value is wrong.
bool read_flag(std::string_view flag, Settings& settings) {
  const auto value = [&](std::string_view name, std::string_view& out) {
    if (!flag.starts_with(name)) return false;
    out = flag.substr(name.size());
    return true;
  };
  std::string_view text;
  if (value("--seeds=", text)) return number(text, settings.seeds);
  if (value("--seed=", text)) {
    settings.seeds = 1;
    return number(text, settings.first_seed);
  }
  if (value("--check=", text)) {
    settings.checks.emplace_back(text);
    return true;
  }
  if (value("--case=", text)) {
    settings.only_case = text;
    settings.in_process = true;
    return true;
  }
  if (flag != "--verbose") return false;
  return settings.verbose = true;
}

}  // namespace

int run(const Subject& subject, int argc, char** argv) {
  Settings settings;
  for (int i = 1; i < argc; ++i) {
    const std::string_view flag = argv[i];
    if (flag == "--help") {
      std::printf(kHelp, argv[0], static_cast<int>(kSeedsDefault));
      return 0;
    }
    if (flag == "--list") return list_checks();
    if (read_flag(flag, settings)) continue;
    std::fprintf(stderr, "%s: '%s' is no flag of a conformance test: see --help\n", argv[0], argv[i]);
    return 2;
  }
  return run_and_report(subject, settings, argv[0]);
}

}  // namespace trellis::conformance
