// What racing costs and saves, in virtual time, with the real engine, the tcp plugin and the shipped default policy.
#include <gtest/gtest.h>

#include <algorithm>
#include <format>

#include "simulation/race_simulation.h"

namespace trellis::simulation {
namespace {

using namespace std::chrono_literals;

/// A client 10 ms away from everything, whose lookups take no time, and a host with these <address> elements.
WorldFile world(const std::string& addresses, const std::string& path = "", const std::string& host = "") {
  const std::string xml = std::format(
      R"(<world xmlns="urn:trellis:world:1" name="w"><connect host="a.example"/><path interface="eth0" delay-ms="10">)"
      R"({}</path><host name="a.example">{}{}</host></world>)",
      path, host, addresses);
  auto made = parse_world(xml, "w.xml");
  EXPECT_TRUE(made) << made.error().detail;
  return made ? std::move(*made) : WorldFile{};
}

struct RaceNumbers : testing::Test {
  /// Runs one race and keeps when the client sent SYNs.
  RaceRun run(WorldFile where, const std::string& policy = {}) {
    syns.clear();
    RaceSetting setting{.policy = policy, .world = std::move(where), .plugin_directories = {}};
    setting.observe = [this](const TraceEvent& event) {
      if (event.what == "syn" && event.who.starts_with("client.")) syns.push_back(event.at);
    };
    auto simulation = RaceSimulation::open(std::move(setting));
    EXPECT_TRUE(simulation) << simulation.error().detail;
    auto done = (*simulation)->run(1, 1);
    EXPECT_TRUE(done) << done.error().detail;
    return std::move(*done);
  }
  static const RaceNode& node(const RaceRun& run, std::string_view id) {
    return *std::ranges::find(run.report->nodes, id, &RaceNode::id);
  }
  std::vector<TimePoint> syns;
};

constexpr Duration kRtt = 20ms;
constexpr Duration kTurns = 50us;  // what the turns of the loops take

const char* const kTwo = R"(<address ip="2001:db8::1"/><address ip="192.0.2.1"/>)";

// RACE-65, RACE-74, RACE-79, RACE-130: racing is armed and sends nothing.
TEST_F(RaceNumbers, AHealthyFirstCandidateCostsNothing) {
  const RaceRun direct = run(world(R"(<address ip="2001:db8::1"/>)"));
  const RaceRun raced = run(world(kTwo));
  ASSERT_FALSE(raced.failure);
  EXPECT_EQ(syns.size(), 1u) << "no second attempt is sent";
  EXPECT_EQ(raced.attempts, 1u);
  EXPECT_LE(raced.time, direct.time * 11 / 10);
  EXPECT_LE(raced.time, kRtt + kTurns);
  EXPECT_EQ(raced.family, Address::Family::ipv6);
}

// RACE-59, RACE-69, RACE-134
TEST_F(RaceNumbers, AfterARefusalTheNextAddressIsTriedAtOnce) {
  const RaceRun raced =
      run(world(R"(<address ip="2001:db8::1"><block does="refuse"/></address><address ip="192.0.2.1"/>)"));
  ASSERT_FALSE(raced.failure);
  ASSERT_EQ(syns.size(), 2u);
  const TimePoint refusal = node(raced, "1.1.1.1").ended_at;
  EXPECT_LE(refusal - raced.report->begun_at, kRtt + kTurns);
  EXPECT_LE(syns[1] - refusal, 1ms);
  EXPECT_LE(raced.time, 2 * kRtt + 1ms) << "one round trip for the refusal, one to connect";
}

// RACE-59, RACE-134: what connecting itself takes left aside, it is there within 1 ms.
TEST_F(RaceNumbers, AfterARefusalConnectedWithinAMillisecond) {
  WorldFile near = world(R"(<address ip="2001:db8::1" delay-ms="30"><block does="refuse"/></address>)"
                         R"(<address ip="192.0.2.1"/>)");
  near.paths[0].delay = {100, 100};  // 0.1 ms
  const RaceRun raced = run(std::move(near));
  ASSERT_FALSE(raced.failure);
  EXPECT_LE(raced.report->ended_at - node(raced, "1.1.1.1").ended_at, 1ms);
}

// RACE-52, RACE-53, RACE-116: a black hole costs the attempt delay, 250 ms by default, and then one round trip.
TEST_F(RaceNumbers, ABlackHoleCostsTheAttemptDelayAndOneRoundTrip) {
  const RaceRun raced =
      run(world(R"(<address ip="2001:db8::1"><block does="drop"/></address><address ip="192.0.2.1"/>)"));
  ASSERT_FALSE(raced.failure);
  EXPECT_GE(raced.time, 250ms + kRtt);
  EXPECT_LE(raced.time, 250ms + kRtt + kTurns);
  EXPECT_EQ(raced.family, Address::Family::ipv4);
  EXPECT_EQ(node(raced, "1.1.1.1").state, Child::State::canceled);
}

// RACE-64, RACE-129: an IPv6 network that leads nowhere does not take the second IPv6 address before IPv4 is tried.
TEST_F(RaceNumbers, ADeadFamilyIsLeftAfterOneAddress) {
  const RaceRun raced = run(world(R"(<address ip="2001:db8::1"/><address ip="2001:db8::2"/><address ip="192.0.2.1"/>)",
                                  R"(<block does="drop" family="ipv6"/>)"));
  EXPECT_LE(raced.time, 250ms + kRtt + kTurns);
  EXPECT_EQ(raced.attempts, 2u);
}

// RACE-31, RACE-44, RACE-114, RACE-124: answers for IPv4 wait 50 ms for those for IPv6.
TEST_F(RaceNumbers, LateIpv6AnswersCostTheResolutionDelay) {
  const RaceRun late = run(world(kTwo, "", R"(<records family="ipv6" after-ms="5000"/>)"));
  EXPECT_GE(late.time, 50ms + kRtt);
  EXPECT_LE(late.time, 50ms + kRtt + kTurns);
  EXPECT_EQ(late.family, Address::Family::ipv4);
  const RaceRun in_time = run(world(kTwo, "", R"(<records family="ipv6" after-ms="40"/>)"));
  EXPECT_LE(in_time.time, 40ms + kRtt + kTurns);
  EXPECT_EQ(in_time.family, Address::Family::ipv6);
  const RaceRun never = run(world(kTwo, "", R"(<records family="ipv6" does="ignore"/>)"));
  EXPECT_EQ(never.time, late.time);
  const RaceRun failed = run(world(kTwo, "", R"(<records family="ipv6" does="fail" after-ms="10"/>)"));
  EXPECT_LE(failed.time, 10ms + kRtt + kTurns) << "a failure ends the wait";
}

// RACE-143, RACE-72: no addresses, with or without an error.
TEST_F(RaceNumbers, WithoutAnyAddressThereIsOneError) {
  const RaceRun empty = run(world(""));
  ASSERT_TRUE(empty.failure);
  EXPECT_EQ(empty.failure->reason, Reason::unresolved);
  const RaceRun failed =
      run(world(kTwo, "", R"(<records family="ipv6" does="fail"/><records family="ipv4" does="fail"/>)"));
  ASSERT_TRUE(failed.failure);
  EXPECT_EQ(failed.failure->reason, Reason::unresolved);
  EXPECT_EQ(failed.attempts, 0u);
}

// RACE-58: the policy's connect-timeout-ms bounds the wait, 15 s by default.
TEST_F(RaceNumbers, WhenNothingAnswersTheTimeIsLimited) {
  const RaceRun raced = run(world(kTwo, R"(<block does="drop"/>)"));
  ASSERT_TRUE(raced.failure);
  EXPECT_EQ(raced.failure->reason, Reason::timed_out);
  EXPECT_GE(raced.time, 15s);
  EXPECT_LE(raced.time, 15s + kTurns);
}

// RACE-80, IMPL-21: a datagram stack is ready with its path; nothing was sent, not even to find out which address is to
// be preferred.
TEST_F(RaceNumbers, UdpIsReadyBeforeAnyPacket) {
  std::size_t packets = 0;
  RaceSetting setting{
      .policy = TRELLIS_SOURCE_DIR "/policies/datagram.xml", .world = world(kTwo), .plugin_directories = {}};
  setting.observe = [&](const TraceEvent& event) { packets += event.what == "udp" || event.what == "syn"; };
  auto simulation = RaceSimulation::open(std::move(setting));
  ASSERT_TRUE(simulation) << simulation.error().detail;
  const auto raced = (*simulation)->run(1, 1);
  ASSERT_TRUE(raced);
  EXPECT_FALSE(raced->failure);
  EXPECT_LE(raced->time, kTurns);
  EXPECT_EQ(packets, 0u);
}

// A path that goes away while names are looked up: the other one is the default route then.
TEST_F(RaceNumbers, OutagesTakeTheirTime) {
  WorldFile away = world(kTwo, R"(<down from-ms="0" until-ms="30"/>)");
  const RaceRun raced = run(away);
  EXPECT_TRUE(raced.failure) << "no name server answers while the only path is away";
  WorldPath other;
  other.interface_name = "wwan0";
  other.delay = {40'000, 40'000};
  away.paths.push_back(other);
  const RaceRun second = run(away);
  ASSERT_FALSE(second.failure) << second.failure->detail;
  EXPECT_EQ(second.path, "wwan0");
  EXPECT_GE(second.time, 80ms);
}

}  // namespace
}  // namespace trellis::simulation
