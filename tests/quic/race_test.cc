// QUIC against TLS over TCP under a policy that names them equal, in simulated worlds.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "history/policy_race.h"

namespace trellis::tests {
namespace {

struct QuicOrTls : PolicyRace {
  explicit QuicOrTls(const std::string& in_path = {}) : PolicyRace("quic-or-tls", in_path) {}
};
struct QuicOrTlsWithoutUdp : QuicOrTls {
  QuicOrTlsWithoutUdp() : QuicOrTls(R"(<block does="drop" protocol="udp"/>)") {}
};
struct QuicOrTlsWithUdpRefused : QuicOrTls {
  QuicOrTlsWithUdpRefused() : QuicOrTls(R"(<block does="refuse" protocol="udp"/>)") {}
};
struct QuicOrTlsWithoutAnything : QuicOrTls {
  QuicOrTlsWithoutAnything() : QuicOrTls(R"(<block does="drop"/>)") {}
};

// RACE-83, RACE-152: one round trip, and no TCP at all.
TEST_F(QuicOrTls, QuicIsReadyFirst) {
  const RaceRun raced = run();
  ASSERT_FALSE(raced.failure) << raced.failure->detail;
  EXPECT_EQ(raced.stack, "quic/udp");
  EXPECT_LE(raced.time, kRtt + 3ms);
  EXPECT_EQ(raced.attempts, 1u);
  EXPECT_EQ(syns, 0);
}

// QUIC-1, QUIC-2, QUIC-4, QUIC-62, IMPL-169: where UDP is blocked TLS takes over at the same port, after the protocol
// delay, and nothing weaker.
TEST_F(QuicOrTlsWithoutUdp, TlsTakesOver) {
  const RaceRun raced = run();
  ASSERT_FALSE(raced.failure) << raced.failure->detail;
  EXPECT_EQ(raced.stack, "tls/tcp");
  EXPECT_GE(raced.time, kProtocolDelay);
  EXPECT_LE(raced.time, kProtocolDelay + 2 * kRtt + 3ms);
}

// An ICMP message can be forged, so it does not end the attempt; TLS is ready no later for it.
TEST_F(QuicOrTlsWithUdpRefused, TlsTakesOver) {
  const RaceRun raced = run();
  ASSERT_FALSE(raced.failure) << raced.failure->detail;
  EXPECT_EQ(raced.stack, "tls/tcp");
  EXPECT_LE(raced.time, kProtocolDelay + 2 * kRtt + 3ms);
}

// QUIC-8: secure communication is not available, and that is no matter of authentication.
TEST_F(QuicOrTlsWithoutAnything, ThereIsOneError) {
  const RaceRun raced = run();
  ASSERT_TRUE(raced.failure);
  EXPECT_NE(raced.failure->reason, Reason::authentication) << raced.failure->detail;
}

// QUIC-3, QUIC-9: a server that cannot prove who it is gets no connection by either stack, and nothing weaker is tried.
TEST_F(QuicOrTls, AuthenticationFailureIsTheEnd) {
  simulation::WorldFile other = setting.world;
  other.hosts[0].name = "b.example";
  other.hosts[0].addresses.clear();
  const auto of_another_host = simulation::make_world_security(other);
  setting.client = of_another_host.client;
  setting.server = of_another_host.server;
  const RaceRun raced = run();
  ASSERT_TRUE(raced.failure);
  EXPECT_EQ(raced.failure->reason, Reason::authentication) << raced.failure->detail;
  EXPECT_LE(raced.attempts, 2u);
}

constexpr const char* kQuicThenTls = R"(<stack name="quic"><layer protocol="quic"/><layer protocol="udp"/></stack>)"
                                     R"(<stack name="tcp"><layer protocol="tls"/><layer protocol="tcp"/></stack>)";
constexpr const char* kEqual =
    R"(<equivalence><same-security reason="both are TLS 1.3"><stack name="quic"/><stack name="tcp"/></same-security>)"
    R"(</equivalence>)";

// RACE-39, RACE-40: that UDP got nowhere is remembered: the next connection begins with TCP.
TEST(QuicAndHistory, BlockedUdpIsTriedLast) {
  HistoryWorld w(one_path(R"(<address ip="192.0.2.1"/>)", R"(<block does="drop" protocol="udp"/>)"), kQuicThenTls,
                 kEqual);
  const Dialled first = w.dial();
  ASSERT_FALSE(first.failure) << first.failure->detail;
  EXPECT_EQ(first.stack, "tls/tcp");
  EXPECT_GE(first.took, kProtocolDelay);
  const Dialled next = w.dial();
  ASSERT_FALSE(next.failure) << next.failure->detail;
  EXPECT_EQ(next.stack, "tls/tcp");
  EXPECT_LE(next.took, 2 * kRtt + 10ms);
  EXPECT_EQ(next.attempts(), 1u);
}

}  // namespace
}  // namespace trellis::tests
