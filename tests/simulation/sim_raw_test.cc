// Packets of an IP protocol without ports over a simulated network: who gets them, what refuses them.
#include <sys/socket.h>

#include "loop/sim_nat.h"
#include "sim_fixture.h"

namespace trellis::simulation {
namespace {

constexpr int kExperimental = 253;  // RFC 3692

/// A program on one raw socket.
DatagramUser raw_user(VirtualLoop& loop, const Address& local, const Address& remote = {},
                      int protocol = kExperimental) {
  return {loop, local, remote, false, {}, protocol};
}

TEST(SimRaw, PacketsArriveWithAddressesAndWithoutPorts) {
  TwoHosts net;
  auto server = raw_user(net.server.loop(), ip("0.0.0.0", 7));
  auto client = raw_user(net.client.loop(), ip("10.0.0.1", 9), ip("10.0.0.2", 80));
  EXPECT_EQ(server.socket->local(), ip("0.0.0.0", 7));
  EXPECT_EQ(client.socket->local(), ip("10.0.0.1", 9));
  ASSERT_TRUE(client.send("one", {}, 2));
  EXPECT_TRUE(net.world.run_until_idle());
  ASSERT_EQ(server.received.size(), 1u);
  EXPECT_EQ(server.received[0].text, "one");
  EXPECT_EQ(server.received[0].ecn, 2);
  EXPECT_EQ(server.received[0].from, ip("10.0.0.1"));
  EXPECT_EQ(server.received[0].to, ip("10.0.0.2", 7));
  ASSERT_TRUE(server.send("answer", ip("10.0.0.1", 4711)));
  EXPECT_TRUE(net.world.run_until_idle());
  ASSERT_EQ(client.received.size(), 1u);
  EXPECT_EQ(client.received[0].text, "answer");
  EXPECT_FALSE(client.received[0].from);
}

TEST(SimRaw, AllSocketsOfTheProtocolGetACopy) {
  TwoHosts net;
  auto first = raw_user(net.server.loop(), ip("10.0.0.2")), second = raw_user(net.server.loop(), ip("0.0.0.0"));
  auto connected = raw_user(net.server.loop(), ip("10.0.0.2"), ip("10.0.0.1"));
  net.client.interface("eth0").add_address("10.0.0.3");
  auto to_another = raw_user(net.server.loop(), ip("10.0.0.2"), ip("10.0.0.3"));
  auto other = raw_user(net.server.loop(), ip("10.0.0.2"), {}, kExperimental + 1);
  DatagramUser udp(net.server.loop(), ip("10.0.0.2", 80));
  auto client = raw_user(net.client.loop(), {}, net.to_server);
  ASSERT_TRUE(client.send("?"));
  EXPECT_TRUE(net.world.run_until_idle());
  for (const DatagramUser* hears : {&first, &second, &connected}) EXPECT_EQ(hears->received.size(), 1u);
  for (const DatagramUser* deaf : {&to_another, &other, &udp}) EXPECT_TRUE(deaf->received.empty());
}

TEST(SimRaw, AProtocolThatNobodyTakesIsASoftError) {
  TwoHosts net;
  auto client = raw_user(net.client.loop(), {}, net.to_server);
  ASSERT_TRUE(client.send("anybody?"));
  EXPECT_TRUE(net.world.run_until_idle());
  ASSERT_EQ(client.errors.size(), 1u);
  EXPECT_EQ(client.errors[0].code, static_cast<std::uint64_t>(ENOPROTOOPT));
}

TEST(SimRaw, HasRoomForAWholePacket) {
  TwoHosts net;
  auto server = raw_user(net.server.loop(), ip("10.0.0.2"));
  auto client = raw_user(net.client.loop(), {}, net.to_server);
  ASSERT_TRUE(client.send(std::string(65'515, 'x')));
  EXPECT_FALSE(client.send(std::string(65'516, 'x')));
  EXPECT_TRUE(net.world.run_until_idle());
  ASSERT_EQ(server.received.size(), 1u);
  EXPECT_EQ(server.received[0].text.size(), 65'515u);
}

// It knows protocols by their ports.
TEST(SimRaw, ANatLetsNothingThrough) {
  TwoHosts net;
  SimHost& home = net.network.add_host("home");
  net.network.link(home.add_interface("eth0", {"192.168.0.2"}), net.client.add_interface("eth1", {"192.168.0.1"}), {});
  net.client.options.forwards = true;
  net.client.add_nat(net.client.interface("eth0"), {});
  const DatagramUser udp_server(net.server.loop(), net.to_server);
  DatagramUser udp(home.loop(), {}, net.to_server);
  const auto server = raw_user(net.server.loop(), ip("10.0.0.2"));
  auto inside = raw_user(home.loop(), {}, net.to_server);
  ASSERT_TRUE(udp.send("by UDP"));
  ASSERT_TRUE(inside.send("by itself"));
  EXPECT_TRUE(net.world.run_until_idle());
  EXPECT_EQ(udp_server.received.size(), 1u);
  EXPECT_TRUE(server.received.empty());
}

TEST(SimRaw, WhatTheKernelSpeaksItselfIsRefused) {
  TwoHosts net;
  for (const int protocol : {0, 1, 6, 17, 136}) {
    auto made = net.client.loop().sockets().open({.kind = SocketSpec::Kind::raw, .protocol = protocol});
    EXPECT_FALSE(made) << protocol;
  }
}

}  // namespace
}  // namespace trellis::simulation
