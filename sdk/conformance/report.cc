#include "conformance/report.h"

#include <algorithm>
#include <cstdio>
#include <format>

#include "core/plugin_loader.h"

namespace trellis::conformance {
namespace {

struct Group {
  char letter;
  const char* name;
};
constexpr Group kGroups[] = {{'D', "descriptor"}, {'C', "contract"}, {'X', "data"},   {'B', "backpressure"},
                             {'T', "teardown"},   {'V', "time"},     {'F', "faults"}, {'E', "claims"}};

void print(const std::string& text) {
  std::fputs(text.c_str(), stdout);
  std::fflush(stdout);
}

std::string seeds_of(const Settings& settings) {
  if (settings.seeds == 1) return std::format("seed {}", settings.first_seed);
  return std::format("seeds {}-{}", settings.first_seed, settings.first_seed + settings.seeds - 1);
}

void print_outcome(const Outcome& outcome, const std::string& command) {
  const std::string head = std::format("{:<4}{:<58}", outcome.id, outcome.title);
  switch (outcome.kind) {
    case Outcome::Kind::passed: return print(std::format("{} passed {:7.2f} s\n", head, outcome.seconds));
    case Outcome::Kind::not_applicable: return print(std::format("{} not applicable: {}\n", head, outcome.text));
    case Outcome::Kind::not_run:
      return print(std::format("{} NOT RUN, nor what follows\n      {}\n", head, outcome.text));
    case Outcome::Kind::failed: break;
  }
  print(std::format("{} FAILED\n", head));
  if (outcome.seed > 0) {
    print(std::format("      at seed {}{}\n", outcome.seed, outcome.label.empty() ? "" : ", case " + outcome.label));
  }
  print(std::format("      {}\n      replay: {} {} --verbose\n", outcome.text, command, replay_flags(outcome)));
}

std::string version_of(const Subject& subject) {
  if (subject.plugin.empty()) return {};
  const PluginInspection seen = inspect_plugin(subject.plugin, {});
  return seen.described ? std::format(" (plugin {} {})", seen.info.name, seen.info.version) : std::string();
}

}  // namespace

std::string replay_flags(const Outcome& outcome) {
  std::string flags = "--check=" + outcome.id;
  if (outcome.seed > 0) flags += std::format(" --seed={}", outcome.seed);
  if (!outcome.label.empty()) flags += " --case=" + outcome.label;
  return flags;
}

int list_checks() {
  char group = '\0';
  for (const Check& check : all_checks()) {
    if (check.id[0] != group) {
      group = check.id[0];
      const auto* const found = std::ranges::find(kGroups, group, &Group::letter);
      std::printf("%c  %s\n", group, found->name);
    }
    std::printf("   %-4s%s\n", check.id, check.title);
  }
  return 0;
}

int run_and_report(const Subject& subject, const Settings& settings, const std::string& command) {
  if (const auto checks = chosen_checks(settings); !checks) {
    std::fprintf(stderr, "%s\n", checks.error().detail.c_str());
    return 2;
  }
  std::string on;
  for (const std::string& layer : subject.below) on += "/" + layer;
  print(std::format("{}{}{}, {}\n", subject.layer, on, version_of(subject), seeds_of(settings)));
  const auto outcomes = examine(subject, settings, [&](const Outcome& outcome) { print_outcome(outcome, command); });
  const auto count = [&](Outcome::Kind kind) { return std::ranges::count(outcomes, kind, &Outcome::kind); };
  const auto failed = count(Outcome::Kind::failed) + count(Outcome::Kind::not_run);
  print(std::format("{} passed, {} failed", count(Outcome::Kind::passed), failed));
  if (const auto left_out = count(Outcome::Kind::not_applicable); left_out > 0)
    print(std::format(", {} not applicable", left_out));
  print("\n");
  if (failed > 0) return 1;
  if (settings.checks.empty() && settings.only_case.empty()) {
    print(std::format("badge: {}{} conforms to Trellis ABI {}, kit {}, {}{}\n", subject.layer, on, kAbi, kKitVersion,
                      seeds_of(settings), version_of(subject)));
  }
  return 0;
}

}  // namespace trellis::conformance
