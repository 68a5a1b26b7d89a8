// Hosts with several interfaces, routers, NAT, path MTU, interfaces and links that go down.
#include "sim_fixture.h"

namespace trellis::simulation {
namespace {

/// A client with Wi-Fi and cellular, each with a link of its own to the same server.
struct MultiHomed {
  VirtualWorld world;
  SimNetwork network{world};
  SimHost& client = network.add_host("client");
  SimHost& server = network.add_host("server");
  SimInterface& wifi = client.add_interface("wlan0", {"10.1.0.1"});
  SimInterface& cellular = client.add_interface("wwan0", {"10.2.0.1"});
  SimLink& fast = network.link(wifi, server.add_interface("eth0", {"10.1.0.2", "192.0.2.1"}), {.delay = 10ms});
  SimLink& slow = network.link(cellular, server.add_interface("eth1", {"10.2.0.2"}), {.delay = 60ms});
};

/// client – router – server.
struct Routed {
  explicit Routed(const LinkConditions& inner = {.delay = 5ms}, const LinkConditions& outer = {.delay = 20ms})
      : inside(network.link(client.add_interface("eth0", {"192.168.0.2"}), lan, inner)),
        outside(network.link(wan, server.add_interface("eth0", {"203.0.113.1"}), outer)) {}
  VirtualWorld world;
  SimNetwork network{world};
  SimHost& client = network.add_host("client");
  SimHost& router = network.add_host("router", {.forwards = true});
  SimHost& server = network.add_host("server");
  SimInterface& lan = router.add_interface("lan", {"192.168.0.1"});
  SimInterface& wan = router.add_interface("wan", {"198.51.100.1"});
  SimLink& inside;
  SimLink& outside;
  const Address to_server = ip("203.0.113.1", 80);
};

TEST(SimNetwork, TheFirstInterfaceIsTheDefaultAndBindingChoosesAnother) {
  MultiHomed net;
  DatagramUser server(net.server.loop(), ip("0.0.0.0", 53));
  DatagramUser by_default(net.client.loop(), {}, ip("192.0.2.1", 53));
  DatagramUser by_address(net.client.loop(), ip("10.2.0.1"), ip("192.0.2.1", 53));
  DatagramUser by_name(net.client.loop(), {}, ip("192.0.2.1", 53), false, "wwan0");
  ASSERT_TRUE(by_default.send("default"));
  ASSERT_TRUE(by_address.send("address"));
  ASSERT_TRUE(by_name.send("name"));
  EXPECT_TRUE(net.world.run_until_idle());
  ASSERT_EQ(server.received.size(), 3u);
  EXPECT_EQ(server.received[0].at, VirtualWorld::kStart + 10ms);
  EXPECT_TRUE(same_ip(server.received[0].from, ip("10.1.0.1")));
  EXPECT_EQ(server.received[1].at, VirtualWorld::kStart + 60ms);
  EXPECT_TRUE(same_ip(server.received[1].from, ip("10.2.0.1")));
  EXPECT_TRUE(same_ip(server.received[2].from, ip("10.2.0.1")));
}

TEST(SimNetwork, AnUnboundSocketSendsFromAnyOfItsAddresses) {
  MultiHomed net;
  DatagramUser server(net.server.loop(), ip("0.0.0.0", 53));
  DatagramUser client(net.client.loop(), ip("0.0.0.0", 4000));
  Batch batch;
  Chunk chunk{slice_of(net.client.loop(), "migrated"), new_message()};
  chunk.info->remote = ip("192.0.2.1", 53);
  chunk.info->local = ip("10.2.0.1", 4000);
  batch.add(std::move(chunk));
  ASSERT_TRUE(client.socket->send(batch));
  EXPECT_TRUE(net.world.run_until_idle());
  EXPECT_EQ(server.received.at(0).from, ip("10.2.0.1", 4000));
}

TEST(SimNetwork, UnknownInterfacesAndFamiliesAreRefused) {
  MultiHomed net;
  auto opened = net.client.loop().sockets().open({.interface_name = "eth7"});
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().detail, "bind to an interface (eth7): No such device");
  EXPECT_EQ(opened.error().reason, Reason::unreachable);
  EXPECT_FALSE(net.client.loop().sockets().open({.family = Address::Family::none}));
  EXPECT_EQ(net.client.loop().sockets().open({.protocol = IPPROTO_SCTP}).error().reason, Reason::unsupported);
  auto six = *net.client.loop().sockets().open({.family = Address::Family::ipv6});
  EXPECT_EQ(six->connect(ip("192.0.2.1", 80)).error().reason, Reason::unsupported);
}

TEST(SimNetwork, AnInterfaceThatGoesDownTakesItsConnectionsAndRoutesAlong) {
  MultiHomed net;
  StreamServer server(net.server.loop(), ip("0.0.0.0", 80));
  const auto bound = connect_stream(net.client.loop(), ip("192.0.2.1", 80), ip("10.1.0.1"));
  ASSERT_TRUE(net.world.run_until([&] { return server.streams.size() == 1; }));
  net.wifi.set_up(false);
  bound->send("into the void");
  net.world.run_for(1s);
  EXPECT_FALSE(bound->error);  // TCP keeps trying
  EXPECT_TRUE(server[0].received.empty());
  // New ones take the other way, and the old address cannot be bound any more.
  const auto other = connect_stream(net.client.loop(), ip("10.2.0.2", 80));
  ASSERT_TRUE(net.world.run_until([&] { return other->connected_at.has_value(); }, 1s));
  EXPECT_EQ(net.client.loop().sockets().open({.local = ip("10.1.0.1")}).error().reason, Reason::unreachable);
  auto stranded = *net.client.loop().sockets().open({.interface_name = "wlan0"});
  EXPECT_EQ(stranded->connect(ip("192.0.2.1", 80)).error().code, static_cast<std::uint64_t>(ENETUNREACH));
  net.wifi.set_up(true);
  ASSERT_TRUE(net.world.run_until([&] { return server[0].received == "into the void"; }, 10s));
}

TEST(SimNetwork, ALinkThatGoesDownIsRoutedAround) {
  MultiHomed net;
  DatagramUser server(net.server.loop(), ip("0.0.0.0", 53));
  DatagramUser client(net.client.loop(), ip("0.0.0.0", 4000));
  net.network.set_up(net.fast, false);
  ASSERT_TRUE(client.send("around", ip("192.0.2.1", 53)));
  EXPECT_TRUE(net.world.run_until_idle());
  EXPECT_EQ(server.received.at(0).at, VirtualWorld::kStart + 60ms);
  net.network.set_up(net.slow, false);
  EXPECT_EQ(client.send("nowhere", ip("192.0.2.1", 53)).error().code, static_cast<std::uint64_t>(ENETUNREACH));
}

TEST(SimNetwork, AddressesComeAndGo) {
  MultiHomed net;
  net.wifi.add_address("2001:db8::7");
  EXPECT_TRUE(net.client.loop().sockets().open({.family = Address::Family::ipv6, .local = ip("2001:db8::7")}));
  net.wifi.remove_address("2001:db8::7");
  EXPECT_FALSE(net.client.loop().sockets().open({.family = Address::Family::ipv6, .local = ip("2001:db8::7")}));
}

TEST(SimNetwork, LinkLocalAddressesNeedTheirScope) {
  VirtualWorld world;
  SimNetwork network(world);
  SimHost& a = network.add_host("a");
  SimHost& b = network.add_host("b");
  a.add_interface("other", {"fe80::99"});
  SimInterface& near = a.add_interface("near", {"fe80::1"});
  SimInterface& far = b.add_interface("far", {"fe80::2"});
  network.link(near, far, {.delay = 1ms});
  DatagramUser receiver(b.loop(), ip("::", 53));
  DatagramUser sender(a.loop(), ip("::", 4000));
  Address to = ip("fe80::2", 53);
  to.scope = near.index();
  ASSERT_TRUE(sender.send("hello", to));
  EXPECT_TRUE(world.run_until_idle());
  ASSERT_EQ(receiver.received.size(), 1u);
  EXPECT_TRUE(same_ip(receiver.received[0].from, ip("fe80::1")));
  EXPECT_EQ(receiver.received[0].from.scope, far.index());
  to.scope = 2;  // "other", which leads nowhere
  EXPECT_FALSE(sender.send("hello", to));
}

TEST(SimNetwork, RoutersForward) {
  Routed net;
  StreamServer server(net.server.loop(), net.to_server);
  const auto client = connect_stream(net.client.loop(), net.to_server);
  ASSERT_TRUE(net.world.run_until([&] { return client->connected_at.has_value(); }));
  EXPECT_EQ(net.world.elapsed(), 50ms);
}

TEST(SimNetwork, ARouterWithoutARouteSaysUnreachable) {
  Routed net;
  const auto client = connect_stream(net.client.loop(), net.to_server);
  net.network.set_up(net.outside, false);
  ASSERT_TRUE(net.world.run_until([&] { return client->error.has_value(); }));
  EXPECT_EQ(client->error->code, static_cast<std::uint64_t>(EHOSTUNREACH));
  EXPECT_EQ(net.world.elapsed(), 10ms);
}

TEST(SimNetwork, HopsRunOutAtRouters) {
  Routed net;
  DatagramUser server(net.server.loop(), ip("0.0.0.0", 53));
  DatagramUser client(net.client.loop(), ip("0.0.0.0", 4000));
  Address to = ip("203.0.113.1", 53);
  to.hop_limit = 1;
  ASSERT_TRUE(client.send("too far", to));
  to.hop_limit = 2;
  ASSERT_TRUE(client.send("just there", to));
  EXPECT_TRUE(net.world.run_until_idle());
  ASSERT_EQ(server.received.size(), 1u);
  EXPECT_EQ(server.received[0].text, "just there");
}

/// client – router – narrow link – router – server: neither end sees the small MTU between the routers.
struct Narrow {
  explicit Narrow(bool tells)
      : narrow(network.link(first.add_interface("right"), second.add_interface("left"),
                            {.delay = 5ms, .mtu = 1000, .tells_too_big = tells})) {
    network.link(client.add_interface("eth0", {"10.0.0.1"}), first.add_interface("left"), {.delay = 5ms});
    network.link(second.add_interface("right"), server.add_interface("eth0", {"10.0.0.2"}), {.delay = 5ms});
  }
  VirtualWorld world;
  SimNetwork network{world};
  SimHost& client = network.add_host("client");
  SimHost& first = network.add_host("first", {.forwards = true});
  SimHost& second = network.add_host("second", {.forwards = true});
  SimHost& server = network.add_host("server");
  SimLink& narrow;
};

TEST(SimNetwork, AStreamLearnsThePathMtu) {
  Narrow net(true);
  StreamServer server(net.server.loop(), ip("0.0.0.0", 80));
  const auto client = connect_stream(net.client.loop(), ip("10.0.0.2", 80));
  client->send(pattern(100'000));
  ASSERT_TRUE(net.world.run_until([&] { return !server.streams.empty() && server[0].received.size() == 100'000; }, 2s));
  EXPECT_EQ(server[0].received, pattern(100'000));
  tcp_info info{};
  ASSERT_TRUE(client->socket->get(IPPROTO_TCP, TCP_INFO, std::as_writable_bytes(std::span(&info, 1))));
  EXPECT_EQ(info.tcpi_snd_mss, 960u);
}

TEST(SimNetwork, APathMtuBlackHoleStallsAStreamThatSendsLargeSegments) {
  Narrow net(false);
  StreamServer server(net.server.loop(), ip("0.0.0.0", 80));
  const auto client = connect_stream(net.client.loop(), ip("10.0.0.2", 80));
  client->send("small");
  ASSERT_TRUE(net.world.run_until([&] { return !server.streams.empty() && server[0].received == "small"; }, 1s));
  client->send(pattern(1460));
  net.world.run_for(1min);
  EXPECT_EQ(server[0].received, "small");
  EXPECT_FALSE(client->error);
}

TEST(SimNetwork, ADatagramSocketIsToldOfThePathMtu) {
  Routed net({.delay = 5ms}, {.delay = 20ms, .mtu = 1000});
  DatagramUser client(net.client.loop(), {}, ip("203.0.113.1", 53));
  ASSERT_TRUE(client.socket->set(IPPROTO_IP, IP_MTU_DISCOVER, option_value(int{IP_PMTUDISC_DO})));
  ASSERT_TRUE(client.send(pattern(1200)));
  net.world.run_for(1s);
  ASSERT_EQ(client.errors.size(), 1u);
  EXPECT_EQ(client.errors[0].reason, Reason::too_large);
  int mtu = 0;
  ASSERT_TRUE(client.socket->get(IPPROTO_IP, IP_MTU, std::as_writable_bytes(std::span(&mtu, 1))));
  EXPECT_EQ(mtu, 1000);
  EXPECT_FALSE(client.send(pattern(1200)));  // known now
  EXPECT_TRUE(client.send(pattern(972)));
}

TEST(SimNat, TranslatesAndLetsOnlyAnswersIn) {
  Routed net;
  SimNat& nat = net.router.add_nat(net.wan);
  DatagramUser server(net.server.loop(), ip("0.0.0.0", 53)), stranger(net.server.loop(), ip("0.0.0.0", 54));
  DatagramUser client(net.client.loop(), {}, ip("203.0.113.1", 53));
  ASSERT_TRUE(client.send("question"));
  EXPECT_TRUE(net.world.run_until_idle());
  ASSERT_EQ(server.received.size(), 1u);
  const Address seen = server.received[0].from;
  EXPECT_TRUE(same_ip(seen, ip("198.51.100.1")));
  EXPECT_EQ(nat.bindings(), 1u);
  ASSERT_TRUE(server.send("answer", seen));
  ASSERT_TRUE(stranger.send("spam", seen));
  EXPECT_TRUE(net.world.run_until_idle());
  ASSERT_EQ(client.received.size(), 1u);
  EXPECT_EQ(client.received[0].text, "answer");
  // From outside there is no route to an inside address.
  EXPECT_FALSE(server.send("direct", ip("192.168.0.2", 53)));
}

TEST(SimNat, ABindingTimesOutAndTheNextPacketGetsAnother) {
  Routed net;
  net.router.add_nat(net.wan, {.datagram_timeout = 30s});
  DatagramUser server(net.server.loop(), ip("0.0.0.0", 53));
  DatagramUser client(net.client.loop(), {}, ip("203.0.113.1", 53));
  ASSERT_TRUE(client.send("1"));
  net.world.run_for(29s);
  ASSERT_TRUE(client.send("2"));  // keeps it alive
  net.world.run_for(29s);
  ASSERT_TRUE(server.send("still there", server.received[0].from));
  net.world.run_for(1s);
  EXPECT_EQ(client.received.size(), 1u);
  net.world.run_for(10s);
  ASSERT_TRUE(server.send("too late", server.received[0].from));
  net.world.run_for(1s);
  EXPECT_EQ(client.received.size(), 1u);
  ASSERT_TRUE(client.send("3"));
  net.world.run_for(1s);
  ASSERT_EQ(server.received.size(), 3u);
  EXPECT_EQ(server.received[0].from, server.received[1].from);
  EXPECT_NE(server.received[0].from.port, server.received[2].from.port);
}

TEST(SimNat, RebindingResetsStreams) {
  Routed net;
  SimNat& nat = net.router.add_nat(net.wan);
  StreamServer server(net.server.loop(), net.to_server);
  const auto client = connect_stream(net.client.loop(), net.to_server);
  client->send("before");
  ASSERT_TRUE(net.world.run_until([&] { return !server.streams.empty() && server[0].received == "before"; }));
  EXPECT_TRUE(same_ip(server.peers[0], ip("198.51.100.1")));
  nat.rebind();
  client->send("after");
  ASSERT_TRUE(net.world.run_until([&] { return client->error.has_value(); }, 1s));
  EXPECT_EQ(client->error->reason, Reason::reset);
}

TEST(SimNat, ErrorsFindTheirWayBack) {
  Routed net;
  net.router.add_nat(net.wan);
  DatagramUser client(net.client.loop(), {}, ip("203.0.113.1", 53));
  ASSERT_TRUE(client.send("anybody?"));
  EXPECT_TRUE(net.world.run_until_idle());
  ASSERT_EQ(client.errors.size(), 1u);
  EXPECT_EQ(client.errors[0].code, static_cast<std::uint64_t>(ECONNREFUSED));
}

TEST(SimHost, SeveralLoopsOfAProgramShareAPort) {
  VirtualWorld world;
  SimNetwork network(world);
  SimHost& client = network.add_host("client");
  SimHost& server = network.add_host("server", {.loops = 2});
  network.link(client.add_interface("eth0", {"10.0.0.1"}), server.add_interface("eth0", {"10.0.0.2"}), {.delay = 1ms});
  EXPECT_EQ(server.loop(1).loop(), 1u);
  EXPECT_EQ(server.loop(1).loops(), 2u);
  DatagramUser first(server.loop(0), ip("10.0.0.2", 53), {}, true),
      second(server.loop(1), ip("10.0.0.2", 53), {}, true);
  std::vector<std::unique_ptr<DatagramUser>> clients;
  for (int i = 0; i < 40; ++i) {
    clients.push_back(std::make_unique<DatagramUser>(client.loop(), Address{}, ip("10.0.0.2", 53)));
    for (int j = 0; j < 3; ++j) ASSERT_TRUE(clients.back()->send(std::to_string(i)));
  }
  EXPECT_TRUE(world.run_until_idle());
  EXPECT_EQ(first.received.size() + second.received.size(), 120u);
  EXPECT_GT(first.received.size(), 20u);
  EXPECT_GT(second.received.size(), 20u);
  EXPECT_EQ(first.received.size() % 3, 0u);  // one flow, one socket
}

TEST(SimHostDeathTest, EndingWithOpenSocketsIsAProgrammingError) {
  EXPECT_DEATH(
      {
        VirtualWorld world;
        auto network = std::make_unique<SimNetwork>(world);
        auto socket = *network->add_host("forgetful").loop().sockets().open({});
        network.reset();
      },
      "simulated host \"forgetful\" ends while 1 of its sockets are open");
}

}  // namespace
}  // namespace trellis::simulation
