// The scenarios of the QUIC interop runner that are about the network, between two of ours: handshakes and transfers
// with losses and packets out of order, a long way, a path of small packets that says nothing, a network that is gone
// for a while.
#include "quic_pair.h"

namespace trellis::tests {
namespace {

struct Scenario {
  const char* name;
  LinkConditions link;
};

struct BadNetworks : GroupFixture {
  static constexpr std::size_t kBytes = 1 << 20;
  static std::string content(char seed) {
    std::string text(kBytes, seed);
    for (std::size_t i = 0; i < text.size(); i += 61) text[i] = static_cast<char>('a' + i % 26);
    return text;
  }
  /// There and back.
  void transfers(Talker& client, const std::string& first) {
    const std::string there = first + content('t'), back = content('b');
    client.read();
    client.send(there);
    ASSERT_TRUE(pair.world.run_until([&] { return peer_with(there) != nullptr; }, 300s));
    Talker& server = *peer_with(there);
    server.send(back);
    ASSERT_TRUE(pair.world.run_until([&] { return client.reader->all.size() >= back.size(); }, 300s));
    EXPECT_TRUE(client.reader->all == back);
    EXPECT_FALSE(client.failed);
    EXPECT_FALSE(server.failed);
  }
};
struct QuicOverBadNetworks : BadNetworks, testing::WithParamInterface<Scenario> {};

// QUIC-26, QUIC-40
TEST_P(QuicOverBadNetworks, HandshakesAndTransfers) {
  link.set(GetParam().link);
  pair.listen(quic());
  for (int i = 0; i < 4; ++i) {
    Talker& client = pair.dial(quic());
    ASSERT_TRUE(pair.world.run_until([&] { return client.ready.has_value(); }, 60s));
    ASSERT_TRUE(*client.ready) << client.ready->error().detail;
    transfers(client, std::to_string(i));
    client.close();
    ASSERT_TRUE(pair.world.run_until([&] { return client.closed.has_value(); }, 60s));
    EXPECT_TRUE(*client.closed);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Networks, QuicOverBadNetworks,
    testing::Values(Scenario{"LossOf1", {.delay = 15ms, .loss = 0.01}},
                    Scenario{"LossOf5", {.delay = 15ms, .loss = 0.05}},
                    Scenario{"LossOf10", {.delay = 15ms, .loss = 0.1}},
                    Scenario{"Reordering", {.delay = 15ms, .reorder = 0.1, .reorder_by = 5ms}},
                    Scenario{"Duplicates", {.delay = 15ms, .duplicate = 0.1}},
                    Scenario{"LossAndReordering", {.delay = 15ms, .jitter = 5ms, .loss = 0.02, .reorder = 0.05}},
                    Scenario{"LongWay", {.delay = 375ms}},
                    Scenario{"SmallPackets", {.delay = 15ms, .mtu = 1280, .tells_too_big = false}},
                    Scenario{"SlowAndShallow", {.delay = 15ms, .rate = 10'000'000, .queue = 37'500}}),
    [](const auto& info) { return info.param.name; });

TEST_F(BadNetworks, TheNetworkIsGoneForAWhile) {
  link.set({.delay = 15ms, .rate = 10'000'000});
  pair.listen(quic());
  Talker& client = pair.dial_ready(quic());
  const std::string text = content('w');
  client.send(text);
  pair.world.run_for(200ms);
  link.block({.verdict = Verdict::drop});
  pair.world.run_for(5s);
  link.unblock();
  EXPECT_TRUE(pair.world.run_until([&] { return peer_with(text) != nullptr; }, 60s));
  EXPECT_FALSE(client.failed);
}

}  // namespace
}  // namespace trellis::tests
