// policy_race.h: one race under a shipped policy, in a simulated world with one host 10 ms away.
#pragma once
#include <gtest/gtest.h>

#include <format>
#include <string>

#include "history_world.h"
#include "simulation/race_simulation.h"

namespace trellis::tests {

using simulation::RaceRun;
using simulation::RaceSetting;
using simulation::RaceSimulation;

inline constexpr Duration kProtocolDelay = 300ms;  // of the racing policy "staggered"

struct PolicyRace : testing::Test {
  /// `in_path`: of the world's path, as one_path() takes it.
  PolicyRace(const std::string& policy, const std::string& in_path) : setting(make(policy, in_path)) {}
  static RaceSetting make(const std::string& policy, const std::string& in_path) {
    const std::string xml =
        std::format(R"(<world xmlns="urn:trellis:world:1" name="w"><connect host="a.example"/>{}</world>)",
                    one_path(R"(<address ip="192.0.2.1"/>)", in_path));
    return {.policy = std::format("{}/policies/{}.xml", TRELLIS_SOURCE_DIR, policy),
            .world = simulation::parse_world(xml, "w.xml").value(),
            .plugin_directories = {TRELLIS_BUILD_DIR "/plugins"}};
  }
  RaceRun run() {
    setting.observe = [this](const TraceEvent& event) {
      if (event.what == "syn" && event.who.starts_with("client.")) ++syns;
    };
    auto simulation = RaceSimulation::open(std::move(setting));
    EXPECT_TRUE(simulation) << simulation.error().detail;
    auto done = (*simulation)->run(1, 1);
    EXPECT_TRUE(done) << done.error().detail;
    return std::move(*done);
  }
  RaceSetting setting;
  int syns = 0;  // of the client
};

}  // namespace trellis::tests
