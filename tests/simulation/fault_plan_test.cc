// Injected faults and replay: what the conformance kit builds on.
#include "sim_fixture.h"

namespace trellis::simulation {
namespace {

/// A small exchange; true when it ended well.
struct Exchange {
  explicit Exchange(std::uint64_t seed, const LinkConditions& conditions = {.delay = 5ms, .jitter = 1ms, .loss = 0.05})
      : net(conditions, seed) {}
  void run() {
    auto listener = net.server.loop().sockets().open(
        {.role = SocketSpec::Role::listen, .family = Address::Family::ipv4, .local = net.to_server});
    if (!listener || !(*listener)->listen(4)) return;
    auto opened = net.client.loop().sockets().open({});
    if (!opened) return;
    if (!(*opened)->connect(net.to_server)) return;
    finished = net.world.run_until([&] { return talk(**listener, **opened); }, 30s);
  }
  bool talk(Socket& listener, Socket& client) {
    if (!accepted) {
      auto taken = listener.accept();
      if (taken) accepted = std::move(taken->socket);
    }
    if (failed) return true;
    auto connected = client.connected();
    if (!connected) return failed = true;
    if (*connected && !sent) {
      Batch out;
      out.add(Chunk{slice_of(net.client.loop(), pattern(5000))});
      auto io = client.send(out);
      if (!io || io->blocked) return failed = !io;
      sent = true;
      if (!client.finish()) return failed = true;
    }
    if (!accepted) return false;
    Batch in;
    auto io = accepted->receive(in, 100'000);
    if (!io) return failed = true;
    received += in.bytes();
    return io->end;
  }
  TwoHosts net;
  std::unique_ptr<Socket> accepted;
  bool sent = false, failed = false, finished = false;
  std::size_t received = 0;
  ~Exchange() { accepted.reset(); }
};

TEST(FaultPlan, CountsCallsAndFailsTheNth) {
  TwoHosts net;
  FaultPlan& faults = net.network.faults();
  faults.fail(SocketCall::open, 2, EMFILE);
  EXPECT_TRUE(net.client.loop().sockets().open({}));
  auto second = net.client.loop().sockets().open({});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().reason, Reason::exhausted);
  EXPECT_TRUE(net.client.loop().sockets().open({}));
  EXPECT_EQ(faults.calls(), 3u);
  EXPECT_EQ(faults.calls(SocketCall::open), 3u);
  EXPECT_EQ(faults.calls(SocketCall::open, "client"), 3u);
  EXPECT_EQ(faults.calls(SocketCall::open, "server"), 0u);
  EXPECT_EQ(faults.injected(), 1u);
}

TEST(FaultPlan, CanMeanOneHostOnly) {
  TwoHosts net;
  net.network.faults().fail(SocketCall::open, 1, ENOBUFS, "server");
  EXPECT_TRUE(net.client.loop().sockets().open({}));
  EXPECT_FALSE(net.server.loop().sockets().open({}));
  EXPECT_TRUE(net.server.loop().sockets().open({}));
}

TEST(FaultPlan, CanMeanEveryCallOrTheNthOfAnyKind) {
  TwoHosts net;
  net.network.faults().fail(SocketCall::watch, FaultPlan::kEvery, ENOMEM);
  net.network.faults().fail(3, EPERM);
  struct Deaf final : SocketEvents {
    void on_ready(Socket&, Ready) noexcept override {}
  } deaf;
  auto socket = *net.client.loop().sockets().open({});
  EXPECT_EQ(socket->watch(deaf, Ready::none).error().reason, Reason::exhausted);
  EXPECT_EQ(socket->set(SOL_SOCKET, SO_KEEPALIVE, option_value(int{1})).error().reason, Reason::prohibited);
  EXPECT_TRUE(socket->set(SOL_SOCKET, SO_KEEPALIVE, option_value(int{1})));
  net.network.faults().clear();
  EXPECT_TRUE(socket->watch(deaf, Ready::none));
}

TEST(FaultPlan, AgainIsBlockedAndNotAnError) {
  TwoHosts net;
  StreamServer server(net.server.loop(), net.to_server);
  const auto client = connect_stream(net.client.loop(), net.to_server);
  net.world.run_for(100ms);
  net.network.faults().fail(SocketCall::send, 1, EAGAIN);
  Batch out;
  out.add(Chunk{slice_of(net.client.loop(), "x")});
  auto io = client->socket->send(out);
  ASSERT_TRUE(io.has_value());
  EXPECT_TRUE(io->blocked);
  EXPECT_EQ(out.bytes(), 1u);
  EXPECT_EQ(client->socket->send(out)->bytes, 1u);
}

TEST(FaultPlan, EveryPositionOfAnExchangeCanBeMadeToFail) {
  std::uint64_t calls = 0;
  {
    Exchange exchange(1);
    exchange.run();
    ASSERT_TRUE(exchange.finished);
    EXPECT_EQ(exchange.received, 5000u);
    calls = exchange.net.network.faults().calls();
  }
  ASSERT_GT(calls, 10u);
  for (std::uint64_t nth = 1; nth <= calls; ++nth) {
    Exchange exchange(1);
    exchange.net.network.faults().fail(nth, ECONNABORTED);
    exchange.run();
    EXPECT_EQ(exchange.net.network.faults().injected(), 1u) << nth;
  }
}

TEST(Replay, TheSameSeedGivesTheSameDigestAndAnotherSeedAnother) {
  const auto digest = [](std::uint64_t seed) {
    Exchange exchange(seed);
    exchange.run();
    EXPECT_TRUE(exchange.finished);
    exchange.accepted.reset();
    exchange.net.world.run_for(10s);
    return std::tuple(exchange.net.world.digest(), exchange.net.world.payload_digest(), exchange.net.world.events());
  };
  std::set<std::uint64_t> different;
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    const auto once = digest(seed);
    EXPECT_EQ(once, digest(seed)) << seed;
    different.insert(std::get<0>(once));
  }
  EXPECT_EQ(different.size(), 50u);
}

TEST(Replay, TheEventLogReadsLikeATimeline) {
  TwoHosts net;
  std::vector<std::string> lines;
  net.world.observe([&](const TraceEvent& event) {
    if (event.from) lines.push_back(to_string(event, VirtualWorld::kStart));
  });
  DatagramUser client(net.client.loop(), ip("10.0.0.1", 4000), ip("10.0.0.2", 53));
  ASSERT_TRUE(client.send("hello"));
  EXPECT_TRUE(net.world.run_until_idle());
  EXPECT_EQ(lines,
            (std::vector<std::string>{"+0.000000000 client.eth0>server.eth0 udp 10.0.0.1:4000 > 10.0.0.2:53 33",
                                      "+0.025000000 server rx 10.0.0.1:4000 > 10.0.0.2:53 33",
                                      "+0.025000000 server refused 10.0.0.1:4000 > 10.0.0.2:53 33",
                                      "+0.025000000 server.eth0>client.eth0 icmp refused 10.0.0.2:0 > 10.0.0.1:0 28",
                                      "+0.050000000 client rx 10.0.0.2:0 > 10.0.0.1:0 28"}));
}

TEST(Replay, TenHoursWithAnIdleConnectionTakeNoTime) {
  TwoHosts net;
  StreamServer server(net.server.loop(), net.to_server);
  const auto client = connect_stream(net.client.loop(), net.to_server);
  ASSERT_TRUE(net.world.run_until([&] { return server.streams.size() == 1; }));
  ASSERT_TRUE(client->socket->set(SOL_SOCKET, SO_KEEPALIVE, option_value(int{1})));
  ASSERT_TRUE(client->socket->set(IPPROTO_TCP, TCP_KEEPIDLE, option_value(int{30})));
  const auto begun = std::chrono::steady_clock::now();
  net.world.run_for(10h);
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 1s);
  EXPECT_GT(net.link->forth().packets(), 1000u);  // probes
  EXPECT_FALSE(client->error);
}

}  // namespace
}  // namespace trellis::simulation
