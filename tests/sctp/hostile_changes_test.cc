// Requests to change addresses (RFC 5061) that nobody may make, or that make no sense; also from the peer itself, whose
// key the tests take from the handshake, as whoever reads it could.
#include "sctp/asconf.h"
#include "sctp/offer.h"
#include "sctp/peer_addresses.h"
#include "two_homes.h"
#include "wire.h"

namespace trellis::tests {
namespace {

using sctp::AddressRequest;
using sctp::Cause;
using sctp::Change;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr std::uint8_t kAuthChunk = 0x0f, kAsconfChunk = 0xc1, kAsconfAckChunk = 0x80;

Address named(const char* text) { return sctp::read_addresses(text).value().front(); }

struct HostileChanges : TwoHomes {
  HostileChanges() {
    wire.forth.look = [this](SimPacket& packet) {
      if (Wire::type(packet) == kInit) init = packet.payload;
      if (Wire::type(packet) == kAuthChunk) requests.push_back(packet);
    };
    wire.back.look = [this](SimPacket& packet) {
      if (Wire::type(packet) == kInitAck) init_ack = packet.payload;
      if (Wire::type(packet) != kAuthChunk) return;
      answers.push_back(packet.payload);
      if (ours) packet.payload.back() ^= std::byte{1};  // the client has not asked, and must not hear it
    };
  }
  sctp::Authenticator authenticator() const {
    const auto ours = sctp::offer_in_packet(init), theirs = sctp::offer_in_packet(init_ack);
    return {ours.key_vector, theirs.key_vector, sctp::kSha256};
  }
  static Octets chunk(std::uint8_t type, std::span<const std::byte> value) {
    Octets made{type, 0, static_cast<std::uint8_t>((value.size() + 4) >> 8),
                static_cast<std::uint8_t>(value.size() + 4)};
    for (const std::byte octet : value) made.push_back(std::to_integer<std::uint8_t>(octet));
    made.resize((made.size() + 3) / 4 * 4);
    return made;
  }
  /// With an AUTH chunk before it.
  Octets sealed(const Octets& chunks) const {
    const auto key = authenticator();
    std::vector<std::byte> all(key.chunk_bytes());
    for (const std::uint8_t octet : chunks) all.push_back(static_cast<std::byte>(octet));
    key.sign(all);
    Octets made;
    for (const std::byte octet : all) made.push_back(std::to_integer<std::uint8_t>(octet));
    return made;
  }
  /// The client's next request, which it does not make itself.
  Octets asconf(const std::vector<AddressRequest>& all) {
    return chunk(kAsconfChunk, sctp::write_asconf(sctp::initial_tsn(init) + made++, named("10.1.0.1"), all));
  }
  /// What the server says to it. Empty: nothing.
  std::vector<Cause> asked(const std::vector<AddressRequest>& all) {
    answers.clear();
    Wire::put(wire.forth, sealed(asconf(all)));
    world.run_for(100ms);
    return answers.empty() ? std::vector<Cause>() : said(answers.back(), all.size());
  }
  static std::vector<Cause> said(std::span<const std::byte> packet, std::size_t requests) {
    auto chunks = sctp::chunks_of(packet);
    while (const auto one = sctp::take_item(chunks)) {
      if (one->chunk() == kAsconfAckChunk) return sctp::read_asconf_ack(one->value, requests).value();
    }
    return {};
  }
  static SimPacket from(SimPacket packet, std::initializer_list<std::uint8_t> ip) {
    std::ranges::copy(ip, packet.from.ip.begin());
    return packet;
  }
  void expect_unharmed() {
    world.run_for(1s);
    ASSERT_FALSE(talker->failed) << talker->failed->detail;
    ASSERT_FALSE(peer().failed) << peer().failed->detail;
    const std::size_t before = peer().reader->messages.size();
    talker->send("unharmed");
    EXPECT_TRUE(world.run_until([&] { return peer().reader->messages.size() == before + 1; }, 5s));
  }
  Wire wire{first};
  std::vector<std::byte> init, init_ack;
  std::vector<SimPacket> requests;
  std::vector<std::vector<std::byte>> answers;
  std::uint32_t made = 0;
  bool ours = true;  // requests are the tests' own
};

TEST_F(HostileChanges, WithoutASignature) {
  connect();
  const std::string before = paths(peer());
  const Octets request = asconf({{Change::add, named("10.1.0.9")}});
  Wire::put(wire.forth, request);
  Octets behind = request;
  const Octets after = sealed({});
  behind.insert(behind.end(), after.begin(), after.end());
  Wire::put(wire.forth, behind);
  for (std::size_t octet = 0; octet < 40; ++octet) {
    Octets bad = sealed(request);
    bad[octet] ^= 1;
    Wire::put(wire.forth, bad);
    first.forth().inject(from(Wire::with(wire.forth, bad, wire.forth.tag), {10, 1, 0, 9}));
  }
  Wire::put(wire.forth, Octets{kAuthChunk, 0, 0, 4});
  Wire::put(wire.forth, Octets{kAuthChunk, 0, 0, 8, 0, 0, 0, 3});
  expect_unharmed();
  EXPECT_EQ(paths(peer()), before);
  EXPECT_THAT(answers, IsEmpty());
}

// RFC 5061 section 5.3.
TEST_F(HostileChanges, WhatIsRefused) {
  connect();
  EXPECT_THAT(asked({{Change::remove, named("10.1.0.1")}}), ElementsAre(Cause::source_address));
  EXPECT_THAT(asked({{Change::remove, named("10.3.0.1")}}), ElementsAre(Cause::unresolvable_address));
  EXPECT_THAT(asked({{Change::prefer, named("10.3.0.1")}}), ElementsAre(Cause::unresolvable_address));
  EXPECT_THAT(asked({{Change::add, named("127.0.0.1")}}), ElementsAre(Cause::unresolvable_address));
  const Address group{.family = Address::Family::ipv4, .ip = {224, 0, 0, 1}};
  EXPECT_THAT(asked({{Change::add, group}, {Change::add, named("10.1.0.1")}}),
              ElementsAre(Cause::unresolvable_address, Cause::none));
  EXPECT_THAT(asked({{Change::remove, named("10.2.0.1")}, {Change::remove, named("10.1.0.1")}}),
              ElementsAre(Cause::none, Cause::last_address));
  EXPECT_THAT(paths(peer()), Not(HasSubstr("10.2.0.1")));
  expect_unharmed();
}

// Beyond a number there is no room, and what follows in the same chunk fails too (F11).
TEST_F(HostileChanges, TooMany) {
  connect();
  std::vector<Cause> last;
  for (std::uint8_t i = 1; i <= 20 && (last.empty() || last[0] == Cause::none); ++i) {
    const Address one{.family = Address::Family::ipv4, .ip = {10, 3, 0, i}};
    last = asked({{Change::add, one}, {Change::remove, named("10.3.0.1")}, {Change::add, named("10.3.0.1")}});
  }
  EXPECT_THAT(last, ElementsAre(Cause::resource_shortage, Cause::resource_shortage, Cause::resource_shortage));
  EXPECT_LE(std::ranges::count(paths(peer()), ';'), 7) << paths(peer());
  expect_unharmed();
}

// Signed requests are done once, and in their order.
TEST_F(HostileChanges, AReplay) {
  ours = false;
  connect();
  client.interface("eth1").set_up(false);
  ASSERT_TRUE(world.run_until([&] { return !paths(peer()).contains("10.2.0.1"); }, 5s));
  client.interface("eth1").set_up(true);
  ASSERT_TRUE(world.run_until([&] { return paths(peer()).contains("10.2.0.1"); }, 5s));
  world.run_for(2s);
  const std::string before = paths(peer());
  ASSERT_EQ(requests.size(), 2u);
  for (const SimPacket& one : std::vector(requests)) {
    first.forth().inject(one);
    first.forth().inject(from(one, {10, 1, 0, 9}));
  }
  expect_unharmed();
  EXPECT_EQ(paths(peer()), before);
  made = 7;
  EXPECT_THAT(asked({{Change::add, named("10.1.0.9")}}), IsEmpty()) << "far from being its turn";
}

// From an address of which nobody has told, by the wildcard; data go there only when it has answered.
TEST_F(HostileChanges, AnAddressThatNeverAnswers) {
  connect();
  first.forth().inject(
      from(Wire::with(wire.forth, sealed(asconf({{Change::add, {}}, {Change::prefer, {}}, {Change::remove, {}}})),
                      wire.forth.tag),
           {10, 1, 0, 9}));
  world.run_for(1s);
  EXPECT_THAT(paths(peer()), HasSubstr("to 10.1.0.9 port"));
  EXPECT_THAT(paths(peer()), HasSubstr("unconfirmed"));
  std::size_t there = 0;
  first.back().tap = [&](SimPacket& packet) {
    there += packet.to.ip[3] == 9 && packet.payload.size() > 100;
    return Verdict::pass;
  };
  peer().send(std::string(50'000, 'x'));
  world.run_for(5s);
  EXPECT_EQ(there, 0u);
  EXPECT_EQ(talker->reader->messages.size(), 1u) << "by the last address that has answered";
}

// The answer to what was not asked ends the association (F0).
TEST_F(HostileChanges, AnAnswerToNothing) {
  connect();
  std::vector<std::byte> value(4);
  sctp::write_32(value, 0, sctp::initial_tsn(init) - 1);
  Wire::put(wire.back, sealed(chunk(kAsconfAckChunk, value)));
  expect_unharmed();
  sctp::write_32(value, 0, sctp::initial_tsn(init));
  Wire::put(wire.back, chunk(kAsconfAckChunk, value));
  expect_unharmed();
  Wire::put(wire.back, sealed(chunk(kAsconfAckChunk, value)));
  ASSERT_TRUE(world.run_until([&] { return talker->failed.has_value() && peer().failed.has_value(); }, 1s));
  EXPECT_EQ(talker->failed->reason, Reason::protocol_violation);
  EXPECT_THAT(peer().failed->detail, HasSubstr("cause 163"));
}

// What else is in the packet reaches the library.
TEST_F(HostileChanges, TogetherWithOtherChunks) {
  connect();
  Octets all = asconf({{Change::prefer, named("10.2.0.1")}});
  const Octets heartbeat{4, 0, 0, 12, 0, 1, 0, 8, 1, 2, 3, 4};
  all.insert(all.end(), heartbeat.begin(), heartbeat.end());
  wire.back.types.clear();
  Wire::put(wire.forth, sealed(all));
  world.run_for(100ms);
  EXPECT_THAT(wire.back.types, testing::Contains(5)) << "HEARTBEAT ACK";
  EXPECT_THAT(paths(peer()), testing::ContainsRegex("10.2.0.2 to 10.2.0.1[^;]*primary, in use"));
}

// Signed, and whatever its content: the association goes on, and the next request is answered.
TEST_F(HostileChanges, SignedNonsense) {
  connect();
  std::uint64_t random = 1;
  for (int i = 0; i < 500; ++i) {
    auto value = sctp::write_asconf(sctp::initial_tsn(init) + made, named("10.1.0.1"),
                                    std::vector<AddressRequest>{{Change::remove, named("10.9.0.1")}});
    for (int changes = 0; changes < 3; ++changes) {
      random = random * 6364136223846793005 + 1442695040888963407;
      value[4 + (random >> 33) % (value.size() - 4)] = static_cast<std::byte>(random >> 56);
    }
    value.resize(value.size() - (random >> 40) % 8);
    answers.clear();
    Wire::put(wire.forth, sealed(chunk(kAsconfChunk, value)));
    world.run_for(50ms);
    made += !answers.empty();
  }
  EXPECT_GT(made, 100u);
  EXPECT_THAT(asked({{Change::add, named("10.1.0.1")}}), ElementsAre(Cause::none));
  expect_unharmed();
}

}  // namespace
}  // namespace trellis::tests
