// The ip plugin against the kernel, on the loopback of a network of its own, and in a simulated one.
#include <netinet/in.h>

#include "../support/own_network.h"
#include "loop/sim_network.h"
#include "one_layer.h"

namespace trellis::test {
namespace {

constexpr std::int64_t kExperiment = 253;  // RFC 3692

Address nth_loopback(std::uint8_t n) {
  Address made = loopback();
  made.ip[3] = n;
  return made;
}

class IpLayer : public TransportTest {
 protected:
  /// Runs the test's words in a network of its own: a raw socket hears what any program of its network sends.
  void alone(const std::function<void()>& words) {
    const bool permitted = in_own_network([&] {
      loop = make_loop();
      words();
      clients.clear();
      listener.reset();
      loop.reset();
    });
    if (!permitted) GTEST_SKIP() << "network namespaces and raw sockets are not permitted here";
  }
  static std::shared_ptr<Protocol> ip(std::map<std::string, OptionValue> options = {}) {
    options.try_emplace("protocol", kExperiment);
    return configured("ip", std::move(options));
  }
  void listen(const Address& at, std::map<std::string, OptionValue> options = {}) {
    listener.emplace(*loop, ip(std::move(options)), at);
    ASSERT_FALSE(listener->failure) << listener->failure->detail;
    listener->on_peer = [](OneLayer& peer) {
      peer.hungry = true;
      peer.demand(1 << 16);
    };
  }
  OneLayer& connect(const Address& to, const Address& from = {}) {
    const auto protocol = ip();
    auto made = std::make_unique<OneLayer>(*loop, protocol, Face::datagram);  // keeps it
    made->route.local = from;
    made->layer = std::move(*protocol->connect(made->seat()));
    made->open(to, false);
    made->demand(1 << 16);
    return *clients.emplace_back(std::move(made));
  }
  OneLayer& peer(std::size_t i = 0) { return *listener->peers.at(i); }

  std::optional<OneListener> listener;
  std::vector<std::unique_ptr<OneLayer>> clients;
};

using Packets = std::vector<std::string>;

TEST_F(IpLayer, CarriesPacketsWhole) {
  alone([&] {
    for (const Address& at : {nth_loopback(2), loopback6(7)}) {
      listen(at);
      OneLayer& client = connect(at, at.family == Address::Family::ipv4 ? nth_loopback(1) : Address{});
      EXPECT_TRUE(client.was_ready);
      EXPECT_EQ(client.route.remote, at);
      const Packets texts = {"one", "", "three", std::string(60'000, 'x')};
      for (const std::string& text : texts) client.send(text);
      ASSERT_TRUE(until([&] { return listener->peers.size() == 1 && peer().datagrams.size() == 4; }));
      EXPECT_EQ(peer().datagrams, texts);
      EXPECT_EQ(peer().route.remote.ip, client.route.local.ip);
      EXPECT_EQ(peer().route.remote.port, 0) << "there are no ports";
      client.datagrams.clear();  // over IPv6 its own packets, because both ends have one address
      peer().send("reply");
      ASSERT_TRUE(until([&] { return client.datagrams == Packets{"reply"}; }));
      listener.reset();
    }
  });
}

// IMPL-46: each address is a peer.
TEST_F(IpLayer, TellsPeersApartByTheirAddresses) {
  alone([&] {
    listen(nth_loopback(1));
    for (std::uint8_t n = 2; n < 22; ++n) connect(nth_loopback(1), nth_loopback(n));
    for (int round = 0; round < 3; ++round)
      for (std::size_t i = 0; i < clients.size(); ++i) clients[i]->send(std::to_string(i));
    ASSERT_TRUE(until([&] {
      return listener->peers.size() == clients.size() &&
             std::ranges::all_of(listener->peers, [](auto& p) { return p->datagrams.size() == 3; });
    }));
    for (auto& each : listener->peers) {
      EXPECT_EQ(each->datagrams, Packets(3, each->datagrams[0]));
      each->send("to " + each->datagrams[0]);
    }
    ASSERT_TRUE(until([&] { return std::ranges::all_of(clients, [](auto& c) { return c->datagrams.size() == 1; }); }));
    for (std::size_t i = 0; i < clients.size(); ++i) EXPECT_EQ(clients[i]->datagrams[0], "to " + std::to_string(i));
  });
}

// IMPL-42: without a local address it listens on both families, and answers from the address that was asked.
TEST_F(IpLayer, ListensOnBothFamilies) {
  alone([&] {
    listen(Address{});
    for (const Address& to : {nth_loopback(9), loopback6()}) {
      OneLayer& client = connect(to);
      client.send("who are you");
      const std::size_t before = listener->peers.size();
      ASSERT_TRUE(until([&] { return listener->peers.size() == before + 1; }));
      peer(before).send("me");
      EXPECT_TRUE(until([&] { return !client.datagrams.empty() && client.datagrams.back() == "me"; }));
    }
  });
}

TEST_F(IpLayer, BoundsItsPeers) {
  alone([&] {
    listen(nth_loopback(1), {{"peers", std::int64_t{2}}});
    for (std::uint8_t n = 2; n < 7; ++n) connect(nth_loopback(1), nth_loopback(n)).send("x");
    ASSERT_TRUE(until([&] { return listener->peers.size() == 2 && !listener->logged.empty(); }));
    EXPECT_NE(listener->logged[0].find("(option peers)"), std::string::npos) << listener->logged[0];
  });
}

TEST_F(IpLayer, KnowsItsSizesAndItsProtocol) {
  alone([&] {
    OneLayer& v4 = connect(nth_loopback(1));
    OneLayer& v6 = connect(loopback6());
    EXPECT_EQ(v4.get<std::uint64_t>(kIpProtocol.name), 253u);
    EXPECT_EQ(v4.get<std::uint64_t>("sendMsgMaxLen"), 65'515u);
    EXPECT_EQ(v6.get<std::uint64_t>("recvMsgMaxLen"), 65'535u);
    EXPECT_EQ(v4.get<std::uint64_t>("singularTransmissionMsgMaxLen"), 65'515u);  // the loopback has 65,536
    EXPECT_EQ(v6.get<std::uint64_t>("singularTransmissionMsgMaxLen"), 65'496u);
    EXPECT_FALSE(v4.layer->get(UpperPort(v4.link), "recvChecksumLen"));  // IP has no checksum of the payload
    EXPECT_FALSE(v4.set(kIpProtocol.name, std::uint64_t{1}));
  });
}

TEST(IpOptions, WhatCannotBeSpokenIsRefused) {
  ProtocolKind& kind = kind_of("ip");
  for (const std::int64_t protocol : {6, 17, 43, 44, 59, 60, 136}) {
    auto made = kind.configure(Given(kind.options(), {{"protocol", protocol}}));
    ASSERT_FALSE(made) << protocol;
    EXPECT_EQ(made.error().reason, Reason::configuration);
    EXPECT_NE(made.error().detail.find(std::to_string(protocol)), std::string::npos);
  }
  EXPECT_TRUE(kind.configure(Given(kind.options(), {})));
}

// No checksum covers what it carries, and all loops would get the same.
TEST(IpTraits, ClaimNoMoreThanIpGives) {
  const auto ip = configured("ip"), udp = configured("udp");
  const LayerTraits traits = ip->traits(Face::datagram);
  EXPECT_EQ(traits.adds, (FeatureSet{Feature::boundaries, Feature::soft_errors}));
  EXPECT_FALSE(traits.adds.contains(udp->traits(Face::datagram).adds));
  EXPECT_TRUE(traits.one_loop);
  EXPECT_EQ(ip->traits(Face::bytestream).above, Face::none);
}

}  // namespace
}  // namespace trellis::test
