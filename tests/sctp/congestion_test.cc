// How SCTP fills a path whose queue is short, in virtual time.
#include "sctp_pair.h"

namespace trellis::tests {
namespace {

// IMPL-156, IMPL-167: after slow start has overrun the queue nothing more is lost, so the congestion window only grows.
TEST_F(Sctp, TheWindowDoesNotCollapse) {
  link.set({.delay = 25ms, .rate = 100'000'000, .queue = 131'072});
  Talker& client = connected();
  for (int i = 0; i < 800; ++i) client.send(std::string(65'536, 'x'));
  pair.world.run_for(1s);
  const std::uint64_t lost = link.forth().lost();
  EXPECT_GT(lost, 0u);
  std::uint64_t window = 0;
  for (int part = 0; part < 60; ++part) {
    const auto now = fact<std::uint64_t>(client.connection, "sctp.congestionWindow");
    EXPECT_GE(now, window) << part;
    window = now;
    pair.world.run_for(50ms);
  }
  EXPECT_EQ(link.forth().lost(), lost);
  EXPECT_GT(fact<std::uint64_t>(client.connection, "sctp.unacknowledged"), 20u);
}

}  // namespace
}  // namespace trellis::tests
