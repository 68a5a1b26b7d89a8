// SCTP against TCP with lengths before its messages, under the shipped policy, in simulated worlds.
#include <gmock/gmock.h>

#include "history/policy_race.h"
#include "stacks/virtual_pair.h"

namespace trellis::tests {
namespace {

struct SctpOrTcp : PolicyRace {
  explicit SctpOrTcp(const std::string& in_path = {}) : PolicyRace("sctp-or-tcp", in_path) {}
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
  EXPECT_GE(raced.time, kProtocolDelay);
  EXPECT_LE(raced.time, kProtocolDelay + kRtt + 3ms);
}

// IMPL-44: who comes by either of them finds the same Listener.
TEST(SctpListener, IsReachedByTcpToo) {
  VirtualPair pair;
  auto policy = load_policy(TRELLIS_SOURCE_DIR "/policies/sctp-or-tcp.xml");
  ASSERT_TRUE(policy) << policy.error().detail;
  ASSERT_TRUE(pair.framework->core().load({std::move(*policy)}));
  pair.listen("");
  EXPECT_EQ(pair.listener.stack(), "sctp/udp");
  for (const char* stack : {"sctp/udp", "length-prefix/tcp"}) {
    pair.dial_ready(stack).send(stack);
    ASSERT_TRUE(pair.until([&] { return !pair.peers.empty() && pair.peers.back()->reader->all == stack; })) << stack;
    EXPECT_EQ(pair.peers.back()->connection.stack(), stack);
  }
}

// RACE-39, RACE-40: that UDP got nowhere is remembered: the next connection begins with TCP.
TEST(SctpAndHistory, BlockedUdpIsTriedLast) {
  HistoryWorld w(one_path(R"(<address ip="192.0.2.1"/>)", R"(<block does="drop" protocol="udp"/>)"),
                 R"(<stack name="sctp"><layer protocol="sctp"><option name="bytestream" value="true"/></layer>)"
                 R"(<layer protocol="udp"/></stack><stack name="tcp"><layer protocol="tcp"/></stack>)");
  const Dialled first = w.dial();
  ASSERT_FALSE(first.failure) << first.failure->detail;
  EXPECT_EQ(first.stack, "tcp");
  EXPECT_GE(first.took, kProtocolDelay);
  const Dialled next = w.dial();
  ASSERT_FALSE(next.failure) << next.failure->detail;
  EXPECT_EQ(next.stack, "tcp");
  EXPECT_LE(next.took, kRtt + 10ms);
  EXPECT_EQ(next.attempts(), 1u);
}

}  // namespace
}  // namespace trellis::tests
