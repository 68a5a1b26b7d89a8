// sctp/ip: ports that are SCTP's own, and the packets of others that a raw socket brings: in virtual time, and over the
// loopback of a network of its own.
#include <netinet/in.h>
#include <sys/socket.h>

#include <filesystem>
#include <set>
#include <span>
#include <tuple>

#include "../support/own_network.h"
#include "../support/powerless.h"
#include "sctp/packet_ports.h"
#include "sctp_pair.h"
#include "stacks/world.h"
#include "wire.h"

namespace trellis::tests {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::uint16_t kSctpPort = 4433;  // where VirtualPair listens

struct SctpOverIp : GroupFixture {
  Talker& connected_over_ip() {
    pair.listen("sctp/ip");
    Talker& client = pair.dial_ready("sctp/ip");
    EXPECT_TRUE(pair.until([&] { return pair.peers.size() == 1; }));
    return client;
  }
  /// Both sides go on as if nothing had happened.
  void expect_no_harm(Talker& client) {
    pair.world.run_for(1s);
    EXPECT_FALSE(client.failed) << client.failed->detail;
    EXPECT_FALSE(pair.peers[0]->failed) << pair.peers[0]->failed->detail;
    client.send("no harm");
    EXPECT_TRUE(pair.until([&] { return !pair.peers[0]->reader->messages.empty(); }));
    EXPECT_THAT(pair.peers[0]->reader->messages, ElementsAre("no harm"));
  }
  /// A packet that has these ports at its front.
  static SimPacket with_ports(SimPacket packet, unsigned from, unsigned to) {
    const unsigned octets[] = {from >> 8, from & 255, to >> 8, to & 255};
    for (std::size_t i = 0; i < 4; ++i) packet.payload[i] = static_cast<std::byte>(octets[i]);
    Wire::seal(packet);
    return packet;
  }
};

// IMPL-156, IMPL-159, IMPL-160, IMPL-164: the ports of the Endpoints are those of SCTP.
TEST_F(SctpOverIp, MessagesBothWaysAndAGoodEnd) {
  Talker& client = connected_over_ip();
  Talker& server = *pair.peers[0];
  client.read();
  EXPECT_EQ(pair.listener.local().port, kSctpPort);
  EXPECT_EQ(client.connection.remote().port, kSctpPort);
  EXPECT_NE(client.connection.local().port, 0);
  EXPECT_EQ(server.connection.remote(), client.connection.local());
  EXPECT_EQ(server.connection.local().port, kSctpPort);
  client.send(std::string(300'000, 'l'));
  client.send("small");
  server.send("answer");
  ASSERT_TRUE(pair.until([&] { return server.reader->messages.size() == 2 && !client.reader->messages.empty(); }));
  EXPECT_EQ(server.reader->messages[0].size(), 300'000u);
  EXPECT_EQ(client.reader->messages[0], "answer");
  client.close();
  ASSERT_TRUE(pair.until([&] { return client.closed && server.reader->ended; }));
  EXPECT_TRUE(*client.closed) << client.closed->error().detail;
}

// IMPL-161: streams are Connections, as over UDP.
TEST_F(SctpOverIp, StreamsAreConnections) {
  Talker& first = connected_over_ip();
  for (const char* words : {"one", "two", "three"}) pair.clone(first).send(words);
  for (const char* words : {"one", "two", "three"})
    EXPECT_TRUE(pair.until([&] { return peer_with(words) != nullptr; })) << words;
}

// Clients of one host have one address: the sockets of all get the packets for each.
TEST_F(SctpOverIp, ClientsOfOneHostDoNotDisturbEachOther) {
  connected_over_ip();
  for (int i = 0; i < 9; ++i) pair.dial_ready("sctp/ip");
  ASSERT_TRUE(pair.until([&] { return pair.peers.size() == 10; }));
  for (std::size_t i = 0; i < 10; ++i) pair.talkers[i]->send(std::to_string(i));
  for (std::size_t i = 0; i < 10; ++i) {
    ASSERT_TRUE(pair.until([&] { return peer_with(std::to_string(i)) != nullptr; })) << i;
    pair.talkers[i]->read();
    peer_with(std::to_string(i))->send("to " + std::to_string(i));
  }
  pair.talkers[0]->connection.abort(1);
  for (std::size_t i = 1; i < 10; ++i) {
    ASSERT_TRUE(pair.until([&] { return !pair.talkers[i]->reader->messages.empty(); })) << i;
    EXPECT_EQ(pair.talkers[i]->reader->messages[0], "to " + std::to_string(i));
  }
  pair.world.run_for(2s);
  for (std::size_t i = 1; i < 10; ++i) EXPECT_FALSE(pair.talkers[i]->failed) << i;
}

// IMPL-165
TEST_F(SctpOverIp, AnAbortIsToldToThePeer) {
  Talker& client = connected_over_ip();
  client.connection.abort(7);
  ASSERT_TRUE(pair.until([&] { return pair.peers[0]->failed.has_value(); }));
  EXPECT_EQ(pair.peers[0]->failed->reason, Reason::reset);
  EXPECT_EQ(pair.peers[0]->failed->code, 7u);
}

// What is no SCTP packet is dropped: parts of a header, wrong checksums and tags.
TEST_F(SctpOverIp, SurvivesWhatIsNoSctp) {
  Wire wire(link);
  Talker& client = connected_over_ip();
  for (Wire::Way* way : {&wire.forth, &wire.back}) {
    for (std::size_t size = 0; size <= 16; ++size) {
      SimPacket packet = *way->last;
      packet.payload.resize(size);
      way->link.inject(packet);
      if (size < 12) continue;
      Wire::seal(packet);
      way->link.inject(packet);
    }
    SimPacket changed = *way->last;
    changed.payload.back() ^= std::byte{1};
    way->link.inject(changed);
    way->link.inject(Wire::with(*way, Wire::abort("away"), way->tag ^ 1));
    SimPacket of_another_protocol = Wire::with(*way, Wire::abort("away"), way->tag);
    of_another_protocol.protocol = 253;
    way->link.inject(of_another_protocol);
  }
  expect_no_harm(client);
}

// A host may have SCTP of other programs: what is for their ports is left to them, and never answered with an ABORT.
TEST_F(SctpOverIp, LeavesThePacketsOfOthersAlone) {
  Wire wire(link);
  Talker& client = connected_over_ip();
  pair.world.run_for(1s);
  const std::uint16_t own = client.connection.local().port;
  const std::size_t forth = wire.forth.types.size(), back = wire.back.types.size();
  const SimPacket to_server = *wire.forth.last, to_client = *wire.back.last, first = *wire.forth.first;
  wire.forth.link.inject(with_ports(to_server, own, kSctpPort + 1));
  wire.forth.link.inject(with_ports(first, 999, kSctpPort + 1));  // an INIT for another listener
  wire.back.link.inject(with_ports(to_client, kSctpPort, static_cast<unsigned>(own ^ 1)));
  wire.back.link.inject(with_ports(to_client, kSctpPort + 1, own));
  SimPacket of_a_stranger = with_ports(to_client, kSctpPort, own);
  of_a_stranger.from.ip[3] = 77;
  wire.back.link.inject(of_a_stranger);
  pair.world.run_for(1s);
  EXPECT_EQ(wire.forth.types.size(), forth) << "something was answered";
  EXPECT_EQ(wire.back.types.size(), back) << "something was answered";
  expect_no_harm(client);
}

// IMPL-157: nobody speaks the protocol there: a soft error, and no answer in time.
TEST_F(SctpOverIp, NobodyIsThere) {
  Talker& client = pair.dial("sctp(init-attempts=1,rto-initial-ms=100,rto-max-ms=200)/ip");
  ASSERT_TRUE(pair.until([&] { return client.ready.has_value(); }));
  EXPECT_FALSE(*client.ready);
}

/// Runs the test's words in a network of its own: a raw socket hears what any program of its network sends.
void in_a_world(const std::function<void(World&)>& words) {
  if (std::filesystem::exists("/proc/net/sctp"))
    GTEST_SKIP() << "the kernel of this host speaks SCTP and would answer what is for us";
  const bool permitted = test::in_own_network([&] {
    World world;
    words(world);
    world.accepted.clear();
  });
  if (!permitted) GTEST_SKIP() << "network namespaces and raw sockets are not permitted here";
}

// IMPL-4, IMPL-156, IMPL-164
TEST(SctpOverIpLoopback, MessagesBothWaysAndAGoodEnd) {
  in_a_world([](World& world) {
    for (const char* address : {"127.0.0.1", "::1"}) {
      const Listener listener = world.listen("sctp/ip", address);
      auto [client, server] = world.pair("sctp/ip", listener);
      EXPECT_EQ(server.remote(), client.local());
      Reader at_server(server), at_client(client);
      client.send(slice(client, std::string(500'000, 'l')));
      client.send(slice(client, "small"));
      server.send(slice(server, "answer"));
      ASSERT_TRUE(world.run_until([&] { return at_server.messages.size() == 2 && at_client.messages.size() == 1; }))
          << address;
      EXPECT_EQ(at_server.messages[0], std::string(500'000, 'l'));
      EXPECT_EQ(at_server.messages[1], "small");
      world.close(client);
      EXPECT_TRUE(world.run_until([&] { return at_server.ended; }));
    }
  });
}

// Two listeners at one address, told apart by ports, and clients with ports that they chose.
TEST(SctpOverIpLoopback, PortsAreSctpsOwn) {
  in_a_world([](World& world) {
    const Listener first = world.listen("sctp/ip"), second = world.listen("sctp/ip");
    EXPECT_NE(first.local().port, second.local().port);
    std::vector<Connection> clients;
    std::uint16_t port = 6000;
    for (const Listener* listener : {&first, &second}) {
      const int before = world.dialled;
      const std::size_t had = world.accepted.size();
      clients.push_back(world.preconnection("sctp/ip")
                            .local({.host = "127.0.0.1", .port = ++port})
                            .remote({.host = {}, .port = listener->local().port, .address = listener->local()})
                            .initiate(*world.loop, [&](Result<void> how) {
                              EXPECT_TRUE(how) << how.error().detail;
                              ++world.dialled;
                            }));
      ASSERT_TRUE(world.run_until([&] { return world.dialled > before && world.accepted.size() > had; }));
      EXPECT_EQ(clients.back().local().port, port);
      EXPECT_EQ(world.accepted.back()->remote().port, port);
      EXPECT_EQ(world.accepted.back()->local().port, listener->local().port);
    }
    Reader at_first(*world.accepted[0]), at_second(*world.accepted[1]);
    clients[0].send(slice(clients[0], "to the first"));
    clients[1].send(slice(clients[1], "to the second"));
    ASSERT_TRUE(world.run_until([&] { return !at_first.messages.empty() && !at_second.messages.empty(); }));
    EXPECT_THAT(at_first.messages, ElementsAre("to the first"));
    EXPECT_THAT(at_second.messages, ElementsAre("to the second"));
  });
}

/// A plain raw socket: sends what it likes to 127.0.0.1, and hears everything that goes there.
class Stranger {
 public:
  ~Stranger() { ::close(descriptor_); }
  explicit operator bool() const { return descriptor_ >= 0; }
  bool send(std::span<const std::byte> packet) const {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return ::sendto(descriptor_, packet.data(), packet.size(), 0, reinterpret_cast<const sockaddr*>(&to), sizeof to) ==
           static_cast<ssize_t>(packet.size());
  }
  /// The SCTP ports from which an ABORT was sent, since it was asked last.
  std::set<std::uint16_t> aborting() const {
    constexpr std::size_t kIpHeader = 20, kChunkAt = kIpHeader + 12;
    std::set<std::uint16_t> ports;
    std::byte packet[2048];
    for (ssize_t n; (n = ::recv(descriptor_, packet, sizeof packet, MSG_DONTWAIT)) >= 0;) {
      if (static_cast<std::size_t>(n) <= kChunkAt || packet[kChunkAt] != std::byte{kAbort}) continue;
      ports.insert(sctp::ports_of(std::span(packet).subspan(kIpHeader)).from);
    }
    return ports;
  }

 private:
  const int descriptor_ = ::socket(AF_INET, SOCK_RAW, IPPROTO_SCTP);
};

// Whatever strangers send, nobody answers but the listener that it is for, and nothing ends (RFC 9260 section 8.4).
TEST(SctpOverIpLoopback, StrangersDisturbNothing) {
  in_a_world([](World& world) {
    const Listener listener = world.listen("sctp/ip");
    auto [client, server] = world.pair("sctp/ip", listener);
    Reader at_server(server), at_client(client);
    const Stranger stranger;
    ASSERT_TRUE(stranger);
    const auto octets = [](std::uint16_t port) {
      return std::pair{static_cast<std::byte>(port >> 8), static_cast<std::byte>(port & 255)};
    };
    const std::uint16_t ports[] = {listener.local().port, client.local().port, 1};
    std::set<std::uint16_t> aborting;
    for (const std::uint16_t from : ports) {
      for (const std::uint16_t to : ports) {
        for (std::size_t size = 0; size <= 48; ++size) {
          std::vector<std::byte> packet(std::max<std::size_t>(size, 12), std::byte{kData});
          std::tie(packet[0], packet[1]) = octets(from);
          std::tie(packet[2], packet[3]) = octets(to);
          packet.resize(size);
          EXPECT_TRUE(stranger.send(packet));  // a wrong checksum
          if (size < 12) continue;
          sctp::seal_packet(packet);
          EXPECT_TRUE(stranger.send(packet));  // a wrong tag, and a chunk that lies
        }
        world.spin();
        aborting.merge(stranger.aborting());
      }
    }
    client.send(slice(client, "to the server"));
    server.send(slice(server, "to the client"));
    ASSERT_TRUE(world.run_until([&] { return !at_server.messages.empty() && !at_client.messages.empty(); }));
    EXPECT_THAT(at_server.messages, ElementsAre("to the server"));
    EXPECT_THAT(at_client.messages, ElementsAre("to the client"));
    EXPECT_FALSE(at_server.error || at_client.error);
    EXPECT_THAT(aborting, testing::IsSubsetOf({listener.local().port}));
  });
}

TEST(SctpOverIpLoopback, WithoutTheCapabilityTheErrorSaysSo) {
  World world;
  const test::Powerless powerless;
  const Connection client = world.preconnection("sctp/ip")
                                .remote({.host = "127.0.0.1", .port = 7000})
                                .initiate(*world.loop, [&](Result<void> how) { world.dial_error = how.error(); });
  ASSERT_TRUE(world.run_until([&] { return world.dial_error.has_value(); }));
  EXPECT_THAT(world.dial_error->detail, HasSubstr("CAP_NET_RAW"));
}

}  // namespace
}  // namespace trellis::tests
