// What links do to packets: rate, loss, order, doubling, filters, middleboxes.
#include "sim_fixture.h"

namespace trellis::simulation {
namespace {

/// A stream with one end that sends.
struct Transfer {
  explicit Transfer(const LinkConditions& conditions, std::uint64_t seed = 1) : net(conditions, seed) {
    client = connect_stream(net.client.loop(), net.to_server);
  }
  /// How long it takes until all bytes have arrived, unharmed.
  Duration run(std::size_t size, Duration limit = 1h) {
    const std::string text = pattern(size);
    client->send(text);
    client->finish();
    EXPECT_TRUE(net.world.run_until([&] { return !server.streams.empty() && server[0].ended_at.has_value(); }, limit));
    EXPECT_TRUE(!server.streams.empty() && server[0].received == text);
    EXPECT_FALSE(client->error);
    return net.world.elapsed();
  }
  TwoHosts net;
  StreamServer server{net.server.loop(), net.to_server};
  std::unique_ptr<StreamUser> client;
};

/// Sends numbered datagrams, one per millisecond; returns the numbers as they arrived.
std::vector<int> datagrams(TwoHosts& net, int count) {
  DatagramUser server(net.server.loop(), ip("10.0.0.2", 53));
  DatagramUser client(net.client.loop(), {}, ip("10.0.0.2", 53));
  for (int i = 0; i < count; ++i) {
    EXPECT_TRUE(client.send(std::to_string(i)));
    net.world.run_for(1ms);
  }
  EXPECT_TRUE(net.world.run_until_idle());
  std::vector<int> numbers;
  for (const auto& datagram : server.received) numbers.push_back(std::stoi(datagram.text));
  return numbers;
}

TEST(SimLink, ARateBoundsThroughput) {
  Transfer transfer({.delay = 10ms, .rate = 10'000'000});
  const double seconds = std::chrono::duration<double>(transfer.run(5'000'000)).count();
  EXPECT_GT(seconds, 4.1);  // 5 MB and their headers at 10 Mbit/s
  EXPECT_LT(seconds, 4.6);
}

TEST(SimLink, ARateDelaysADatagramByItsSize) {
  TwoHosts net({.delay = 10ms, .rate = 1'000'000});
  DatagramUser server(net.server.loop(), ip("10.0.0.2", 53));
  DatagramUser client(net.client.loop(), {}, ip("10.0.0.2", 53));
  ASSERT_TRUE(client.send(pattern(972)));  // 1000 bytes with headers: 8 ms
  ASSERT_TRUE(client.send(pattern(472)));  // 4 ms more
  EXPECT_EQ(net.link->forth().queued_bytes(), 1500u);
  EXPECT_TRUE(net.world.run_until_idle());
  ASSERT_EQ(server.received.size(), 2u);
  EXPECT_EQ(server.received[0].at, VirtualWorld::kStart + 18ms);
  EXPECT_EQ(server.received[1].at, VirtualWorld::kStart + 22ms);
}

TEST(SimLink, AFullQueueLosesPackets) {
  TwoHosts net({.delay = 1ms, .rate = 1'000'000, .queue = 5000});
  DatagramUser server(net.server.loop(), ip("10.0.0.2", 53));
  DatagramUser client(net.client.loop(), {}, ip("10.0.0.2", 53));
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(client.send(pattern(972)));
  EXPECT_TRUE(net.world.run_until_idle());
  EXPECT_EQ(server.received.size(), 5u);
  EXPECT_EQ(net.link->forth().lost(), 15u);
}

TEST(SimLink, AShortQueueOnlySlowsAStreamDown) {
  Transfer transfer({.delay = 20ms, .rate = 10'000'000, .queue = 20'000});
  const Duration took = transfer.run(2'000'000);
  EXPECT_GT(transfer.net.link->forth().lost(), 0u);
  EXPECT_LT(took, 20s);
}

TEST(SimLink, ConditionsChangeWhileThingsRun) {
  TwoHosts net({.delay = 10ms});
  DatagramUser server(net.server.loop(), ip("10.0.0.2", 53));
  DatagramUser client(net.client.loop(), {}, ip("10.0.0.2", 53));
  net.world.after(100ms, [&] { net.link->forth().conditions.delay = 70ms; });
  ASSERT_TRUE(client.send("fast"));
  net.world.run_for(200ms);
  ASSERT_TRUE(client.send("slow"));
  EXPECT_TRUE(net.world.run_until_idle());
  EXPECT_EQ(server.received[0].at, VirtualWorld::kStart + 10ms);
  EXPECT_EQ(server.received[1].at, VirtualWorld::kStart + 270ms);
}

TEST(SimLink, LossIsRandomSeededAndOfTheGivenShare) {
  const auto arrived = [](std::uint64_t seed) {
    TwoHosts net({.delay = 5ms, .loss = 0.3}, seed);
    return datagrams(net, 2000);
  };
  const auto once = arrived(7);
  EXPECT_EQ(once, arrived(7));
  EXPECT_NE(once, arrived(8));
  EXPECT_GT(once.size(), 1300u);
  EXPECT_LT(once.size(), 1500u);
  EXPECT_TRUE(std::ranges::is_sorted(once));
}

TEST(SimLink, ThePacketToLoseCanBeNamed) {
  TwoHosts net;
  net.link->forth().drop(2);
  net.link->forth().drop(4);
  EXPECT_EQ(datagrams(net, 5), (std::vector{0, 2, 4}));
}

TEST(SimLink, ALostSegmentIsRepeatedAndTheStreamStaysInOrder) {
  TwoHosts net;
  StreamServer server(net.server.loop(), net.to_server);
  const auto client = connect_stream(net.client.loop(), net.to_server);
  ASSERT_TRUE(net.world.run_until([&] { return server.streams.size() == 1; }));
  net.link->forth().drop(1);
  const TimePoint begun = net.world.now();
  client->send("lost at first");
  ASSERT_TRUE(net.world.run_until([&] { return !server[0].received.empty(); }));
  // Retransmission timer: a round trip of 50 ms and four times its variance of 25 ms, at least 200 ms; then the delay.
  EXPECT_EQ(net.world.now() - begun, 250ms + 25ms);
}

TEST(SimLink, SelectiveAcknowledgementsRepeatWithinARoundTrip) {
  TwoHosts net;
  StreamServer server(net.server.loop(), net.to_server);
  const auto client = connect_stream(net.client.loop(), net.to_server);
  ASSERT_TRUE(net.world.run_until([&] { return server.streams.size() == 1; }));
  net.link->forth().drop(1);
  const TimePoint begun = net.world.now();
  const std::string text = pattern(8 * 1460);
  client->send(text);
  ASSERT_TRUE(net.world.run_until([&] { return server[0].received.size() == text.size(); }));
  EXPECT_EQ(server[0].received, text);
  EXPECT_EQ(net.world.now() - begun, 75ms);
}

class LossyStream : public testing::TestWithParam<std::uint64_t> {};

TEST_P(LossyStream, DeliversEverythingInOrder) {
  Transfer transfer({.delay = 10ms, .jitter = 5ms, .loss = 0.1, .duplicate = 0.05, .reorder = 0.1}, GetParam());
  transfer.net.client.options.short_transfers = transfer.net.server.options.short_transfers = 0.3;
  transfer.run(200'000);
}

TEST_P(LossyStream, SurvivesThirtyPercentLossBothWays) {
  Transfer transfer({.delay = 5ms, .loss = 0.3}, GetParam());
  transfer.run(50'000, 10h);
}

INSTANTIATE_TEST_SUITE_P(Seeds, LossyStream, testing::Range<std::uint64_t>(1, 41));

TEST(SimLink, JitterKeepsTheOrder) {
  TwoHosts net({.delay = 10ms, .jitter = 50ms});
  const auto numbers = datagrams(net, 200);
  EXPECT_EQ(numbers.size(), 200u);
  EXPECT_TRUE(std::ranges::is_sorted(numbers));
}

TEST(SimLink, ReorderingLetsLaterPacketsOvertake) {
  TwoHosts net({.delay = 10ms, .reorder = 0.2, .reorder_by = 5ms});
  const auto numbers = datagrams(net, 200);
  EXPECT_EQ(numbers.size(), 200u);
  EXPECT_FALSE(std::ranges::is_sorted(numbers));
}

TEST(SimLink, DuplicatesArriveTwice) {
  TwoHosts net({.delay = 10ms, .duplicate = 0.5});
  const auto numbers = datagrams(net, 400);
  EXPECT_GT(numbers.size(), 540u);
  EXPECT_LT(numbers.size(), 660u);
}

TEST(SimLink, AFilterStopsOneProtocolOnly) {
  TwoHosts net;
  StreamServer server(net.server.loop(), net.to_server);
  net.link->block({.protocol = IPPROTO_UDP});
  EXPECT_TRUE(datagrams(net, 3).empty());
  const auto client = connect_stream(net.client.loop(), net.to_server);
  EXPECT_TRUE(net.world.run_until([&] { return client->connected_at.has_value(); }, 1s));
  net.link->unblock();
  net.link->block({.protocol = IPPROTO_TCP});
  EXPECT_EQ(datagrams(net, 3).size(), 3u);
}

TEST(SimLink, AFilterStopsOneFamilyOnly) {
  TwoHosts net;
  StreamServer four(net.server.loop(), ip("0.0.0.0", 80)), six(net.server.loop(), ip("::", 80));
  net.link->block({.family = Address::Family::ipv6});
  const auto over_six = connect_stream(net.client.loop(), ip("2001:db8::2", 80));
  const auto over_four = connect_stream(net.client.loop(), net.to_server);
  EXPECT_TRUE(net.world.run_until([&] { return over_four->connected_at.has_value(); }, 1s));
  EXPECT_FALSE(over_six->connected_at);
}

TEST(SimLink, AFilterStopsOneDirectionForAWhile) {
  TwoHosts net;
  net.link->forth().conditions.filters = {{.protocol = IPPROTO_UDP}};
  net.world.after(3ms, [&] { net.link->forth().conditions.filters.clear(); });
  EXPECT_EQ(datagrams(net, 6), (std::vector{3, 4, 5}));
}

TEST(SimLink, AFilterCanNameAPort) {
  TwoHosts net;
  DatagramUser one(net.server.loop(), ip("10.0.0.2", 1)), two(net.server.loop(), ip("10.0.0.2", 2));
  DatagramUser client(net.client.loop(), ip("0.0.0.0", 4000));
  net.link->block({.to = ip("10.0.0.2"), .port = 1});
  ASSERT_TRUE(client.send("x", ip("10.0.0.2", 1)));
  ASSERT_TRUE(client.send("y", ip("10.0.0.2", 2)));
  EXPECT_TRUE(net.world.run_until_idle());
  EXPECT_TRUE(one.received.empty());
  EXPECT_EQ(two.received.size(), 1u);
}

TEST(SimLink, RefusalAnswersForAPeerThatIsThere) {
  TwoHosts net;
  StreamServer server(net.server.loop(), net.to_server);
  DatagramUser datagram_server(net.server.loop(), ip("10.0.0.2", 53));
  net.link->block({.verdict = Verdict::refuse});
  DatagramUser client(net.client.loop(), {}, ip("10.0.0.2", 53));
  ASSERT_TRUE(client.send("x"));
  const auto stream = connect_stream(net.client.loop(), net.to_server);
  net.world.run_for(50ms);
  ASSERT_TRUE(stream->error.has_value());
  EXPECT_EQ(stream->error->code, static_cast<std::uint64_t>(ECONNREFUSED));
  ASSERT_EQ(client.errors.size(), 1u);
  EXPECT_EQ(client.errors[0].code, static_cast<std::uint64_t>(ECONNREFUSED));
  EXPECT_TRUE(datagram_server.received.empty());
}

TEST(SimLink, UnreachableEndsConnectingAndIsKeptFromDatagrams) {
  TwoHosts net;
  StreamServer server(net.server.loop(), net.to_server);
  net.link->block({.verdict = Verdict::unreachable});
  DatagramUser plain(net.client.loop(), {}, ip("10.0.0.2", 53)), curious(net.client.loop(), {}, ip("10.0.0.2", 53));
  ASSERT_TRUE(curious.socket->set(IPPROTO_IP, IP_RECVERR, option_value(int{1})));
  ASSERT_TRUE(plain.send("x"));
  ASSERT_TRUE(curious.send("x"));
  const auto stream = connect_stream(net.client.loop(), net.to_server);
  net.world.run_for(50ms);
  ASSERT_TRUE(stream->error.has_value());
  EXPECT_EQ(stream->error->code, static_cast<std::uint64_t>(EHOSTUNREACH));
  EXPECT_EQ(stream->error->reason, Reason::unreachable);
  EXPECT_TRUE(plain.errors.empty());
  ASSERT_EQ(curious.errors.size(), 1u);
  EXPECT_EQ(curious.errors[0].code, static_cast<std::uint64_t>(EHOSTUNREACH));
}

TEST(SimLink, AMiddleboxResetsARunningConnection) {
  TwoHosts net;
  StreamServer server(net.server.loop(), net.to_server);
  const auto client = connect_stream(net.client.loop(), net.to_server);
  client->send("fine");
  ASSERT_TRUE(net.world.run_until([&] { return !server.streams.empty() && server[0].received == "fine"; }));
  net.link->forth().conditions.filters = {{.verdict = Verdict::reset}};
  client->send("not fine");
  ASSERT_TRUE(net.world.run_until([&] { return client->error && server[0].error; }, 1s));
  EXPECT_EQ(client->error->reason, Reason::reset);
  EXPECT_EQ(server[0].error->reason, Reason::reset);
  EXPECT_EQ(server[0].received, "fine");
}

TEST(SimLink, AManInTheMiddleSeesAndChangesPackets) {
  TwoHosts net;
  DatagramUser server(net.server.loop(), ip("10.0.0.2", 53));
  DatagramUser client(net.client.loop(), {}, ip("10.0.0.2", 53));
  net.link->forth().tap = [](SimPacket& packet) {
    packet.payload[0] ^= std::byte{0x20};
    return Verdict::pass;
  };
  ASSERT_TRUE(client.send("abc"));
  EXPECT_TRUE(net.world.run_until_idle());
  EXPECT_EQ(server.received.at(0).text, "Abc");
}

TEST(SimLink, AnAttackerReplaysAndForges) {
  TwoHosts net;
  DatagramUser server(net.server.loop(), ip("10.0.0.2", 53));
  DatagramUser client(net.client.loop(), {}, ip("10.0.0.2", 53));
  SimPacket seen;
  net.link->forth().tap = [&](SimPacket& packet) {
    seen = packet;
    return Verdict::pass;
  };
  ASSERT_TRUE(client.send("pay once"));
  net.world.run_for(1ms);
  net.link->forth().inject(seen);
  seen.from = ip("10.0.0.77", 7);
  net.link->forth().inject(seen);
  EXPECT_TRUE(net.world.run_until_idle());
  ASSERT_EQ(server.received.size(), 3u);
  EXPECT_EQ(server.received[1].text, "pay once");
  EXPECT_EQ(server.received[1].from, client.socket->local());
  EXPECT_EQ(server.received[2].from, ip("10.0.0.77", 7));
}

TEST(SimLink, AnAttackerWhoSeesTheStreamCanResetIt) {
  TwoHosts net;
  StreamServer server(net.server.loop(), net.to_server);
  const auto client = connect_stream(net.client.loop(), net.to_server);
  SimPacket seen;
  net.link->forth().tap = [&](SimPacket& packet) {
    seen = packet;
    return Verdict::pass;
  };
  client->send("hello");
  ASSERT_TRUE(net.world.run_until([&] { return !server.streams.empty() && server[0].received == "hello"; }));
  const auto forge = [&](std::uint64_t seq) {
    SimPacket reset = seen;
    reset.payload.clear();
    reset.tcp = {.seq = seq, .rst = true};
    net.link->forth().inject(reset);
    net.world.run_for(1s);
  };
  forge(seen.tcp.seq + 1'000'000);  // beyond the window
  forge(seen.tcp.seq + 100);        // within it, but not exact: challenged
  EXPECT_FALSE(server[0].error);
  forge(seen.tcp.seq + 5);
  ASSERT_TRUE(server[0].error.has_value());
  EXPECT_EQ(server[0].error->reason, Reason::reset);
}

}  // namespace
}  // namespace trellis::simulation
