// Streams in worlds that the seed makes up: whatever a link does, what arrives is what was sent, and then all is quiet.
#include "sim_fixture.h"

namespace trellis::simulation {
namespace {

LinkConditions weather(SeededRandom& random) {
  LinkConditions conditions{.delay = random.up_to(100ms), .jitter = random.up_to(20ms)};
  if (random.chance(0.5)) {
    conditions.rate = 500'000 + random.below(50'000'000);
    conditions.queue = 5'000 + random.below(200'000);
  }
  if (random.chance(0.5)) conditions.loss = static_cast<double>(random.below(30)) / 100;
  conditions.duplicate = static_cast<double>(random.below(10)) / 100;
  conditions.reorder = static_cast<double>(random.below(30)) / 100;
  conditions.reorder_by = random.up_to(50ms);
  conditions.mtu = 576 + static_cast<std::uint32_t>(random.below(1000));
  return conditions;
}

class RandomWorld : public testing::TestWithParam<std::uint64_t> {};

TEST_P(RandomWorld, BothDirectionsArriveWholeAndThenAllIsQuiet) {
  SeededRandom random = SeededRandom(GetParam()).fork("weather");
  TwoHosts net(weather(random), GetParam());
  for (SimHost* host : {&net.client, &net.server}) {
    host->options.short_transfers = random.chance(0.5) ? 0.5 : 0;
    host->options.send_buffer = 2'000 + random.below(100'000);
    host->options.receive_buffer = 2'000 + random.below(100'000);
  }
  StreamServer server(net.server.loop(), net.to_server);
  const auto client = connect_stream(net.client.loop(), net.to_server);
  const std::string request = pattern(random.below(100'000)), answer = pattern(random.below(100'000));
  client->send(request);
  client->finish();
  ASSERT_TRUE(net.world.run_until([&] { return !server.streams.empty(); }));
  server[0].send(answer);
  server[0].finish();
  ASSERT_TRUE(net.world.run_until([&] { return client->ended_at && server[0].ended_at; }, 24h));
  EXPECT_EQ(server[0].received, request);
  EXPECT_EQ(client->received, answer);
  EXPECT_TRUE(net.world.run_until_idle(24h));
  EXPECT_FALSE(client->error);
  EXPECT_FALSE(server[0].error);
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomWorld, testing::Range<std::uint64_t>(1, 101));

}  // namespace
}  // namespace trellis::simulation
