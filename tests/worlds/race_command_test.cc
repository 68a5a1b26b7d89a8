// `trellis race POLICY --world WORLD`: what it prints, the same for the same seed, and how it refuses.
#include <Poco/JSON/Object.h>
#include <Poco/JSON/Parser.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "simulation/race_statistics.h"
#include "support/process.h"

namespace trellis::simulation {
namespace {

using test::Process;
using testing::HasSubstr;
using testing::StartsWith;

struct Outcome {
  int code;
  std::string output, error;
};

Outcome race(std::vector<std::string> options, std::vector<std::string> before = {}) {
  std::vector<std::string> words = std::move(before);
  words.push_back(test::program("trellis"));
  words.push_back("race");
  words.insert(words.end(), options.begin(), options.end());
  Process process(std::move(words));
  process.close_input();
  const int code = process.wait();
  return {code, process.output(), process.error()};
}

TEST(RaceCommand, SameSeedSameBytes) {
  const std::vector<std::string> options = {"--world", "lossy-wifi", "--seed", "7", "--runs", "3000"};
  const Outcome first = race(options);
  ASSERT_EQ(first.code, 0) << first.error;
  EXPECT_THAT(first.output, HasSubstr("seed 7"));
  EXPECT_EQ(first.error, "");
  EXPECT_EQ(race(options).output, first.output);
  // Not the addresses of things in memory either.
  const Outcome fixed = race(options, {"setarch", "--addr-no-randomize"});
  if (fixed.code == 0) {
    EXPECT_EQ(fixed.output, first.output);
  }
  EXPECT_NE(race({"--world", "lossy-wifi", "--seed", "8", "--runs", "3000"}).output, first.output);
}

TEST(RaceCommand, TellsWhatTheRacesCameTo) {
  const Outcome done = race({"--world", "ipv6-blackhole", "--runs", "50"});
  ASSERT_EQ(done.code, 0) << done.error;
  EXPECT_THAT(done.output, StartsWith("policy default in world ipv6-blackhole: IPv6 is announced and leads nowhere\n"
                                      "50 races, seed 1\n"));
  EXPECT_THAT(done.output, HasSubstr("connected           50 (100.0 %)\ntime to connect     p50 "));
  EXPECT_THAT(done.output, HasSubstr("attempts            2.00 on average, 2 at most\n"
                                     "wins by stack       tcp 50\n"
                                     "wins by path        eth0 50\n"
                                     "wins by family      ipv4 50\n"
                                     "failures            none\n"));
}

TEST(RaceCommand, TellsItInJson) {
  const Outcome done = race({"--world", "captive-network", "--runs", "200", "--json"});
  ASSERT_EQ(done.code, 0) << done.error;
  Poco::JSON::Parser parser;
  const auto object = parser.parse(done.output).extract<Poco::JSON::Object::Ptr>();
  EXPECT_EQ(object->getValue<int>("runs"), 200);
  const int connected = object->getValue<int>("connected");
  int failed = 0;
  const auto failures = object->getObject("failures");
  for (const auto& name : failures->getNames()) failed += failures->getValue<int>(name);
  EXPECT_EQ(connected + failed, 200);
  const auto times = object->getObject("time_to_connect_ms");
  EXPECT_LE(times->getValue<double>("p50"), times->getValue<double>("p95"));
  EXPECT_LE(times->getValue<double>("p99"), times->getValue<double>("most"));
}

TEST(RaceCommand, EveryShippedWorldRuns) {
  for (const char* world :
       {"healthy", "lossy-wifi", "ipv6-blackhole", "udp-blocked", "captive-network", "slow-dns", "dual-homed-phone"}) {
    for (const char* policy : {"default.xml", "messages.xml", "datagram.xml"}) {
      const Outcome done =
          race({std::string(TRELLIS_SOURCE_DIR "/policies/") + policy, "--world", world, "--runs", "20"});
      EXPECT_EQ(done.code, 0) << world << " " << policy << ": " << done.error;
    }
  }
}

TEST(RaceCommand, RefusesWithOneSentence) {
  const auto refusal = [](std::vector<std::string> options, int code) {
    const Outcome done = race(std::move(options));
    EXPECT_EQ(done.code, code) << done.error;
    EXPECT_EQ(done.output, "");
    return done.error.substr(0, done.error.find('\n'));
  };
  EXPECT_THAT(refusal({}, 1), HasSubstr("expected --world WORLD or --replay FILE"));
  EXPECT_THAT(refusal({"--world", "healthy", "--runs", "0"}, 1), HasSubstr("expected a number from 1 to 10000000"));
  EXPECT_THAT(refusal({"--world", "healthy", "--seed", "x"}, 1), HasSubstr("seed"));
  EXPECT_THAT(refusal({"a.xml", "b.xml", "--world", "healthy"}, 1), HasSubstr("expected one policy"));
  EXPECT_THAT(refusal({"--world", "helthy"}, 5), HasSubstr("did you mean \"healthy\"?"));
  EXPECT_THAT(refusal({"/nowhere.xml", "--world", "healthy"}, 5), HasSubstr("/nowhere.xml: found no file to read"));
  const std::string file = TRELLIS_SOURCE_DIR "/tests/worlds/files/range-backwards.xml";
  EXPECT_THAT(refusal({"--world", file}, 5), HasSubstr(file + ":4: found delay-ms=\"40..8\", expected the smaller"));
}

TEST(RaceStatistics, QuantilesAreTimesThatHappened) {
  RaceStatistics all;
  for (int i = 100; i >= 1; --i) {
    RaceRun run;
    run.time = std::chrono::milliseconds(i);
    run.attempts = static_cast<std::uint32_t>(i % 3 + 1);
    run.family = i % 2 == 0 ? Address::Family::ipv6 : Address::Family::ipv4;
    all.add(run);
  }
  RaceRun failed;
  failed.failure = Error{Reason::timed_out};
  all.add(failed);
  EXPECT_EQ(all.runs(), 101u);
  EXPECT_EQ(all.connected(), 100u);
  EXPECT_EQ(all.quantile(0.5), std::chrono::milliseconds(50));
  EXPECT_EQ(all.quantile(0.95), std::chrono::milliseconds(95));
  EXPECT_EQ(all.quantile(0.99), std::chrono::milliseconds(99));
  EXPECT_EQ(all.quantile(1), std::chrono::milliseconds(100));
  EXPECT_EQ(all.families().at("ipv6"), 50u);
  EXPECT_EQ(all.failures().at("timed out"), 1u);
  EXPECT_EQ(RaceStatistics().quantile(0.5), Duration{});
}

// Each race can be run again alone, whatever ran before it.
TEST(RaceSimulation, ARunDependsOnItsSeedAndNumberOnly) {
  auto file = find_world("dual-homed-phone");
  ASSERT_TRUE(file);
  const auto story = [&](bool others) {
    RaceSetting setting;
    setting.world = load_world(*file).value();
    auto simulation = RaceSimulation::open(std::move(setting));
    EXPECT_TRUE(simulation) << simulation.error().detail;
    for (std::uint64_t n = 1; others && n < 20; ++n) EXPECT_TRUE((*simulation)->run(3, n));
    const auto run = (*simulation)->run(3, 20);
    EXPECT_TRUE(run);
    std::string text;
    for (const RaceStep& step : run->report->steps) {
      text += run->report->nodes[step.node].id + " " + std::string(to_string(step.kind)) + " " +
              std::to_string((step.at - run->report->begun_at).count()) + "\n";
    }
    return text;
  };
  const std::string alone = story(false);
  EXPECT_GT(alone.size(), 100u);
  EXPECT_EQ(alone, story(true));
}

}  // namespace
}  // namespace trellis::simulation
