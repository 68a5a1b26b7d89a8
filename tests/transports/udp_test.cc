// The udp plugin against the kernel, on loopback.
#include <netinet/in.h>

#include "one_layer.h"

namespace trellis::test {
namespace {

class Udp : public TransportTest {
 protected:
  void listen(std::map<std::string, OptionValue> options = {}, const Address& at = loopback()) {
    protocol = configured("udp", std::move(options));
    listener.emplace(*loop, protocol, at);
    ASSERT_FALSE(listener->failure) << listener->failure->detail;
    listener->on_peer = [this](OneLayer& peer) {
      peer.hungry = true;
      peer.demand(demand);
    };
  }
  std::unique_ptr<OneLayer> connect(std::map<std::string, OptionValue> options = {}) {
    return OneLayer::connect(*loop, configured("udp", std::move(options)), loopback(listener->port()));
  }
  OneLayer& peer(std::size_t i = 0) { return *listener->peers.at(i); }
  // A port of loopback on which nobody listens.
  static std::uint16_t dead_port() {
    const int probe = ::socket(AF_INET, SOCK_DGRAM, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof at;
    bind(probe, reinterpret_cast<const sockaddr*>(&at), sizeof at);
    getsockname(probe, reinterpret_cast<sockaddr*>(&at), &length);
    ::close(probe);
    return ntohs(at.sin_port);
  }
  std::size_t demand = 1 << 16;
  std::shared_ptr<Protocol> protocol;
  std::optional<OneListener> listener;
};

using Texts = std::vector<std::string>;

// IMPL-6, IMPL-123, IMPL-125: a port and a path, and no packet.
TEST_F(Udp, ConnectsWithoutSendingAnything) {
  listen();
  auto client = connect();
  EXPECT_TRUE(client->was_ready);
  EXPECT_EQ(client->route.remote, loopback(listener->port()));
  EXPECT_NE(client->route.local.port, 0);
  pass(20ms);
  EXPECT_TRUE(listener->peers.empty());
}

// IMPL-48, IMPL-129, IMPL-131, IMPL-132
TEST_F(Udp, KeepsDatagramsWhole) {
  listen();
  auto client = connect();
  client->demand(1 << 16);
  const Texts texts = {"one", "", "three", std::string(60'000, 'x')};
  for (const std::string& text : texts) client->send(text);
  ASSERT_TRUE(until([&] { return listener->peers.size() == 1 && peer().datagrams.size() == 4; }));
  EXPECT_EQ(peer().datagrams, texts);
  EXPECT_EQ(peer().route.remote, client->route.local);
  EXPECT_EQ(peer().infos[0]->remote, client->route.local);
  peer().send("reply");
  ASSERT_TRUE(until([&] { return client->datagrams.size() == 1; }));
  EXPECT_EQ(client->datagrams[0], "reply");
}

// IMPL-46
TEST_F(Udp, TellsPeersApart) {
  listen();
  std::vector<std::unique_ptr<OneLayer>> clients;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(connect());
    clients.back()->demand(1000);
  }
  for (int round = 0; round < 3; ++round) {
    for (std::size_t i = 0; i < clients.size(); ++i) clients[i]->send(std::to_string(i));
  }
  ASSERT_TRUE(until([&] {
    std::size_t all = 0;
    for (auto& each : listener->peers) all += each->datagrams.size();
    return all == 60;
  }));
  ASSERT_EQ(listener->peers.size(), 20u);
  for (auto& each : listener->peers) {
    EXPECT_EQ(each->datagrams, Texts(3, each->datagrams[0]));
    each->send("to " + each->datagrams[0]);
  }
  ASSERT_TRUE(until([&] { return std::ranges::all_of(clients, [](auto& c) { return c->datagrams.size() == 1; }); }));
  for (std::size_t i = 0; i < clients.size(); ++i) EXPECT_EQ(clients[i]->datagrams[0], "to " + std::to_string(i));
}

// IMPL-42, IMPL-43: with a wildcard address a reply comes from the address that was asked.
TEST_F(Udp, ListensOnBothFamiliesAndAnswersFromTheRightAddress) {
  listen({}, Address{});
  Address other = loopback(listener->port());
  other.ip[3] = 9;  // 127.0.0.9
  for (const Address& to : {loopback(listener->port()), other, loopback6(listener->port())}) {
    auto client = OneLayer::connect(*loop, protocol, to);  // connected: it takes replies from that address only
    client->demand(1000);
    client->send("who are you");
    const std::size_t before = listener->peers.size();
    ASSERT_TRUE(until([&] { return listener->peers.size() == before + 1; }));
    peer(before).send("me");
    EXPECT_TRUE(until([&] { return client->datagrams.size() == 1; })) << to.port;
  }
}

// IMPL-127
TEST_F(Udp, IcmpErrorsAreSoftWithAndWithoutDemand) {
  for (const bool demand_of_client : {true, false}) {
    auto client = OneLayer::connect(*loop, configured("udp"), loopback(dead_port()));
    if (demand_of_client) client->demand(1000);
    pass(2ms);
    client->send("anybody?");
    ASSERT_TRUE(until([&] { return !client->notices.empty(); })) << "demand: " << demand_of_client;
    EXPECT_EQ(client->notices[0].first, Notice::soft_error);
    EXPECT_EQ(client->notices[0].second.reason, Reason::unreachable);
    EXPECT_EQ(client->notices[0].second.code, std::uint64_t{ECONNREFUSED});
    EXPECT_FALSE(client->over());
    client->send("still trying");
    pass(5ms);
    EXPECT_FALSE(client->over());
    EXPECT_TRUE(client->link.down.batch.empty());
  }
}

TEST_F(Udp, WhatIsTooLargeFailsAlone) {
  listen();
  auto client = connect();
  Told told;
  client->send("before");
  client->send(std::string(65'508, 'x'), MessageRef(&told));
  client->send(std::string(65'508, 'x'));  // nobody waits for its fate
  client->send("after");
  ASSERT_TRUE(until([&] { return !listener->peers.empty() && peer().datagrams.size() == 2; }));
  EXPECT_EQ(peer().datagrams, (Texts{"before", "after"}));
  EXPECT_EQ(told.fate, Fate::failed);
  ASSERT_TRUE(told.why);
  EXPECT_EQ(told.why->reason, Reason::too_large);
  ASSERT_EQ(client->notices.size(), 1u);
  EXPECT_EQ(client->notices[0].second.reason, Reason::too_large);
}

// Without demand a connected socket is not read: the kernel keeps what fits into its buffer.
TEST_F(Udp, ReadsNoMoreThanIsAskedFor) {
  listen();
  auto client = connect();
  client->send("hello");
  ASSERT_TRUE(until([&] { return listener->peers.size() == 1; }));
  for (int i = 0; i < 20; ++i) peer().send(std::to_string(i));
  pass(20ms);
  EXPECT_TRUE(client->datagrams.empty());
  client->demand(3 * kLeastCharge);
  ASSERT_TRUE(until([&] { return client->datagrams.size() == 3; }));
  pass(20ms);
  EXPECT_EQ(client->datagrams.size(), 3u);
  EXPECT_EQ(client->link.up.credit, 0);
  client->demand(1 << 16);
  ASSERT_TRUE(until([&] { return client->datagrams.size() == 20; }));
  EXPECT_EQ(client->datagrams[19], "19");
}

TEST_F(Udp, ASlowPeerIsDroppedForAndDoesNotHoldUpOthers) {
  demand = 0;
  listen({{"peer-queue-bytes", std::int64_t{2560}}});
  auto slow = connect();
  auto fast = connect();
  slow->send("s");
  ASSERT_TRUE(until([&] { return listener->peers.size() == 1; }));
  fast->send("f");
  ASSERT_TRUE(until([&] { return listener->peers.size() == 2; }));
  peer(1).demand(1 << 16);
  for (int i = 1; i < 50; ++i) {
    slow->send("s");
    fast->send("f");
    ASSERT_TRUE(until([&] { return peer(1).datagrams.size() == std::size_t(i) + 1; }));
  }
  EXPECT_TRUE(peer(0).datagrams.empty());
  peer(0).demand(1 << 16);
  ASSERT_TRUE(until([&] { return peer(0).datagrams.size() == 10; }));  // 10 times 256 bytes
  pass(10ms);
  EXPECT_EQ(peer(0).datagrams.size(), 10u);
  ASSERT_EQ(listener->logged.size(), 1u);  // the others are counted and told later
  EXPECT_NE(listener->logged[0].find("peer-queue-bytes"), std::string::npos) << listener->logged[0];
}

TEST_F(Udp, BoundsTheNumberOfPeers) {
  listen({{"peers", std::int64_t{3}}});
  std::vector<std::unique_ptr<OneLayer>> clients;
  for (int i = 0; i < 10; ++i) {
    clients.push_back(connect());
    clients.back()->send("let me in");
  }
  ASSERT_TRUE(until([&] { return listener->peers.size() == 3; }));
  pass(20ms);
  EXPECT_EQ(listener->peers.size(), 3u);
  ASSERT_EQ(listener->logged.size(), 1u);
  EXPECT_NE(listener->logged[0].find("option peers"), std::string::npos) << listener->logged[0];
  peer(0).close();
  ASSERT_TRUE(until([&] { return peer(0).was_closed; }));
  listener->peers.erase(listener->peers.begin());  // its place is free again
  clients[9]->send("now?");
  EXPECT_TRUE(until([&] { return listener->peers.size() == 3; }));
}

TEST_F(Udp, ClosesIdlePeersAndKeepsActiveOnes) {
  listen({{"peer-idle-ms", std::int64_t{200}}});
  auto idle = connect();
  auto active = connect();
  idle->send("once");
  active->send("often");
  ASSERT_TRUE(until([&] { return listener->peers.size() == 2; }));
  OneLayer& idle_peer = peer(0).infos[0]->remote == idle->route.local ? peer(0) : peer(1);
  OneLayer& active_peer = &idle_peer == &peer(0) ? peer(1) : peer(0);
  ASSERT_TRUE(until([&] {
    active->send("often");
    pass(1ms);
    return idle_peer.was_closed;
  }));
  EXPECT_FALSE(active_peer.over());
  idle->send("again");  // and comes back as a new one
  EXPECT_TRUE(until([&] { return listener->peers.size() == 3; }));
}

TEST_F(Udp, AStoppedListenerServesItsPeersOnly) {
  listen();
  auto client = connect();
  client->demand(1000);
  client->send("in time");
  ASSERT_TRUE(until([&] { return listener->peers.size() == 1; }));
  listener->acceptor->close(CloseArgs{});
  EXPECT_TRUE(listener->was_closed);
  auto late = connect();
  late->send("too late");
  client->send("still here");
  ASSERT_TRUE(until([&] { return peer().datagrams.size() == 2; }));
  peer().send("yes");
  ASSERT_TRUE(until([&] { return client->datagrams.size() == 1; }));
  EXPECT_EQ(listener->peers.size(), 1u);
}

// IMPL-133, IMPL-134
TEST_F(Udp, ClosingReleasesThePort) {
  listen();
  auto client = connect();
  const std::uint16_t port = client->route.local.port;
  client->send("last");
  client->close();
  ASSERT_TRUE(until([&] { return client->was_closed; }));
  ASSERT_TRUE(until([&] { return !listener->peers.empty(); }));
  OneListener other(*loop, protocol, loopback(port));
  EXPECT_FALSE(other.failure) << other.failure->detail;
}

// IMPL-126
TEST_F(Udp, SaysWhichPortIsTaken) {
  listen();
  OneListener other(*loop, protocol, loopback(listener->port()));
  ASSERT_TRUE(other.failure);
  EXPECT_NE(other.failure->detail.find("127.0.0.1:" + std::to_string(listener->port())), std::string::npos)
      << other.failure->detail;
}

// Below a layer that tells its peers apart by itself (QUIC): one instance, unconnected, addresses beside the data.
TEST_F(Udp, ServesUnconnectedBelowAnotherDemultiplexer) {
  protocol = configured("udp");
  OneLayer server(*loop, protocol, Face::datagram);
  server.route.local = loopback();
  server.layer = std::move(*protocol->connect(server.seat()));
  server.open(Address{}, true);
  ASSERT_FALSE(server.failure) << server.failure->detail;
  ASSERT_TRUE(server.was_ready);
  ASSERT_NE(server.route.local.port, 0);
  server.demand(1 << 16);
  auto first = OneLayer::connect(*loop, protocol, server.route.local);
  auto second = OneLayer::connect(*loop, protocol, server.route.local);
  for (auto* client : {first.get(), second.get()}) {
    client->demand(1000);
    client->send("hello");
  }
  ASSERT_TRUE(until([&] { return server.datagrams.size() == 2; }));
  for (int i = 1; i >= 0; --i) {
    MessageRef to = new_message();
    to->remote = server.infos[static_cast<std::size_t>(i)]->remote;
    server.send("to " + std::to_string(to->remote.port), to);
  }
  ASSERT_TRUE(until([&] { return first->datagrams.size() == 1 && second->datagrams.size() == 1; }));
  EXPECT_EQ(first->datagrams[0], "to " + std::to_string(first->route.local.port));
  EXPECT_EQ(second->datagrams[0], "to " + std::to_string(second->route.local.port));
}

// API-177
TEST_F(Udp, CarriesEcnBothWays) {
  listen({{"dscp", std::int64_t{10}}});
  auto client = connect({{"dscp", std::int64_t{10}}});
  client->demand(1000);
  for (std::uint8_t ecn = 0; ecn < 4; ++ecn) {
    Chunk chunk{.data = loop->pool().allocate(0, 1, 0), .ecn = ecn, .end_of_message = true};
    chunk.data.edit()[0] = std::byte{ecn};
    client->port().push(std::move(chunk));
  }
  ASSERT_TRUE(until([&] { return !listener->peers.empty() && peer().ecn.size() == 4; }));
  EXPECT_EQ(peer().ecn, (std::vector<std::uint8_t>{0, 1, 2, 3}));
}

// API-150, API-151, API-152, API-278, API-279
TEST_F(Udp, KnowsItsSizes) {
  listen();
  auto client = connect();
  EXPECT_EQ(client->get<std::uint64_t>("sendMsgMaxLen"), 65507u);
  EXPECT_EQ(client->get<std::uint64_t>("recvMsgMaxLen"), 65507u);
  EXPECT_EQ(client->get<std::uint64_t>("singularTransmissionMsgMaxLen"), 65507u);  // loopback's MTU is larger
  EXPECT_FALSE(client->set("sendMsgMaxLen", std::uint64_t{1}));
  client->send("x");
  ASSERT_TRUE(until([&] { return !listener->peers.empty(); }));
  EXPECT_EQ(peer().get<std::uint64_t>("singularTransmissionMsgMaxLen"), 1472u);  // by the path's MTU
}

// IMPL-59, IMPL-60, API-175, API-176, API-277
TEST_F(Udp, DoesNotFragmentWhatMustNotBe) {
  const bool permitted = in_own_network([this] {
    loop = make_loop();
    const int any = ::socket(AF_INET, SOCK_DGRAM, 0);
    ifreq request{};
    std::strcpy(request.ifr_name, "lo");
    request.ifr_mtu = 1500;
    ASSERT_EQ(ioctl(any, SIOCSIFMTU, &request), 0);
    ::close(any);
    listen();
    auto client = connect();
    EXPECT_EQ(client->get<std::uint64_t>("singularTransmissionMsgMaxLen"), 1472u);
    Told plain, unfragmented, unsegmented, fits;
    unfragmented.no_fragmentation = true;
    unsegmented.no_segmentation = fits.no_segmentation = true;
    client->send(std::string(5000, 'x'), MessageRef(&plain));
    client->send(std::string(1473, 'x'), MessageRef(&unfragmented));
    client->send(std::string(1473, 'x'), MessageRef(&unsegmented));
    client->send(std::string(1472, 'x'), MessageRef(&fits));
    ASSERT_TRUE(until([&] { return !listener->peers.empty() && peer().datagrams.size() == 2; }));
    EXPECT_EQ(peer().datagrams[0].size(), 5000u);
    EXPECT_EQ(peer().datagrams[1].size(), 1472u);
    EXPECT_EQ(unfragmented.fate, Fate::failed);
    EXPECT_EQ(unsegmented.fate, Fate::failed);
    ASSERT_TRUE(unsegmented.why);
    EXPECT_EQ(unsegmented.why->reason, Reason::too_large);
    EXPECT_NE(fits.fate, Fate::failed);

    auto strict = connect({{"dont-fragment", true}});
    EXPECT_EQ(strict->get<std::uint64_t>("sendMsgMaxLen"), 1472u);
    Told large;
    strict->send(std::string(1473, 'x'), MessageRef(&large));
    ASSERT_TRUE(until([&] { return large.fate.has_value(); }));
    EXPECT_EQ(large.fate, Fate::failed);
    client.reset();
    strict.reset();
    listener.reset();
    loop.reset();
  });
  if (!permitted) GTEST_SKIP() << "needs the permission to make a network namespace";
}

// API-134, API-276: refused where the kernel cannot do it.
TEST_F(Udp, ChecksumsAreForIpv4ToLeaveOut) {
  listen();
  auto client = connect({{"checksum", false}});
  EXPECT_TRUE(client->was_ready);
  client->send("unprotected");
  ASSERT_TRUE(until([&] { return !listener->peers.empty() && peer().datagrams.size() == 1; }));
  EXPECT_FALSE(
      configured("udp", {{"checksum", false}})->traits(Face::datagram).adds.has(Feature::full_integrity_check));
  EXPECT_TRUE(client->set("recvChecksumLen", std::uint64_t{0}));
  EXPECT_EQ(client->set("recvChecksumLen", UINT64_MAX).error().reason, Reason::unsupported);
  auto six = OneLayer::connect(*loop, configured("udp", {{"checksum", false}}), loopback6(9));
  ASSERT_TRUE(six->failure);
  EXPECT_EQ(six->failure->reason, Reason::unsupported);
  auto covered = OneLayer::connect(*loop, configured("udp"), loopback6(9));
  EXPECT_TRUE(covered->set("recvChecksumLen", UINT64_MAX));
  EXPECT_EQ(covered->set("recvChecksumLen", std::uint64_t{0}).error().reason, Reason::unsupported);
}

// API-174, API-281: peers of a listener, too, though they share its socket; one that many peers share without the
// plugin knowing them has one profile.
TEST_F(Udp, EachConnectionHasItsProfile) {
  listen();
  auto client = connect();
  EXPECT_TRUE(client->set("connCapacityProfile", std::string("scavenger")));
  EXPECT_EQ(client->get<std::string>("connCapacityProfile"), "Scavenger");
  client->send("x");
  ASSERT_TRUE(until([&] { return !listener->peers.empty(); }));
  EXPECT_TRUE(peer().set("connCapacityProfile", std::string("Scavenger")));
  EXPECT_EQ(peer().get<std::string>("connCapacityProfile"), "Scavenger");
  EXPECT_EQ(peer().set("connCapacityProfile", std::string("Fast")).error().reason, Reason::invalid_argument);
}

TEST_F(Udp, SendsManyDatagramsOfManyPeersUnderBackpressure) {
  listen({{"send-buffer-bytes", std::int64_t{8192}}});
  std::vector<std::unique_ptr<OneLayer>> clients;
  constexpr std::size_t kEach = 400;
  for (int i = 0; i < 8; ++i) {
    clients.push_back(connect({{"receive-buffer-bytes", std::int64_t{4 << 20}}}));
    clients.back()->hungry = true;
    clients.back()->demand(1 << 20);
    clients.back()->send("hi");
  }
  ASSERT_TRUE(until([&] { return listener->peers.size() == 8; }));
  for (auto& each : listener->peers) {
    for (std::size_t i = 0; i < kEach; ++i) each->send(std::string(100, 'x') + std::to_string(i));
  }
  ASSERT_TRUE(
      until([&] { return std::ranges::all_of(clients, [](auto& c) { return c->datagrams.size() == kEach; }); }));
  for (auto& client : clients) EXPECT_EQ(client->datagrams.back(), std::string(100, 'x') + std::to_string(kEach - 1));
  for (auto& each : listener->peers) EXPECT_GT(each->port().credit(), 0u);
}

TEST_F(Udp, CanBeDestroyedAtAnyTime) {
  listen();
  for (int steps = 0; steps < 12; ++steps) {
    auto client = connect();
    client->demand(1000);
    client->send("data");
    for (int i = 0; i < steps; ++i) loop->run_once(false);
    if (!listener->peers.empty()) {
      peer().send("answer");
      if (steps % 2 == 0) listener->peers.clear();
    }
  }
  pass(5ms);
}

}  // namespace
}  // namespace trellis::test
