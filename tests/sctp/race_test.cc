// SCTP against TCP with lengths before its messages, under the shipped policy, in simulated worlds.
#include <gmock/gmock.h>

#include "history/history_world.h"
#include "simulation/race_simulation.h"

namespace trellis::tests {
namespace {

using simulation::RaceRun;
using simulation::RaceSetting;
using simulation::RaceSimulation;

constexpr Duration kOtherProtocolDelay = 300ms;  // of the racing policy "staggered"

/// The shipped policy, in a world with one host 10 ms away.
struct SctpOrTcp : testing::Test {
  explicit SctpOrTcp(std::string in_path = {}) : setting(make(in_path)) {}
  static RaceSetting make(const std::string& in_path) {
    const std::string xml =
        std::format(R"(<world xmlns="urn:trellis:world:1" name="w"><connect host="a.example"/>{}</world>)",
                    one_path(R"(<address ip="192.0.2.1"/>)", in_path));
    return {.policy = TRELLIS_SOURCE_DIR "/policies/sctp-or-tcp.xml",
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
  int syns = 0;
};
struct SctpOrTcpWithoutUdp : SctpOrTcp {
  SctpOrTcpWithoutUdp() : SctpOrTcp(R"(<block does="drop" protocol="udp"/>)") {}
};

// RACE-37: SCTP needs two round trips, but has begun first, so no TCP is tried.
TEST_F(SctpOrTcp, SctpIsReadyFirst) {
  const RaceRun raced = run();
  ASSERT_FALSE(raced.failure) << raced.failure->detail;
  EXPECT_EQ(raced.stack, "sctp/udp");
  EXPECT_LE(raced.time, 2 * kRtt + 3ms);
  EXPECT_EQ(raced.attempts, 1u);
  EXPECT_EQ(syns, 0);
}

// RACE-37: where UDP is blocked TCP takes over after the protocol delay.
TEST_F(SctpOrTcpWithoutUdp, TcpTakesOver) {
  const RaceRun raced = run();
  ASSERT_FALSE(raced.failure) << raced.failure->detail;
  EXPECT_EQ(raced.stack, "length-prefix/tcp");
  EXPECT_GE(raced.time, kOtherProtocolDelay);
  EXPECT_LE(raced.time, kOtherProtocolDelay + kRtt + 3ms);
}

// RACE-39, RACE-40: that UDP got nowhere is remembered: the next connection begins with TCP.
TEST(SctpAndHistory, BlockedUdpIsTriedLast) {
  HistoryWorld w(one_path(R"(<address ip="192.0.2.1"/>)", R"(<block does="drop" protocol="udp"/>)"),
                 R"(<stack name="sctp"><layer protocol="sctp"><option name="bytestream" value="true"/></layer>)"
                 R"(<layer protocol="udp"/></stack><stack name="tcp"><layer protocol="tcp"/></stack>)");
  const Dialled first = w.dial();
  ASSERT_FALSE(first.failure) << first.failure->detail;
  EXPECT_EQ(first.stack, "tcp");
  EXPECT_GE(first.took, kOtherProtocolDelay);
  const Dialled next = w.dial();
  ASSERT_FALSE(next.failure) << next.failure->detail;
  EXPECT_EQ(next.stack, "tcp");
  EXPECT_LE(next.took, kRtt + 10ms);
  EXPECT_EQ(next.attempts(), 1u);
}

}  // namespace
}  // namespace trellis::tests
