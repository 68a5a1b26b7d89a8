// path_health_test.cc: heartbeats and failures of one path, moment by moment.
#include "path_health.h"

#include <gtest/gtest.h>

#include "../../../tests/support/given.h"

namespace trellis::sctp {
namespace {

using namespace std::chrono_literals;

struct OnePath : testing::Test {
  const Settings settings{test::Given(sctp_options(), {})};
  TimePoint now{1000s};
  PathHealth path{settings, PathState::unconfirmed, now};
  static PathHealth::Nonce nonce(int n) { return {static_cast<std::byte>(n)}; }
  /// A round trip with a heartbeat in it.
  void answer(int n, Duration rtt) {
    path.beat(nonce(n), now);
    now += rtt;
    EXPECT_TRUE(path.answered(nonce(n), now));
  }
};

// RFC 9260 section 5.4: only the answer to what was asked confirms it.
TEST_F(OnePath, IsConfirmedByItsOwnNonce) {
  EXPECT_TRUE(path.run(now));
  path.beat(nonce(1), now);
  EXPECT_FALSE(path.run(now));
  EXPECT_FALSE(path.answered(nonce(2), now));
  EXPECT_EQ(path.state(), PathState::unconfirmed);
  path.timed_out(now);
  path.acknowledged(now);
  EXPECT_EQ(path.state(), PathState::unconfirmed);
  now += 20ms;
  EXPECT_TRUE(path.answered(nonce(1), now));
  EXPECT_EQ(path.state(), PathState::active);
  EXPECT_EQ(path.rtt(), 20ms);
  EXPECT_FALSE(path.answered(nonce(1), now)) << "only once";
}

// Sections 8.2 and 8.3, and RFC 7829: at the first failure it is left, after six in a row it is inactive; the time
// between them doubles.
TEST_F(OnePath, Fails) {
  answer(1, 20ms);
  now = path.due();
  EXPECT_TRUE(path.run(now));
  Duration before{};
  for (unsigned failure = 1; failure <= 6; ++failure) {
    path.beat(nonce(2), now);
    const Duration waited = path.due() - now;
    EXPECT_GE(waited, std::min<Duration>(2 * before, 10s));
    before = waited;
    now = path.due();
    EXPECT_EQ(path.run(now), failure < 6) << failure;
    EXPECT_EQ(path.errors(), failure);
    EXPECT_EQ(path.state(), failure < 6 ? PathState::suspected : PathState::inactive);
  }
  EXPECT_GE(path.due(), now + 30s);
  now = path.due();
  EXPECT_TRUE(path.run(now));
  answer(3, 20ms);
  EXPECT_EQ(path.state(), PathState::active);
  EXPECT_EQ(path.errors(), 0u);
}

// While data arrive nothing is probed.
TEST_F(OnePath, DataAreAsGoodAsHeartbeats) {
  answer(1, 20ms);
  for (int i = 0; i < 100; ++i) {
    now += 10s;
    EXPECT_FALSE(path.run(now));
    path.acknowledged(now);
  }
  path.timed_out(now);
  EXPECT_EQ(path.state(), PathState::suspected);
  EXPECT_TRUE(path.run(now)) << "it is asked at once";
  path.acknowledged(now);
  EXPECT_EQ(path.state(), PathState::active);
}

// Without heartbeats a path that has failed is still looked at now and then.
TEST_F(OnePath, WithoutHeartbeats) {
  path.beat_every(0s);
  answer(1, 20ms);
  EXPECT_EQ(path.due(), TimePoint::max());
  path.vanished();
  EXPECT_EQ(path.state(), PathState::inactive);
  path.probe(now);
  EXPECT_TRUE(path.run(now));
  path.beat(nonce(2), now);
  now = path.due();
  EXPECT_FALSE(path.run(now));
  EXPECT_LE(path.due(), now + 60s);
}

}  // namespace
}  // namespace trellis::sctp
