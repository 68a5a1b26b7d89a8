// Packets that a correct peer would not send, floods, and aborts at every moment.
#include <malloc.h>

#include "sctp_pair.h"
#include "wire.h"

namespace trellis::tests {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;

struct HostileSctp : Sctp {
  Wire wire{link};
  /// Both sides go on as if nothing had happened.
  void expect_unharmed(Talker& client) {
    pair.world.run_for(1s);
    EXPECT_FALSE(client.failed) << client.failed->detail;
    EXPECT_FALSE(pair.peers[0]->failed) << pair.peers[0]->failed->detail;
    client.send("unharmed");
    EXPECT_TRUE(pair.until([&] { return !received().empty(); }));
    EXPECT_THAT(received(), ElementsAre("unharmed"));
  }
};

void flip(SimPacket& packet, std::size_t at) { packet.payload[at] ^= std::byte{0x10}; }

// A packet whose checksum is wrong is dropped (RFC 9260 section 6.8), and sent again.
TEST_F(HostileSctp, WrongChecksums) {
  Talker& client = connected();
  unsigned seen = 0;
  wire.forth.look = wire.back.look = [&](SimPacket& packet) {
    if (++seen % 5 == 0) flip(packet, packet.payload.size() - 1);
    if (seen % 7 == 0) flip(packet, 8);
  };
  std::vector<std::string> sent;
  for (int i = 0; i < 30; ++i) sent.push_back(std::string(3000, static_cast<char>('a' + i % 26)));
  for (const std::string& message : sent) client.send(message);
  ASSERT_TRUE(pair.until([&] { return received().size() == sent.size(); }));
  EXPECT_EQ(received(), sent);
  EXPECT_GT(seen, 60u);
}

// Whoever does not know the verification tag can end nothing and add nothing (RFC 9260 section 8.5).
TEST_F(HostileSctp, WrongVerificationTags) {
  Talker& client = connected();
  const Octets data{kData, 3, 0, 20, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 'e', 'v', 'i', 'l'};
  const Octets shutdown{7, 0, 0, 8, 0, 0, 0, 0}, shutdown_ack{8, 0, 0, 4}, shutdown_complete{14, 0, 0, 4};
  for (Wire::Way* way : {&wire.forth, &wire.back}) {
    const Wire::Way& other = way == &wire.forth ? wire.back : wire.forth;
    for (const std::uint32_t tag : {0u, 1u, way->tag ^ 1, other.tag}) {
      for (const Octets& chunk : {Wire::abort("away"), data, shutdown, shutdown_ack, shutdown_complete})
        way->link.inject(Wire::with(*way, chunk, tag));
    }
  }
  expect_unharmed(client);
}

// What has been changed in a cookie is seen, and the handshake goes on with the next packet.
TEST_F(HostileSctp, AChangedCookie) {
  bool changed = false;
  wire.forth.look = [&](SimPacket& packet) {
    if (Wire::type(packet) != kCookieEcho || std::exchange(changed, true)) return;
    flip(packet, 60);
    Wire::seal(packet);
  };
  Talker& client = connected();
  EXPECT_TRUE(changed);
  expect_unharmed(client);
}

// A cookie that comes again makes no second association.
TEST_F(HostileSctp, ACookieTwice) {
  std::optional<SimPacket> cookie;
  wire.forth.look = [&](SimPacket& packet) {
    if (Wire::type(packet) == kCookieEcho) cookie = packet;
  };
  Talker& client = connected();
  ASSERT_TRUE(cookie);
  for (int i = 0; i < 10; ++i) wire.forth.link.inject(*cookie);
  expect_unharmed(client);
  EXPECT_EQ(pair.peers.size(), 1u);
}

// First packets are answered by one packet each, and nothing of them is kept (RFC 9260 section 5.1.3).
TEST_F(HostileSctp, AFloodOfFirstPackets) {
  Talker& client = connected();
  const SimPacket first = *wire.forth.first;
  ASSERT_EQ(Wire::type(first), kInit);
  const auto flood = [&](unsigned packets) {
    for (unsigned i = 0; i < packets; ++i) {
      SimPacket packet = first;
      packet.from.port = static_cast<std::uint16_t>(1024 + i);
      wire.forth.link.inject(std::move(packet));
      if (i % 50 == 0) pair.world.run_for(1ms);
    }
    pair.world.run_for(60s);
    return mallinfo2().uordblks;
  };
  wire.back.types.reserve(20'000);
  wire.forth.types.reserve(20'000);
  const std::size_t before = flood(1'000);
  wire.back.types.clear();
  const std::size_t after = flood(10'000);
  EXPECT_LE(after, before + (64u << 10));
  EXPECT_LE(wire.back.types.size(), 10'000u + 10);
  EXPECT_TRUE(std::ranges::contains(wire.back.types, kInitAck));
  pair.dial_ready(sctp());
  client.send("still there");
  EXPECT_TRUE(pair.until([&] { return received().size() == 1; }));
}

/// A chunk whose length says so many bytes, of which so many are there.
Octets chunk(std::uint8_t type, std::uint16_t length, std::size_t bytes, std::uint8_t fill = 0) {
  Octets made{type, 3, static_cast<std::uint8_t>(length >> 8), static_cast<std::uint8_t>(length)};
  made.resize(4 + bytes, fill);
  return made;
}

// Lengths that lie: the association goes on, or both sides hear why not, and nothing is delivered that was not sent.
TEST(HostileSctpChunks, LengthsThatLie) {
  std::vector<Octets> packets;
  for (const int type : {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 14, 15, 64, 128, 130, 132, 192, 193, 194, 0x3f, 0xff}) {
    const auto t = static_cast<std::uint8_t>(type);
    for (const std::uint16_t length : std::initializer_list<std::uint16_t>{0, 3, 4, 5, 8, 16, 20, 65535}) {
      packets.push_back(chunk(t, length, 16));
      packets.push_back(chunk(t, length, 1200, 0xff));
    }
  }
  for (const Octets& packet : packets) {
    VirtualPair pair;
    Wire wire(pair.link);
    pair.listen(sctp());
    Talker& client = pair.dial_ready(sctp());
    ASSERT_TRUE(pair.until([&] { return pair.peers.size() == 1; }));
    const std::string what = "type " + std::to_string(packet[0]) + ", length " +
                             std::to_string(packet[2] * 256 + packet[3]) + " of " + std::to_string(packet.size());
    Wire::put(wire.forth, packet);
    Wire::put(wire.back, packet);
    pair.world.run_for(1s);
    client.send("still there");
    Talker& server = *pair.peers[0];
    const auto ended = [](Talker& t) { return t.failed || t.reader->ended || t.reader->error; };
    ASSERT_TRUE(pair.world.run_until([&] { return server.reader->messages.size() == 1 || ended(server); }, 600s))
        << what;
    for (Talker* t : {&client, &server}) {
      EXPECT_TRUE(!t->failed || !t->failed->detail.empty()) << what;
    }
    EXPECT_TRUE(server.reader->messages.empty() || server.reader->messages[0] == "still there") << what;
  }
}

/// A short conversation, of which every packet is a moment at which something can happen.
struct Conversation {
  Conversation() {
    pair.listen(sctp());
    for (Wire::Way* way : {&wire.forth, &wire.back}) {
      way->after = [this] {
        if (++packets == at) due = true;
      };
    }
  }
  /// True: it was over before packet number `moment`.
  bool play(int moment, const std::function<void(Talker&)>& then) {
    at = moment;
    Talker& client = pair.dial(sctp());
    pair.world.run_until(
        [&] {
          if (client.ready && *client.ready && !std::exchange(ready, true)) {
            client.read();
            client.send(std::string(5000, 'c'));
            client.send("last");
          }
          const bool all = !pair.peers.empty() && pair.peers[0]->reader->messages.size() == 2;
          if (all && !std::exchange(closing, true)) client.close();
          return due;
        },
        60s);
    if (!due) return true;
    then(client);
    return false;
  }
  /// Nobody knows of anything any more.
  bool all_over() {
    return pair.world.run_until(
        [&] { return std::ranges::all_of(pair.peers, [](auto& p) { return p->failed || p->reader->ended; }); },
        std::chrono::hours(1));
  }
  VirtualPair pair;
  Wire wire{pair.link};
  int packets = 0, at = 0;
  bool due = false, ready = false, closing = false;
};

// IMPL-158: an ABORT that both sides get at any moment ends everything, and the reason is in the errors.
TEST(HostileSctpAborts, AnAbortInEveryState) {
  int told = 0;
  for (int moment = 2;; ++moment) {
    Conversation c;
    Talker* client = nullptr;
    const bool over = c.play(moment, [&](Talker& t) {
      client = &t;
      for (Wire::Way* way : {&c.wire.forth, &c.wire.back}) {
        if (way->last) Wire::put(*way, Wire::abort("enough"));
      }
    });
    if (over) {
      EXPECT_GE(moment, 10);
      break;
    }
    ASSERT_TRUE(c.pair.world.run_until([&] { return client->failed || client->closed || client->ready; }, 60s))
        << "at packet " << moment;
    c.pair.world.run_for(60s);
    const bool refused = client->ready && !*client->ready;
    EXPECT_TRUE(refused || client->failed || client->closed) << "at packet " << moment;
    EXPECT_TRUE(c.all_over()) << "at packet " << moment;
    if (client->failed && client->failed->detail.contains("enough")) ++told;
    for (const auto& peer : c.pair.peers) {
      EXPECT_TRUE(!peer->failed || !peer->failed->detail.empty());
    }
  }
  EXPECT_GE(told, 3);
}

// IMPL-165: an attempt that is given up, as by whoever has lost a race, leaves nothing half open at the peer.
TEST(HostileSctpAborts, GivingUpInEveryState) {
  for (int moment = 1;; ++moment) {
    Conversation c;
    const bool over = c.play(moment, [&](Talker& t) { t.connection.abort(7); });
    if (over) break;
    const TimePoint given_up = c.pair.world.now();
    EXPECT_TRUE(c.all_over()) << "at packet " << moment;
    EXPECT_LE(c.pair.world.now() - given_up, 1s) << "at packet " << moment;
    c.pair.world.run_for(5s);
    EXPECT_TRUE(c.all_over()) << "at packet " << moment;
    for (const auto& peer : c.pair.peers) {
      if (!peer->failed || !c.ready || c.closing) continue;  // words travel in between only
      EXPECT_EQ(peer->failed->code, 7u) << "at packet " << moment << ": " << peer->failed->detail;
    }
  }
}

}  // namespace
}  // namespace trellis::tests
