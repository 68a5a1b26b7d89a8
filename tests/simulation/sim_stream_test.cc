// Streams over a simulated network: handshake, data, ends, failures.
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "sim_fixture.h"

namespace trellis::simulation {
namespace {

TEST(SimStream, AHandshakeTakesARoundTrip) {
  TwoHosts net;
  StreamServer server(net.server.loop(), net.to_server);
  const auto client = connect_stream(net.client.loop(), net.to_server);
  EXPECT_FALSE(*client->socket->connected());
  ASSERT_TRUE(net.world.run_until([&] { return client->connected_at.has_value(); }));
  EXPECT_EQ(net.world.elapsed(), 50ms);
  ASSERT_TRUE(net.world.run_until([&] { return server.streams.size() == 1; }));
  EXPECT_EQ(net.world.elapsed(), 75ms);
  EXPECT_EQ(server.peers[0], client->socket->local());
  EXPECT_EQ(client->socket->remote(), net.to_server);
  EXPECT_EQ(server[0].socket->local(), net.to_server);
  EXPECT_TRUE(same_ip(client->socket->local(), ip("10.0.0.1")));
  EXPECT_GE(client->socket->local().port, SimPorts::kFirstEphemeral);
}

TEST(SimStream, WorksOverIpv6) {
  TwoHosts net;
  StreamServer server(net.server.loop(), ip("::", 80));
  const auto client = connect_stream(net.client.loop(), ip("2001:db8::2", 80));
  client->send("hello");
  ASSERT_TRUE(net.world.run_until([&] { return !server.streams.empty() && server[0].received == "hello"; }));
  EXPECT_TRUE(same_ip(server.peers[0], ip("2001:db8::1")));
}

TEST(SimStream, AWildcardOfOneFamilyDoesNotServeTheOther) {
  TwoHosts net;
  StreamServer server(net.server.loop(), ip("::", 80));
  const auto client = connect_stream(net.client.loop(), net.to_server);
  ASSERT_TRUE(net.world.run_until([&] { return client->error.has_value(); }));
  EXPECT_EQ(client->error->code, static_cast<std::uint64_t>(ECONNREFUSED));
}

TEST(SimStream, DataArrivesInOrderAfterTheDelay) {
  TwoHosts net;
  StreamServer server(net.server.loop(), net.to_server);
  const auto client = connect_stream(net.client.loop(), net.to_server);
  client->send("one ");
  client->send("two");
  ASSERT_TRUE(net.world.run_until([&] { return !server.streams.empty() && server[0].received == "one two"; }));
  // Accepted in one turn, read in the next.
  EXPECT_EQ(server[0].first_byte_at, VirtualWorld::kStart + 75ms + VirtualWorld::kTurnTime);
  net.world.run_for(25ms - VirtualWorld::kTurnTime);
  server[0].send("three");
  ASSERT_TRUE(net.world.run_until([&] { return client->received == "three"; }));
  EXPECT_EQ(net.world.elapsed(), 125ms);
}

TEST(SimStream, LoopbackNeedsNoLink) {
  TwoHosts net;
  StreamServer server(net.server.loop(), ip("127.0.0.1", 80));
  const auto client = connect_stream(net.server.loop(), ip("127.0.0.1", 80));
  client->send("here");
  ASSERT_TRUE(net.world.run_until([&] { return !server.streams.empty() && server[0].received == "here"; }));
  EXPECT_LT(net.world.elapsed(), 1ms);
  EXPECT_EQ(net.link->forth().packets() + net.link->back().packets(), 0u);
}

TEST(SimStream, NobodyListensMeansRefusedAfterARoundTrip) {
  TwoHosts net;
  const auto client = connect_stream(net.client.loop(), net.to_server);
  ASSERT_TRUE(net.world.run_until([&] { return client->error.has_value(); }));
  EXPECT_EQ(net.world.elapsed(), 50ms);
  EXPECT_EQ(client->error->reason, Reason::unreachable);
  EXPECT_EQ(client->error->code, static_cast<std::uint64_t>(ECONNREFUSED));
  EXPECT_EQ(client->error->detail, "connect to 10.0.0.2:80: Connection refused");
  // What ended it is told ever after.
  EXPECT_EQ(client->socket->connected().error().code, static_cast<std::uint64_t>(ECONNREFUSED));
  Batch nothing;
  EXPECT_EQ(client->socket->receive(nothing, 100).error().code, static_cast<std::uint64_t>(ECONNREFUSED));
}

TEST(SimStream, ABlackHoleIsRetriedAfter1And3And7SecondsAndFailsAfter127) {
  TwoHosts net;
  net.link->block({});
  std::vector<Duration> syns;
  net.world.observe([&](const TraceEvent& event) {
    if (event.what == "syn") syns.push_back(event.at - VirtualWorld::kStart);
  });
  const auto client = connect_stream(net.client.loop(), net.to_server);
  ASSERT_TRUE(net.world.run_until([&] { return client->error.has_value(); }));
  EXPECT_EQ(syns, (std::vector<Duration>{0s, 1s, 3s, 7s, 15s, 31s, 63s}));
  EXPECT_EQ(net.world.elapsed(), 127s);
  EXPECT_EQ(client->error->reason, Reason::timed_out);
  EXPECT_TRUE(net.world.run_until_idle());
}

TEST(SimStream, ALostSynCostsASecond) {
  TwoHosts net;
  StreamServer server(net.server.loop(), net.to_server);
  net.link->forth().drop(1);
  const auto client = connect_stream(net.client.loop(), net.to_server);
  ASSERT_TRUE(net.world.run_until([&] { return client->connected_at.has_value(); }));
  EXPECT_EQ(net.world.elapsed(), 1050ms);
}

TEST(SimStream, ALostSynAckCostsASecond) {
  TwoHosts net;
  StreamServer server(net.server.loop(), net.to_server);
  net.link->back().drop(1);
  const auto client = connect_stream(net.client.loop(), net.to_server);
  client->send("x");
  ASSERT_TRUE(net.world.run_until([&] { return !server.streams.empty() && server[0].received == "x"; }));
  EXPECT_EQ(client->connected_at, VirtualWorld::kStart + 1050ms);
}

TEST(SimStream, UserTimeoutAndSynCountEndConnectingEarlier) {
  TwoHosts net;
  net.link->block({});
  const auto limited = [&](int option, int value) {
    auto socket = *net.client.loop().sockets().open({});
    EXPECT_TRUE(socket->set(IPPROTO_TCP, option, option_value(value)));
    EXPECT_FALSE(*socket->connect(net.to_server));
    const auto client = std::make_unique<StreamUser>(net.client.loop(), std::move(socket));
    const TimePoint begun = net.world.now();
    EXPECT_TRUE(net.world.run_until([&] { return client->error.has_value(); }));
    EXPECT_EQ(client->error->reason, Reason::timed_out);
    return net.world.now() - begun;
  };
  EXPECT_EQ(limited(TCP_USER_TIMEOUT, 4500), 4500ms);
  EXPECT_EQ(limited(TCP_SYNCNT, 2), 7s);
}

TEST(SimStream, NoRouteFailsAtOnce) {
  TwoHosts net;
  auto socket = *net.client.loop().sockets().open({});
  auto started = socket->connect(ip("192.0.2.1", 80));
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().reason, Reason::unreachable);
  EXPECT_EQ(started.error().code, static_cast<std::uint64_t>(ENETUNREACH));
}

TEST(SimStream, HalfCloseKeepsTheOtherDirection) {
  TwoHosts net;
  StreamServer server(net.server.loop(), net.to_server);
  const auto client = connect_stream(net.client.loop(), net.to_server);
  client->send("request");
  client->finish();
  ASSERT_TRUE(net.world.run_until([&] { return !server.streams.empty() && server[0].ended_at.has_value(); }));
  EXPECT_EQ(server[0].received, "request");
  EXPECT_FALSE(client->ended_at);
  server[0].send("answer");
  server[0].finish();
  ASSERT_TRUE(net.world.run_until([&] { return client->ended_at.has_value(); }));
  EXPECT_EQ(client->received, "answer");
  EXPECT_TRUE(net.world.run_until_idle());
  EXPECT_FALSE(client->error);
  EXPECT_FALSE(server[0].error);
  Batch more;
  more.add(Chunk{slice_of(net.client.loop(), "late")});
  EXPECT_EQ(client->socket->send(more).error().code, static_cast<std::uint64_t>(EPIPE));
}

TEST(SimStream, DestroyingASocketEndsTheStreamWell) {
  TwoHosts net;
  StreamServer server(net.server.loop(), net.to_server);
  auto client = connect_stream(net.client.loop(), net.to_server);
  ASSERT_TRUE(net.world.run_until([&] { return client->connected_at.has_value(); }));
  const std::string text = pattern(200'000);
  client->send(text);
  EXPECT_EQ(client->unsent(), 0u);
  client.reset();  // the kernel sends the rest
  ASSERT_TRUE(net.world.run_until([&] { return !server.streams.empty() && server[0].ended_at.has_value(); }));
  EXPECT_EQ(server[0].received, text);
  server.streams.clear();
  EXPECT_TRUE(net.world.run_until_idle());  // TIME_WAIT keeps nothing awake
  EXPECT_EQ(net.server.tcp().connections(), 0u);
  EXPECT_EQ(net.client.tcp().connections(), 1u);
  net.world.run_for(61s);
  const auto next = connect_stream(net.client.loop(), net.to_server);
  EXPECT_EQ(net.client.tcp().connections(), 1u);  // the old one has gone, the new one is there
}

TEST(SimStream, ClosingWithUnreadDataResetsThePeer) {
  TwoHosts net;
  StreamServer server(net.server.loop(), net.to_server);
  const auto client = connect_stream(net.client.loop(), net.to_server);
  ASSERT_TRUE(net.world.run_until([&] { return server.streams.size() == 1; }));
  server[0].read(false);
  client->send("never read");
  net.world.run_for(100ms);
  server.streams.clear();
  ASSERT_TRUE(net.world.run_until([&] { return client->error.has_value(); }));
  EXPECT_EQ(client->error->reason, Reason::reset);
  EXPECT_EQ(client->error->code, static_cast<std::uint64_t>(ECONNRESET));
}

TEST(SimStream, DataForAClosedSocketIsAnsweredWithReset) {
  TwoHosts net;
  StreamServer server(net.server.loop(), net.to_server);
  const auto client = connect_stream(net.client.loop(), net.to_server);
  ASSERT_TRUE(net.world.run_until([&] { return server.streams.size() == 1; }));
  server.streams.clear();
  ASSERT_TRUE(net.world.run_until([&] { return client->ended_at.has_value(); }));  // a clean end so far
  client->send("anybody there?");
  EXPECT_FALSE(client->error);  // taken, as a kernel does
  net.world.run_for(100ms);
  client->send("hello?");
  ASSERT_TRUE(client->error.has_value());
  EXPECT_EQ(client->error->reason, Reason::reset);
}

TEST(SimStream, ResetEndsAbruptlyButWhatArrivedCanBeRead) {
  TwoHosts net;
  StreamServer server(net.server.loop(), net.to_server);
  auto client = connect_stream(net.client.loop(), net.to_server);
  ASSERT_TRUE(net.world.run_until([&] { return server.streams.size() == 1; }));
  server[0].read(false);
  client->send("last words");
  net.world.run_for(100ms);
  client->socket->reset();
  client.reset();
  ASSERT_TRUE(net.world.run_until([&] { return server[0].error.has_value(); }));
  EXPECT_EQ(server[0].error->code, static_cast<std::uint64_t>(ECONNRESET));
  EXPECT_EQ(server[0].received, "last words");  // the user reads when it is told of the failure
  EXPECT_TRUE(net.world.run_until_idle());
}

TEST(SimStream, AnErrorIsToldOnceToThoseWhoWaitForNothing) {
  struct Watcher final : SocketEvents {
    void on_ready(Socket&, Ready what) noexcept override { told.push_back(what); }
    std::vector<Ready> told;
  };
  TwoHosts net;
  StreamServer server(net.server.loop(), net.to_server);
  auto client = connect_stream(net.client.loop(), net.to_server);
  ASSERT_TRUE(net.world.run_until([&] { return server.streams.size() == 1; }));
  Watcher watcher;
  ASSERT_TRUE(server[0].socket->watch(watcher, Ready::none));
  client->socket->reset();
  client.reset();
  EXPECT_TRUE(net.world.run_until_idle());
  EXPECT_EQ(watcher.told, std::vector{Ready::failed});
  ASSERT_TRUE(server[0].socket->watch(watcher, Ready::readable));
  net.world.run_for(1ms);
  EXPECT_GT(watcher.told.size(), 100u);  // a level: as long as it is wanted and nobody reads
  EXPECT_EQ(watcher.told.back(), Ready::readable);
}

TEST(SimStream, ReadinessIsALevel) {
  TwoHosts net;
  StreamServer server(net.server.loop(), net.to_server);
  const auto client = connect_stream(net.client.loop(), net.to_server);
  ASSERT_TRUE(net.world.run_until([&] { return server.streams.size() == 1; }));
  server[0].read_most = 1;
  client->send("abcdef");
  ASSERT_TRUE(net.world.run_until([&] { return server[0].received == "abcdef"; }));
  EXPECT_EQ(server[0].pieces, 6u);
  EXPECT_TRUE(net.world.run_until_idle());
}

TEST(SimStream, NothingIsToldInsideACall) {
  TwoHosts net;
  StreamServer server(net.server.loop(), ip("127.0.0.1", 80));
  const auto client = connect_stream(net.server.loop(), ip("127.0.0.1", 80));
  ASSERT_TRUE(net.world.run_until([&] { return server.streams.size() == 1; }));
  const std::size_t told = server[0].told;
  client->send("x");
  EXPECT_EQ(server[0].told, told);
  EXPECT_TRUE(net.world.run_until_idle());
  EXPECT_GT(server[0].told, told);
}

TEST(SimStream, APeerThatDoesNotReadBlocksTheSenderAndMemoryIsBounded) {
  TwoHosts net;
  net.client.options.send_buffer = 64 * 1024;
  net.server.options.receive_buffer = 32 * 1024;
  StreamServer server(net.server.loop(), net.to_server);
  const auto client = connect_stream(net.client.loop(), net.to_server);
  ASSERT_TRUE(net.world.run_until([&] { return server.streams.size() == 1; }));
  server[0].read(false);
  const std::string text = pattern(1'000'000);
  client->send(text);
  net.world.run_for(10s);
  const std::size_t taken = text.size() - client->unsent();
  EXPECT_LE(taken, 96u * 1024);  // both buffers, and not a byte more
  EXPECT_GE(taken, 75u * 1024);  // less than a third of the send buffer is free, or there would be room
  net.world.run_for(10min);      // zero-window probes keep it alive
  EXPECT_FALSE(client->error);
  server[0].read(true);
  ASSERT_TRUE(net.world.run_until([&] { return server[0].received.size() == text.size(); }));
  EXPECT_EQ(server[0].received, text);
  client->finish();
  ASSERT_TRUE(net.world.run_until([&] { return server[0].ended_at.has_value(); }));
  server[0].finish();
  EXPECT_TRUE(net.world.run_until_idle());
}

TEST(SimStream, ALostWindowUpdateIsFoundByAProbe) {
  TwoHosts net;
  net.server.options.receive_buffer = 16 * 1024;
  StreamServer server(net.server.loop(), net.to_server);
  const auto client = connect_stream(net.client.loop(), net.to_server);
  ASSERT_TRUE(net.world.run_until([&] { return server.streams.size() == 1; }));
  server[0].read(false);
  client->send(pattern(100'000));
  net.world.run_for(1s);
  net.link->back().conditions.filters = {{}};
  server[0].read(true);
  net.world.run_for(1ms);  // the updates are lost
  net.link->unblock();
  ASSERT_TRUE(net.world.run_until([&] { return server[0].received.size() == 100'000; }, 10s));
}

TEST(SimStream, ABufferOptionLimitsWhatIsTaken) {
  TwoHosts net;
  net.link->back().conditions.delay = 10s;  // no acknowledgement for a while
  StreamServer server(net.server.loop(), net.to_server);
  auto client = connect_stream(net.client.loop(), net.to_server);
  ASSERT_TRUE(net.world.run_until([&] { return client->connected_at.has_value(); }));
  ASSERT_TRUE(client->socket->set(SOL_SOCKET, SO_SNDBUF, option_value(int{8192})));
  client->send(pattern(100'000));
  EXPECT_EQ(client->unsent(), 100'000u - 8192u);
}

TEST(SimStream, SmallPiecesWaitForAcknowledgementsUnlessNoDelay) {
  const auto arrival_of_second = [](int no_delay) {
    TwoHosts net;
    StreamServer server(net.server.loop(), net.to_server);
    const auto client = connect_stream(net.client.loop(), net.to_server);
    EXPECT_TRUE(client->socket->set(IPPROTO_TCP, TCP_NODELAY, option_value(no_delay)));
    EXPECT_TRUE(net.world.run_until([&] { return server.streams.size() == 1; }));
    const TimePoint begun = net.world.now();
    client->send("a");
    client->send("b");
    EXPECT_TRUE(net.world.run_until([&] { return server[0].received == "ab"; }));
    return net.world.now() - begun;
  };
  EXPECT_EQ(arrival_of_second(1), 25ms);
  EXPECT_EQ(arrival_of_second(0), 75ms);
}

TEST(SimStream, TheBacklogIsBounded) {
  TwoHosts net;
  auto listener = *net.server.loop().sockets().open(
      {.role = SocketSpec::Role::listen, .family = Address::Family::ipv4, .local = net.to_server});
  ASSERT_TRUE(listener->listen(2));
  std::vector<std::unique_ptr<StreamUser>> clients;
  for (int i = 0; i < 10; ++i) clients.push_back(connect_stream(net.client.loop(), net.to_server));
  net.world.run_for(500ms);
  EXPECT_EQ(std::ranges::count_if(clients, [](const auto& c) { return c->connected_at.has_value(); }), 3);
  for (int i = 0; i < 3; ++i) EXPECT_NE(listener->accept()->socket, nullptr);
  EXPECT_EQ(listener->accept()->socket, nullptr);
  net.world.run_for(1s);  // a second later the SYNs come again
  EXPECT_EQ(std::ranges::count_if(clients, [](const auto& c) { return c->connected_at.has_value(); }), 6);
}

TEST(SimStream, ClosingAListenerResetsWhoWaits) {
  TwoHosts net;
  auto server = std::make_unique<StreamServer>(net.server.loop(), net.to_server);
  ASSERT_TRUE(server->socket->watch(*server, Ready::none));  // accepts nobody
  const auto client = connect_stream(net.client.loop(), net.to_server);
  ASSERT_TRUE(net.world.run_until([&] { return client->connected_at.has_value(); }));
  net.world.run_for(100ms);
  server.reset();
  ASSERT_TRUE(net.world.run_until([&] { return client->error.has_value(); }));
  EXPECT_EQ(client->error->reason, Reason::reset);
}

TEST(SimStream, AConnectionThatWasResetBeforeAcceptIsAcceptedAndThenFails) {
  TwoHosts net;
  auto listener = *net.server.loop().sockets().open(
      {.role = SocketSpec::Role::listen, .family = Address::Family::ipv4, .local = net.to_server});
  ASSERT_TRUE(listener->listen(2));
  auto client = connect_stream(net.client.loop(), net.to_server);
  net.world.run_for(100ms);
  client->socket->reset();
  client.reset();
  net.world.run_for(100ms);
  auto accepted = *listener->accept();
  ASSERT_NE(accepted.socket, nullptr);
  Batch in;
  EXPECT_EQ(accepted.socket->receive(in, 10).error().code, static_cast<std::uint64_t>(ECONNRESET));
}

TEST(SimStream, HalfOpenConnectionsAreGivenUpAfterSixtyThreeSeconds) {
  TwoHosts net;
  StreamServer server(net.server.loop(), net.to_server, 0);
  net.link->back().conditions.filters = {{}};  // no SYN-ACK gets through
  std::vector<Duration> answers;
  net.world.observe([&](const TraceEvent& event) {
    if (event.what == "syn-ack") answers.push_back(event.at - VirtualWorld::kStart);
  });
  auto client = connect_stream(net.client.loop(), net.to_server);
  net.world.run_for(100ms);
  client.reset();  // says nothing
  const auto other = connect_stream(net.client.loop(), net.to_server);
  EXPECT_FALSE(net.world.run_until([&] { return server.streams.size() == 1; }, 62s));
  EXPECT_EQ(answers, (std::vector<Duration>{25ms, 1025ms, 3025ms, 7025ms, 15025ms, 31025ms}));
  net.link->unblock();  // no room for the other before the first is given up
  EXPECT_TRUE(net.world.run_until([&] { return server.streams.size() == 1; }, 5s));
}

TEST(SimStream, BothEndsMayFinishAtOnce) {
  TwoHosts net;
  StreamServer server(net.server.loop(), net.to_server);
  const auto client = connect_stream(net.client.loop(), net.to_server);
  ASSERT_TRUE(net.world.run_until([&] { return server.streams.size() == 1; }));
  client->send("mine");
  client->finish();
  server[0].send("yours");
  server[0].finish();
  ASSERT_TRUE(net.world.run_until([&] { return client->ended_at && server[0].ended_at; }, 1s));
  EXPECT_EQ(client->received, "yours");
  EXPECT_EQ(server[0].received, "mine");
  EXPECT_TRUE(net.world.run_until_idle());
  EXPECT_FALSE(client->error);
  EXPECT_FALSE(server[0].error);
}

TEST(SimStream, SharedPortsSpreadByASeededHash) {
  const auto spread = [](std::uint64_t seed) {
    TwoHosts net({.delay = 1ms}, seed);
    StreamServer first(net.server.loop(), net.to_server, 100, true),
        second(net.server.loop(), net.to_server, 100, true);
    std::vector<std::unique_ptr<StreamUser>> clients;
    for (int i = 0; i < 60; ++i) clients.push_back(connect_stream(net.client.loop(), net.to_server));
    net.world.run_for(1s);
    EXPECT_EQ(first.streams.size() + second.streams.size(), 60u);
    return first.streams.size();
  };
  const std::size_t once = spread(5);
  EXPECT_EQ(once, spread(5));
  EXPECT_GT(once, 15u);
  EXPECT_LT(once, 45u);
}

TEST(SimStream, APortIsTakenOnlyOnceUnlessShared) {
  TwoHosts net;
  StreamServer server(net.server.loop(), net.to_server);
  auto again = net.server.loop().sockets().open(
      {.role = SocketSpec::Role::listen, .family = Address::Family::ipv4, .local = net.to_server});
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, static_cast<std::uint64_t>(EADDRINUSE));
  auto foreign = net.server.loop().sockets().open(
      {.role = SocketSpec::Role::listen, .family = Address::Family::ipv4, .local = ip("10.9.9.9", 80)});
  ASSERT_FALSE(foreign);
  EXPECT_EQ(foreign.error().reason, Reason::unreachable);
}

TEST(SimStream, AVanishedPeerIsFoundByTheUserTimeout) {
  TwoHosts net;
  StreamServer server(net.server.loop(), net.to_server);
  const auto client = connect_stream(net.client.loop(), net.to_server);
  ASSERT_TRUE(net.world.run_until([&] { return server.streams.size() == 1; }));
  ASSERT_TRUE(client->socket->set(IPPROTO_TCP, TCP_USER_TIMEOUT, option_value(int{3000})));
  net.link->block({});
  const TimePoint begun = net.world.now();
  client->send("into the void");
  ASSERT_TRUE(net.world.run_until([&] { return client->error.has_value(); }));
  EXPECT_EQ(client->error->reason, Reason::timed_out);
  EXPECT_EQ(net.world.now() - begun, 3s);
}

TEST(SimStream, WithoutItAVanishedPeerIsFoundAfterFifteenRetries) {
  TwoHosts net;
  StreamServer server(net.server.loop(), net.to_server);
  const auto client = connect_stream(net.client.loop(), net.to_server);
  ASSERT_TRUE(net.world.run_until([&] { return server.streams.size() == 1; }));
  net.link->block({});
  client->send("into the void");
  const TimePoint begun = net.world.now();
  ASSERT_TRUE(net.world.run_until([&] { return client->error.has_value(); }));
  EXPECT_EQ(client->error->reason, Reason::timed_out);
  EXPECT_GT(net.world.now() - begun, 13min);
  EXPECT_LT(net.world.now() - begun, 30min);
}

TEST(SimStream, KeepAliveFindsAVanishedPeerOfAnIdleConnection) {
  TwoHosts net;
  StreamServer server(net.server.loop(), net.to_server);
  const auto client = connect_stream(net.client.loop(), net.to_server);
  ASSERT_TRUE(net.world.run_until([&] { return client->connected_at.has_value(); }));
  const auto set = [&](int level, int option, int value) {
    ASSERT_TRUE(client->socket->set(level, option, option_value(value)));
  };
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, 10);
  set(IPPROTO_TCP, TCP_KEEPINTVL, 2);
  set(IPPROTO_TCP, TCP_KEEPCNT, 3);
  net.world.run_for(1h);  // answered probes do no harm
  EXPECT_FALSE(client->error);
  net.link->block({});
  const TimePoint begun = net.world.now();
  ASSERT_TRUE(net.world.run_until([&] { return client->error.has_value(); }));
  EXPECT_EQ(client->error->reason, Reason::timed_out);
  EXPECT_LE(net.world.now() - begun, 16s);
  EXPECT_GE(net.world.now() - begun, 6s);
}

TEST(SimStream, OptionsAreRememberedAndUnknownOnesUnsupported) {
  TwoHosts net;
  auto socket = *net.client.loop().sockets().open({});
  const auto number = [&](int level, int option) {
    int value = -1;
    auto size = socket->get(level, option, std::as_writable_bytes(std::span(&value, 1)));
    EXPECT_TRUE(size.has_value() && *size == sizeof value);
    return value;
  };
  EXPECT_EQ(number(IPPROTO_TCP, TCP_KEEPCNT), 9);
  ASSERT_TRUE(socket->set(IPPROTO_TCP, TCP_KEEPCNT, option_value(int{4})));
  EXPECT_EQ(number(IPPROTO_TCP, TCP_KEEPCNT), 4);
  EXPECT_EQ(number(SOL_SOCKET, SO_TYPE), SOCK_STREAM);
  const std::string reno = "reno";
  ASSERT_TRUE(socket->set(IPPROTO_TCP, TCP_CONGESTION, std::as_bytes(std::span(reno))));
  auto unknown = socket->set(IPPROTO_TCP, 9999, option_value(int{1}));
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().reason, Reason::unsupported);
  auto foreign = socket->get(IPPROTO_UDP, 103, {});
  ASSERT_FALSE(foreign);
  EXPECT_EQ(foreign.error().reason, Reason::unsupported);
  EXPECT_FALSE(socket->set(IPPROTO_TCP, TCP_NODELAY, {}));
}

TEST(SimStream, TcpInfoTellsTheRoundTripTime) {
  TwoHosts net;
  StreamServer server(net.server.loop(), net.to_server);
  const auto client = connect_stream(net.client.loop(), net.to_server);
  ASSERT_TRUE(net.world.run_until([&] { return client->connected_at.has_value(); }));
  tcp_info info{};
  ASSERT_TRUE(client->socket->get(IPPROTO_TCP, TCP_INFO, std::as_writable_bytes(std::span(&info, 1))));
  EXPECT_EQ(info.tcpi_rtt, 50'000u);
  EXPECT_EQ(info.tcpi_state, TCP_ESTABLISHED);
  EXPECT_EQ(info.tcpi_snd_mss, 1460u);
}

TEST(SimStream, FastOpenCarriesDataInTheSynFromTheSecondTimeOn) {
  TwoHosts net;
  StreamServer server(net.server.loop(), net.to_server);
  ASSERT_TRUE(server.socket->set(IPPROTO_TCP, TCP_FASTOPEN, option_value(int{5})));
  const auto time_to_answer = [&](bool expect_early) {
    auto socket = *net.client.loop().sockets().open({});
    EXPECT_TRUE(socket->set(IPPROTO_TCP, TCP_FASTOPEN_CONNECT, option_value(int{1})));
    EXPECT_EQ(*socket->connect(net.to_server), expect_early);
    const TimePoint begun = net.world.now();
    Batch request;
    request.add(Chunk{slice_of(net.client.loop(), "request")});
    if (expect_early) {
      EXPECT_EQ(socket->send(request)->bytes, 7u);
    }
    StreamUser client(net.client.loop(), std::move(socket));
    if (!expect_early) client.send("request");
    const std::size_t which = server.streams.size();
    EXPECT_TRUE(net.world.run_until([&] { return server.streams.size() > which && !server[which].received.empty(); }));
    EXPECT_EQ(server[which].received, "request");
    server[which].send("answer");
    EXPECT_TRUE(net.world.run_until([&] { return client.received == "answer"; }));
    tcp_info info{};
    EXPECT_TRUE(client.socket->get(IPPROTO_TCP, TCP_INFO, std::as_writable_bytes(std::span(&info, 1))));
    EXPECT_EQ((info.tcpi_options & TCPI_OPT_SYN_DATA) != 0, expect_early);
    return net.world.now() - begun;
  };
  EXPECT_EQ(time_to_answer(false), 100ms + VirtualWorld::kTurnTime);
  EXPECT_EQ(time_to_answer(true), 50ms + VirtualWorld::kTurnTime);
}

TEST(SimStream, FastOpenSurvivesAMiddleboxThatDropsSynsWithData) {
  TwoHosts net;
  StreamServer server(net.server.loop(), net.to_server);
  ASSERT_TRUE(server.socket->set(IPPROTO_TCP, TCP_FASTOPEN, option_value(int{5})));
  net.client.tcp().put_cookie(net.to_server);
  net.link->forth().tap = [](SimPacket& packet) {
    return packet.tcp.syn && !packet.payload.empty() ? Verdict::drop : Verdict::pass;
  };
  auto socket = *net.client.loop().sockets().open({});
  ASSERT_TRUE(socket->set(IPPROTO_TCP, TCP_FASTOPEN_CONNECT, option_value(int{1})));
  ASSERT_TRUE(*socket->connect(net.to_server));
  Batch request;
  request.add(Chunk{slice_of(net.client.loop(), "request")});
  ASSERT_TRUE(socket->send(request));
  StreamUser client(net.client.loop(), std::move(socket));
  ASSERT_TRUE(net.world.run_until([&] { return !server.streams.empty() && server[0].received == "request"; }));
  EXPECT_EQ(net.world.elapsed(), 1075ms);
}

TEST(SimStream, ShortTransfersSplitAtRandomPlacesButLoseNothing) {
  TwoHosts net;
  net.client.options.short_transfers = net.server.options.short_transfers = 0.7;
  StreamServer server(net.server.loop(), net.to_server);
  const auto client = connect_stream(net.client.loop(), net.to_server);
  const std::string text = pattern(300'000);
  client->send(text);
  client->finish();
  ASSERT_TRUE(net.world.run_until([&] { return !server.streams.empty() && server[0].ended_at.has_value(); }));
  EXPECT_EQ(server[0].received, text);
  EXPECT_GE(client->partial_writes, 2u);
  EXPECT_GT(server[0].pieces, 30u);
}

TEST(SimStream, DescriptorsRunOut) {
  TwoHosts net;
  net.server.options.sockets = 2;
  StreamServer server(net.server.loop(), net.to_server);
  const auto first = connect_stream(net.client.loop(), net.to_server);
  const auto second = connect_stream(net.client.loop(), net.to_server);
  ASSERT_TRUE(net.world.run_until([&] { return server.error.has_value(); }, 1s));
  EXPECT_EQ(server.streams.size(), 1u);
  EXPECT_EQ(server.error->reason, Reason::exhausted);
  EXPECT_EQ(net.server.loop().sockets().open({}).error().reason, Reason::exhausted);
}

}  // namespace
}  // namespace trellis::simulation
