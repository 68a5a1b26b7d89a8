// Datagrams over a simulated network: addresses, edges, soft errors, sizes.
#include <netinet/udp.h>
#include <sys/socket.h>

#include "sim_fixture.h"

namespace trellis::simulation {
namespace {

TEST(SimDatagram, ArriveWholeAfterTheDelayWithTheirAddresses) {
  TwoHosts net;
  DatagramUser server(net.server.loop(), ip("0.0.0.0", 53));
  DatagramUser client(net.client.loop(), {}, ip("10.0.0.2", 53));
  ASSERT_TRUE(client.send("one", {}, 2));
  ASSERT_TRUE(client.send("", {}));
  EXPECT_TRUE(net.world.run_until_idle());
  ASSERT_EQ(server.received.size(), 2u);
  EXPECT_EQ(server.received[0].text, "one");
  EXPECT_EQ(server.received[0].ecn, 2);
  EXPECT_EQ(server.received[1].text, "");
  EXPECT_EQ(server.received[0].at, VirtualWorld::kStart + 25ms);
  EXPECT_EQ(server.received[0].from, client.socket->local());
  EXPECT_EQ(server.received[0].to, ip("10.0.0.2", 53));
  ASSERT_TRUE(server.send("answer", server.received[0].from));
  EXPECT_TRUE(net.world.run_until_idle());
  ASSERT_EQ(client.received.size(), 1u);
  EXPECT_EQ(client.received[0].text, "answer");
  EXPECT_FALSE(client.received[0].from);  // connected sockets know whom they talk to
}

TEST(SimDatagram, AConnectedSocketHearsOnlyItsPeer) {
  TwoHosts net;
  DatagramUser client(net.client.loop(), ip("10.0.0.1", 4000), ip("10.0.0.2", 53));
  DatagramUser peer(net.server.loop(), ip("10.0.0.2", 53));
  DatagramUser other(net.server.loop(), ip("10.0.0.2", 54));
  ASSERT_TRUE(other.send("from another port", ip("10.0.0.1", 4000)));
  ASSERT_TRUE(peer.send("from the peer", ip("10.0.0.1", 4000)));
  EXPECT_TRUE(net.world.run_until_idle());
  ASSERT_EQ(client.received.size(), 1u);
  EXPECT_EQ(client.received[0].text, "from the peer");
}

TEST(SimDatagram, NobodyThereIsASoftErrorOfAConnectedSocket) {
  TwoHosts net;
  DatagramUser client(net.client.loop(), {}, ip("10.0.0.2", 53));
  ASSERT_TRUE(client.send("anybody?"));
  net.world.run_for(49ms);
  EXPECT_TRUE(client.errors.empty());
  net.world.run_for(1ms);
  ASSERT_EQ(client.errors.size(), 1u);
  EXPECT_EQ(client.errors[0].code, static_cast<std::uint64_t>(ECONNREFUSED));
  EXPECT_EQ(client.errors[0].reason, Reason::unreachable);
  // It does not end the socket.
  DatagramUser server(net.server.loop(), ip("10.0.0.2", 53));
  ASSERT_TRUE(client.send("now?"));
  EXPECT_TRUE(net.world.run_until_idle());
  EXPECT_EQ(server.received.size(), 1u);
}

TEST(SimDatagram, ASoftErrorIsReturnedBySendOnceAndNothingIsTaken) {
  TwoHosts net;
  DatagramUser client(net.client.loop(), {}, ip("10.0.0.2", 53));
  struct Deaf final : SocketEvents {
    void on_ready(Socket&, Ready) noexcept override {}
  } deaf;
  ASSERT_TRUE(client.socket->watch(deaf, Ready::none));
  ASSERT_TRUE(client.send("first"));
  net.world.run_for(100ms);
  Batch batch;
  batch.add(Chunk{slice_of(net.client.loop(), "second")});
  auto sent = client.socket->send(batch);
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().code, static_cast<std::uint64_t>(ECONNREFUSED));
  EXPECT_EQ(batch.size(), 1u);
  ASSERT_TRUE(client.socket->send(batch));
  EXPECT_TRUE(batch.empty());
}

TEST(SimDatagram, AnUnconnectedSocketHearsNoSoftErrorUnlessItAsked) {
  TwoHosts net;
  DatagramUser client(net.client.loop(), ip("0.0.0.0", 4000));
  ASSERT_TRUE(client.send("anybody?", ip("10.0.0.2", 53)));
  EXPECT_TRUE(net.world.run_until_idle());
  EXPECT_TRUE(client.errors.empty());
  ASSERT_TRUE(client.socket->set(IPPROTO_IP, IP_RECVERR, option_value(int{1})));
  ASSERT_TRUE(client.send("anybody?", ip("10.0.0.2", 53)));
  EXPECT_TRUE(net.world.run_until_idle());
  EXPECT_EQ(client.errors.size(), 1u);
}

TEST(SimDatagram, ADatagramThatCannotBeSentTellsItsFate) {
  TwoHosts net;
  DatagramUser client(net.client.loop(), ip("0.0.0.0", 4000));
  struct Waiting {
    MessageInfo info;
    std::vector<Fate> fates;
    std::string why;
  } waiting;
  static Waiting* current;
  current = &waiting;
  waiting.info.release = [](MessageInfo*) noexcept {};
  waiting.info.tell = [](MessageInfo*, Fate fate, const Error* error) noexcept {
    current->fates.push_back(fate);
    if (error != nullptr) current->why = error->detail;
  };
  waiting.info.remote = ip("192.0.2.7", 9);
  Batch batch;
  batch.add(Chunk{slice_of(net.client.loop(), "lost"), MessageRef(&waiting.info)});
  auto sent = client.socket->send(batch);
  ASSERT_TRUE(sent.has_value());
  EXPECT_TRUE(batch.empty());
  EXPECT_EQ(waiting.fates, std::vector{Fate::failed});
  EXPECT_EQ(waiting.why, "send a datagram of 4 bytes to 192.0.2.7:9: Network is unreachable");
  auto untold = client.send("nobody waits for its fate", ip("192.0.2.7", 9));
  ASSERT_FALSE(untold);  // so send() tells
  EXPECT_EQ(untold.error().code, static_cast<std::uint64_t>(ENETUNREACH));
}

TEST(SimDatagram, TheMtuBoundsUnfragmentedDatagrams) {
  TwoHosts net({.delay = 1ms, .mtu = 1280});
  DatagramUser server(net.server.loop(), ip("0.0.0.0", 53));
  DatagramUser client(net.client.loop(), {}, ip("10.0.0.2", 53));
  ASSERT_TRUE(client.send(pattern(3000)));  // fragmented, as is Linux's default
  ASSERT_TRUE(client.socket->set(IPPROTO_IP, IP_MTU_DISCOVER, option_value(int{IP_PMTUDISC_DO})));
  ASSERT_TRUE(client.send(pattern(1252)));  // 20 and 8 bytes of headers
  auto larger = client.send(pattern(1253));
  ASSERT_FALSE(larger);
  EXPECT_EQ(larger.error().reason, Reason::too_large);
  ASSERT_FALSE(client.send(pattern(66'000)));
  EXPECT_TRUE(net.world.run_until_idle());
  ASSERT_EQ(server.received.size(), 2u);
  EXPECT_EQ(server.received[0].text, pattern(3000));
  EXPECT_EQ(server.received[1].text, pattern(1252));
}

TEST(SimDatagram, NoFragmentationIsAlsoAPropertyOfAMessage) {
  TwoHosts net({.delay = 1ms, .mtu = 1280});
  DatagramUser client(net.client.loop(), {}, ip("10.0.0.2", 53));
  Batch batch;
  Chunk chunk{slice_of(net.client.loop(), pattern(2000)), new_message()};
  chunk.info->no_fragmentation = true;
  batch.add(std::move(chunk));
  auto sent = client.socket->send(batch);
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().reason, Reason::too_large);
  EXPECT_TRUE(batch.empty());
}

TEST(SimDatagram, SegmentsAreCutAndJoined) {
  TwoHosts net;
  DatagramUser server(net.server.loop(), ip("0.0.0.0", 53));
  server.keep_segments = true;
  DatagramUser client(net.client.loop(), {}, ip("10.0.0.2", 53));
  Batch batch;
  Chunk chunk{slice_of(net.client.loop(), pattern(2500))};
  chunk.segment_size = 1000;
  batch.add(std::move(chunk));
  EXPECT_EQ(client.socket->send(batch)->bytes, 2500u);
  EXPECT_EQ(net.link->forth().packets(), 3u);
  EXPECT_TRUE(net.world.run_until_idle());
  ASSERT_EQ(server.received.size(), 1u);
  EXPECT_EQ(server.received[0].text, pattern(2500));
  EXPECT_EQ(server.received[0].segment_size, 1000);
}

TEST(SimDatagram, TheReceiveBufferIsBounded) {
  TwoHosts net;
  net.server.options.datagram_buffer = 10'000;
  DatagramUser server(net.server.loop(), ip("0.0.0.0", 53));
  ASSERT_TRUE(server.socket->watch(server, Ready::none));
  DatagramUser client(net.client.loop(), {}, ip("10.0.0.2", 53));
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(client.send(pattern(972)));
  EXPECT_TRUE(net.world.run_until_idle());
  ASSERT_TRUE(server.socket->watch(server, Ready::readable));
  EXPECT_TRUE(net.world.run_until_idle());
  EXPECT_EQ(server.received.size(), 10u);
}

TEST(SimDatagram, ASlowInterfaceBlocksTheSender) {
  TwoHosts net({.delay = 1ms, .rate = 8'000'000, .queue = 1 << 20});  // one byte per microsecond
  net.client.options.datagram_buffer = 10'000;
  DatagramUser server(net.server.loop(), ip("0.0.0.0", 53));
  DatagramUser client(net.client.loop(), {}, ip("10.0.0.2", 53));
  struct Writer final : SocketEvents {
    void on_ready(Socket& socket, Ready) noexcept override {
      auto io = socket.send(out);
      blocked += io->blocked ? 1 : 0;
      socket.watch(*this, out.empty() ? Ready::none : Ready::writable);
    }
    Batch out;
    int blocked = 0;
  } writer;
  for (int i = 0; i < 100; ++i) writer.out.add(Chunk{slice_of(net.client.loop(), pattern(972))});
  ASSERT_TRUE(client.socket->watch(writer, Ready::writable));
  EXPECT_TRUE(net.world.run_until_idle());
  EXPECT_GT(writer.blocked, 10);
  ASSERT_EQ(server.received.size(), 100u);
  EXPECT_EQ(server.received.back().at, VirtualWorld::kStart + 101ms);
}

TEST(SimDatagram, HopLimitsRunOut) {
  TwoHosts net;
  DatagramUser server(net.server.loop(), ip("0.0.0.0", 53));
  DatagramUser client(net.client.loop(), ip("0.0.0.0", 4000));
  Address one_hop = ip("10.0.0.2", 53);
  one_hop.hop_limit = 1;
  ASSERT_TRUE(client.send("near", one_hop));
  EXPECT_TRUE(net.world.run_until_idle());
  EXPECT_EQ(server.received.size(), 1u);
}

TEST(SimDatagram, UdpLiteHasPortsOfItsOwn) {
  TwoHosts net;
  const auto open = [](SimHost& host, const Address& local) {
    return std::move(*host.loop().sockets().open({.kind = SocketSpec::Kind::datagram,
                                                  .role = SocketSpec::Role::unconnected,
                                                  .protocol = IPPROTO_UDPLITE,
                                                  .local = local}));
  };
  DatagramUser udp(net.server.loop(), ip("10.0.0.2", 53));
  const auto lite = open(net.server, ip("10.0.0.2", 53));
  const auto sender = open(net.client, ip("10.0.0.1", 53));
  ASSERT_TRUE(sender->set(IPPROTO_UDPLITE, 10, option_value(int{20})));
  Batch batch;
  Chunk chunk{slice_of(net.client.loop(), "light"), new_message()};
  chunk.info->remote = ip("10.0.0.2", 53);
  batch.add(std::move(chunk));
  ASSERT_TRUE(sender->send(batch));
  EXPECT_TRUE(net.world.run_until_idle());
  Batch in;
  EXPECT_EQ(lite->receive(in, 100)->bytes, 5u);
  EXPECT_TRUE(udp.received.empty());
}

TEST(SimDatagram, TheBudgetOfOneReceiveIsRespected) {
  TwoHosts net;
  DatagramUser server(net.server.loop(), ip("0.0.0.0", 53));
  ASSERT_TRUE(server.socket->watch(server, Ready::none));
  DatagramUser client(net.client.loop(), {}, ip("10.0.0.2", 53));
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(client.send(pattern(1000)));
  EXPECT_TRUE(net.world.run_until_idle());
  Batch in;
  auto io = server.socket->receive(in, 3500);  // two that might be as large as a path takes
  EXPECT_EQ(io->bytes, 2000u);
  EXPECT_FALSE(io->blocked);
  io = server.socket->receive(in, 1);  // one at least
  EXPECT_EQ(io->bytes, 1000u);
  io = server.socket->receive(in, 100'000);
  EXPECT_EQ(io->bytes, 2000u);
  EXPECT_TRUE(io->blocked);
}

TEST(SimDatagram, StreamCallsAreRefused) {
  TwoHosts net;
  DatagramUser client(net.client.loop(), {}, ip("10.0.0.2", 53));
  EXPECT_EQ(client.socket->listen(1).error().reason, Reason::unsupported);
  EXPECT_EQ(client.socket->accept().error().reason, Reason::unsupported);
  EXPECT_EQ(client.socket->finish().error().reason, Reason::unsupported);
  EXPECT_TRUE(*client.socket->connected());
}

}  // namespace
}  // namespace trellis::simulation
