// Whoever wants to take part in an association from an address of which nobody has told, or tells lies about addresses.
#include "two_homes.h"
#include "wire.h"

namespace trellis::tests {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

struct HostilePaths : TwoHomes {
  Wire wire{first};
  /// The same packet as if it came from elsewhere.
  static SimPacket from(SimPacket packet, std::initializer_list<std::uint8_t> ip) {
    std::ranges::copy(ip, packet.from.ip.begin());
    return packet;
  }
  void expect_unharmed(const std::string& sent) {
    world.run_for(1s);
    EXPECT_FALSE(talker->failed) << talker->failed->detail;
    EXPECT_FALSE(peer().failed) << peer().failed->detail;
    talker->send(sent);
    EXPECT_TRUE(world.run_until([&] { return !peer().reader->messages.empty(); }, 5s));
    EXPECT_THAT(peer().reader->messages, ElementsAre(sent));
  }
};

// Even who knows the tag is nobody at an address that was not told (RFC 9260 section 5.1.2).
TEST_F(HostilePaths, AnAddressThatWasNotTold) {
  connect();
  const SimPacket abort = Wire::with(wire.forth, Wire::abort("away"), wire.forth.tag);
  first.forth().inject(from(abort, {10, 1, 0, 9}));
  const Octets data{kData, 3, 0, 20, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 'e', 'v', 'i', 'l'};
  first.forth().inject(from(Wire::with(wire.forth, data, wire.forth.tag), {10, 2, 0, 9}));
  expect_unharmed("unharmed");
  EXPECT_THAT(paths(peer()), Not(HasSubstr("10.1.0.9")));
}

// And at one that was told nobody is who does not know the tag.
TEST_F(HostilePaths, AToldAddressWithTheWrongTag) {
  connect();
  for (const std::uint32_t tag : {0u, 1u, wire.forth.tag ^ 1, wire.back.tag})
    second.forth().inject(from(Wire::with(wire.forth, Wire::abort("away"), tag), {10, 2, 0, 1}));
  expect_unharmed("unharmed");
}

// Who knows both is the peer.
TEST_F(HostilePaths, AToldAddressWithTheRightTag) {
  connect();
  second.forth().inject(from(Wire::with(wire.forth, Wire::abort("away"), wire.forth.tag), {10, 2, 0, 1}));
  world.run_for(1s);
  EXPECT_TRUE(peer().failed);
}

// A first packet from an address of the association begins nothing in it, and disturbs nothing (section 5.2.4.1).
TEST_F(HostilePaths, AnInitFromAToldAddress) {
  std::optional<SimPacket> init;
  wire.forth.look = [&](SimPacket& packet) {
    if (Wire::type(packet) == kInit && !init) init = packet;
  };
  connect();
  const std::string before = paths(peer());
  second.forth().inject(from(*init, {10, 2, 0, 1}));
  expect_unharmed("unharmed");
  EXPECT_EQ(paths(peer()), before);
}

// An answer to a heartbeat that was not asked for confirms nothing (section 5.4).
TEST_F(HostilePaths, AHeartbeatAckWithAWrongNonce) {
  cut(second);
  connect();
  const Octets ack{5, 0, 0, 24, 0, 1, 0, 20, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
  for (int i = 0; i < 10; ++i) {
    for (Wire::Way* way : {&wire.forth, &wire.back}) Wire::put(*way, ack);
  }
  expect_unharmed("unharmed");
  EXPECT_THAT(paths(*talker), HasSubstr("1: 10.2.0.1 to 10.2.0.2 port 4433, unconfirmed"));
  EXPECT_THAT(paths(peer()), HasSubstr("unconfirmed"));
}

/// What follows the parameters of an INIT or INIT ACK that passes.
void append(SimPacket& packet, const Octets& parameters) {
  for (const std::uint8_t octet : parameters) packet.payload.push_back(static_cast<std::byte>(octet));
  const std::size_t length = packet.payload.size() - 12;
  packet.payload[14] = static_cast<std::byte>(length >> 8);
  packet.payload[15] = static_cast<std::byte>(length);
  Wire::seal(packet);
}

// Of very many addresses the first few count.
TEST_F(HostilePaths, TooManyAddresses) {
  Octets many;
  for (std::uint8_t i = 1; i <= 100; ++i) many.insert(many.end(), {0, 5, 0, 8, 10, 3, 0, i});
  for (Wire::Way* way : {&wire.forth, &wire.back}) {
    way->look = [&](SimPacket& packet) {
      if (Wire::type(packet) == kInit || Wire::type(packet) == kInitAck) append(packet, many);
    };
  }
  connect();
  for (Talker* each : {talker.get(), peers[0].get()}) {
    EXPECT_LE(std::ranges::count(paths(*each), ';'), 7) << paths(*each);
  }
  expect_unharmed("unharmed");
}

// Groups, loopbacks and addresses that no host has are not spoken to; lengths that lie end the list.
TEST_F(HostilePaths, AddressesThatAreNone) {
  const Octets lies{0, 5, 0, 8, 224, 0, 0, 1, 0,   5,   0,   8,   127, 0, 0, 1, 0,   5,   0, 8,
                    0, 0, 0, 0, 0,   5, 0, 8, 255, 255, 255, 255, 0,   5, 0, 8, 169, 254, 0, 1};
  for (Wire::Way* way : {&wire.forth, &wire.back}) {
    way->look = [&](SimPacket& packet) {
      if (Wire::type(packet) == kInit || Wire::type(packet) == kInitAck) append(packet, lies);
    };
  }
  connect();
  EXPECT_EQ(std::ranges::count(paths(peer()), ';'), 1) << paths(peer());
  EXPECT_EQ(std::ranges::count(paths(*talker), ';'), 1) << paths(*talker);
  expect_unharmed("unharmed");
}

// Whatever the parameters look like: a handshake succeeds or fails, and the listener goes on.
TEST_F(HostilePaths, ParametersThatLie) {
  listen();
  for (const Octets& lie : {Octets{0, 5, 0, 3}, Octets{0, 5, 0, 4}, Octets{0, 5, 255, 255, 1, 2, 3, 4},
                            Octets{0, 6, 0, 8, 1, 2, 3, 4}, Octets{0, 5, 0, 20, 1, 2, 3, 4}, Octets{0, 5}}) {
    for (Wire::Way* way : {&wire.forth, &wire.back}) {
      const int type = way == &wire.forth ? kInit : kInitAck;
      way->look = [&lie, type](SimPacket& packet) {
        if (Wire::type(packet) == type) append(packet, lie);
      };
      Talker attempt;
      attempt.connection = to_server("init-attempts=1").initiate(client.loop(), attempt.on_ready());
      EXPECT_TRUE(world.run_until([&] { return attempt.ready.has_value(); }, 60s));
      way->look = nullptr;
    }
  }
  peers.clear();
  connect(to_server());
  expect_unharmed("unharmed");
}

}  // namespace
}  // namespace trellis::tests
