// Packets of an IP protocol on raw sockets: no headers, no ports, and who gets what.
#include <netinet/in.h>

#include <array>

#include "../support/own_network.h"
#include "../support/powerless.h"
#include "harness.h"
#include "loop/ip_header.h"
#include "loop/socket_address.h"

namespace trellis::test {
namespace {

using RawKind = SocketSpec::Kind;
using RawRole = SocketSpec::Role;

constexpr int kExperiment = 253;  // RFC 3692

std::vector<std::byte> packet_of(std::size_t size, unsigned first) {
  std::vector<std::byte> packet(size);
  if (size > 0) packet[0] = static_cast<std::byte>(first);
  return packet;
}

TEST(Ipv4Header, IsMeasuredOrRefused) {
  EXPECT_EQ(ipv4_header_bytes({}), 0u);
  EXPECT_EQ(ipv4_header_bytes(packet_of(19, 0x45)), 0u) << "truncated";
  EXPECT_EQ(ipv4_header_bytes(packet_of(20, 0x45)), 20u) << "no payload";
  EXPECT_EQ(ipv4_header_bytes(packet_of(100, 0x46)), 24u) << "with options";
  EXPECT_EQ(ipv4_header_bytes(packet_of(60, 0x4f)), 60u);
  EXPECT_EQ(ipv4_header_bytes(packet_of(59, 0x4f)), 0u) << "options that are not there";
  EXPECT_EQ(ipv4_header_bytes(packet_of(100, 0x44)), 0u) << "shorter than a header can be";
  EXPECT_EQ(ipv4_header_bytes(packet_of(100, 0x65)), 0u) << "IPv6";
}

/// The loopback of a network of its own, and raw sockets there.
struct RawNet : LoopTest {
  void TestBody() override {}
  std::unique_ptr<Socket> bound(const Address& local, int protocol = kExperiment) {
    return open({.kind = RawKind::raw,
                 .role = RawRole::unconnected,
                 .protocol = protocol,
                 .family = local.family,
                 .local = local});
  }
  std::unique_ptr<Socket> connected(const Address& remote, const Address& local, int protocol = kExperiment) {
    auto socket = open({.kind = RawKind::raw, .protocol = protocol, .family = remote.family, .local = local});
    auto done = socket->connect(remote);
    EXPECT_TRUE(done && *done);
    return socket;
  }
  void send(Socket& socket, Chunk&& one) {
    Batch batch;
    batch.add(std::move(one));
    auto io = socket.send(batch);
    ASSERT_TRUE(io) << io.error().detail;
    EXPECT_TRUE(batch.empty());
  }
  Chunk addressed(std::string_view bytes, const Address& remote) {
    Chunk made = chunk(bytes);
    made.info = new_message();
    made.info->remote = remote;
    return made;
  }
  /// What has come, packet by packet: on loopback all that was sent is there.
  std::vector<Chunk> received(Socket& socket) {
    std::vector<Chunk> all;
    for (bool more = true; more;) {
      Batch batch;
      auto io = socket.receive(batch, 1 << 20);
      EXPECT_TRUE(io) << io.error().detail;
      more = io && !io->blocked;
      while (!batch.empty()) all.push_back(batch.pop());
    }
    return all;
  }
  static std::string bytes(const Chunk& chunk) {
    return {reinterpret_cast<const char*>(chunk.data.bytes().data()), chunk.data.size()};
  }
};

class RawSockets : public testing::TestWithParam<Family> {
 protected:
  /// Runs the test's words in a network of its own, where raw sockets of other programs send nothing.
  static void alone(const std::function<void(RawNet&)>& words) {
    const bool permitted = in_own_network([&] {
      RawNet net;
      words(net);
    });
    if (!permitted) GTEST_SKIP() << "network namespaces and raw sockets are not permitted here";
  }
  static Address at(std::uint16_t port = 0) { return test::loopback(GetParam(), port); }
};
INSTANTIATE_TEST_SUITE_P(Ip, RawSockets, testing::Values(Family::ipv4, Family::ipv6),
                         [](const auto& about) { return about.param == Family::ipv4 ? "v4" : "v6"; });

// Ports are kept as they were given and mean nothing.
TEST_P(RawSockets, CarriesPayloadWithoutHeaders) {
  alone([](RawNet& net) {
    auto server = net.bound(at(7));
    EXPECT_EQ(server->local(), at(7));
    auto client = net.connected(at(5000), at(9));
    EXPECT_EQ(client->local(), at(9));
    EXPECT_EQ(client->remote(), at(5000));
    EXPECT_TRUE(*client->connected());
    Chunk marked = net.chunk("payload");
    marked.ecn = 2;
    net.send(*client, std::move(marked));
    net.send(*client, net.chunk(""));
    net.send(*client, net.chunk(std::string(60'000, 'x')));
    const auto got = net.received(*server);
    ASSERT_EQ(got.size(), 3u);
    EXPECT_EQ(net.bytes(got[0]), "payload");
    EXPECT_EQ(got[0].ecn, 2);
    EXPECT_TRUE(got[0].end_of_message);
    ASSERT_TRUE(got[0].info);
    EXPECT_EQ(got[0].info->remote, at());
    EXPECT_EQ(got[0].info->local, at(7));
    EXPECT_EQ(net.bytes(got[1]), "");
    EXPECT_EQ(net.bytes(got[2]), std::string(60'000, 'x'));
    EXPECT_EQ(net.received(*client).size(), 3u) << "what goes to an address comes to all raw sockets there";
    net.send(*server, net.addressed("back", at(1234)));
    const auto back = net.received(*client);
    ASSERT_EQ(back.size(), 1u);
    EXPECT_EQ(net.bytes(back[0]), "back");
    EXPECT_FALSE(back[0].info) << "a connected socket knows its peer";
  });
}

TEST_P(RawSockets, AWildcardKnowsWhereAPacketWasSentTo) {
  alone([](RawNet& net) {
    const Address any{.family = GetParam(), .port = 4};
    auto server = net.bound(any);
    EXPECT_EQ(server->local(), any);
    Address second = at();
    if (GetParam() == Family::ipv4) second.ip[3] = 77;
    auto client = net.connected(second, at());
    net.send(*client, net.chunk("?"));
    auto got = net.received(*server);
    ASSERT_EQ(got.size(), 1u);
    second.port = 4;
    EXPECT_EQ(got[0].info->local, second);
    net.received(*client);                 // over IPv6 its own packet, since there is one address only
    net.send(*server, std::move(got[0]));  // to whom it came from, from the address that it came to
    ASSERT_EQ(net.received(*client).size(), 1u);
  });
}

TEST_P(RawSockets, HearsNoOtherProtocol) {
  alone([](RawNet& net) {
    auto mine = net.bound(at()), other = net.bound(at(), kExperiment + 1);
    net.send(*other, net.addressed("for the other protocol", at()));
    EXPECT_EQ(net.received(*other).size(), 1u);
    EXPECT_TRUE(net.received(*mine).empty());
  });
}

// What one chunk has of several packets, and what one batch has, is sent with few system calls and comes one by one.
TEST_P(RawSockets, SendsManyAtOnce) {
  alone([](RawNet& net) {
    auto server = net.bound(at());
    auto client = net.connected(at(), at());
    Batch batch;
    Chunk cut = net.chunk(std::string(100, 'a') + std::string(100, 'b') + std::string(50, 'c'));
    cut.segment_size = 100;
    batch.add(std::move(cut));
    for (int i = 0; i < 20; ++i) batch.add(net.chunk("packet " + std::to_string(i)));
    auto io = client->send(batch);
    ASSERT_TRUE(io) << io.error().detail;
    const auto got = net.received(*server);
    ASSERT_EQ(got.size(), 23u);
    EXPECT_EQ(net.bytes(got[1]), std::string(100, 'b'));
    EXPECT_EQ(net.bytes(got[2]), std::string(50, 'c'));
    EXPECT_EQ(net.bytes(got[22]), "packet 19");
  });
}

TEST_P(RawSockets, RefusesWhatIsNoProtocol) {
  alone([](RawNet& net) {
    for (const int protocol : {0, 255, 256, -1}) {
      auto made = net.loop.sockets().open({.kind = RawKind::raw, .protocol = protocol, .family = GetParam()});
      ASSERT_FALSE(made) << protocol;
      EXPECT_EQ(made.error().reason, Reason::invalid_argument);
    }
  });
}

TEST(RawSocketsV4, OptionsOfTheHeaderAreTakenOffToo) {
  const bool permitted = in_own_network([] {
    RawNet net;
    auto server = net.bound(loopback(Family::ipv4)), client = net.bound(loopback(Family::ipv4));
    constexpr std::array kNothing{std::byte{1}, std::byte{1}, std::byte{1}, std::byte{1}};
    ASSERT_TRUE(client->set(IPPROTO_IP, IP_OPTIONS, kNothing));
    net.send(*client, net.addressed("behind options", loopback(Family::ipv4)));
    const auto got = net.received(*server);
    ASSERT_EQ(got.size(), 1u);
    EXPECT_EQ(net.bytes(got[0]), "behind options");
  });
  if (!permitted) GTEST_SKIP() << "network namespaces and raw sockets are not permitted here";
}

// Only the peer's packets come to a connected socket.
TEST(RawSocketsV4, AConnectedSocketHearsItsPeerAlone) {
  const bool permitted = in_own_network([] {
    RawNet net;
    Address peer = loopback(Family::ipv4), stranger = peer, own = peer;
    peer.ip[3] = 2;
    stranger.ip[3] = 3;
    auto client = net.connected(peer, own), at_peer = net.bound(peer), at_stranger = net.bound(stranger);
    net.send(*at_stranger, net.addressed("from a stranger", own));
    net.send(*at_peer, net.addressed("from the peer", own));
    const auto got = net.received(*client);
    ASSERT_EQ(got.size(), 1u);
    EXPECT_EQ(net.bytes(got[0]), "from the peer");
  });
  if (!permitted) GTEST_SKIP() << "network namespaces and raw sockets are not permitted here";
}

TEST_F(LoopTest, ARawSocketWithoutTheCapabilitySaysWhatIsMissing) {
  const Powerless powerless;
  auto made = loop.sockets().open({.kind = RawKind::raw, .protocol = kExperiment});
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().reason, Reason::prohibited);
  EXPECT_NE(made.error().detail.find("CAP_NET_RAW"), std::string::npos) << made.error().detail;
  EXPECT_NE(made.error().detail.find("over udp"), std::string::npos) << made.error().detail;
}

}  // namespace
}  // namespace trellis::test
