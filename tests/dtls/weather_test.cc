// dtls/udp and sctp/dtls/udp over a simulated network that loses, reorders, repeats and forges packets.
#include "stacks/virtual_pair.h"

namespace trellis::tests {
namespace {

std::string secured(const std::string& above = {}, const std::string& more = {}) {
  const std::string pki = TLS_TEST_PKI;
  return above + "dtls(trust='" + pki + "/ca.pem',certificate='" + pki + "/server.pem',key='" + pki +
         "/server.key',server-name=peer.example" + (more.empty() ? "" : "," + more) + ")/udp";
}

struct Weather : testing::Test {
  VirtualPair pair;
  /// Both ways.
  void storm(double loss, double reorder, double duplicate) {
    for (auto* way : {&pair.link.forth(), &pair.link.back()}) {
      way->conditions.loss = loss;
      way->conditions.reorder = reorder;
      way->conditions.duplicate = duplicate;
      way->conditions.jitter = 5ms;
    }
  }
  /// A client that has lost its state comes back from the same port, as the second peer.
  void begin_anew(const std::string& stack) {
    pair.listen(stack);
    const auto dial = [&] {
      Talker& t = *pair.talkers.emplace_back(std::make_unique<Talker>());
      t.connection = pair.to_server(stack)
                         .local({.host = {}, .port = 7000, .address = {}})
                         .initiate(pair.client.loop(), t.on_ready());
      EXPECT_TRUE(pair.until([&] { return t.ready.has_value(); }));
      EXPECT_TRUE(*t.ready) << t.ready->error().detail;
    };
    dial();
    ASSERT_TRUE(pair.until([&] { return pair.peers.size() == 1; }));
    pair.link.forth().tap = [](SimPacket&) { return Verdict::drop; };  // its goodbye is lost
    pair.talkers.clear();
    pair.world.run_for(1s);
    pair.link.forth().tap = {};
    dial();
    ASSERT_TRUE(pair.until([&] { return pair.peers.size() == 2; }));
  }
};

// Any packet of the handshake may be the one that is lost: each is repeated by whoever waits for the answer.
TEST_F(Weather, EachPacketOfTheHandshakeMayBeLost) {
  const std::string stack = secured({}, "handshake-bytes=300");
  pair.listen(stack);
  int packets = 0, lose = -1;
  for (auto* way : {&pair.link.forth(), &pair.link.back()})
    way->tap = [&](SimPacket&) { return packets++ == lose ? Verdict::drop : Verdict::pass; };
  pair.dial_ready(stack);
  const int all = packets;
  EXPECT_GE(all, 8);
  for (int i = 0; i < all; ++i) {
    SCOPED_TRACE(i);
    packets = 0;
    lose = i;
    Talker& client = pair.dial_ready(stack);
    lose = -1;
    const std::size_t had = pair.peers.size();
    client.send("arrived");
    EXPECT_TRUE(pair.until([&] {
      return std::ranges::any_of(pair.peers, [](const auto& p) { return p->reader->all == "arrived"; });
    })) << had;
    pair.peers.clear();
    pair.talkers.clear();
    pair.world.run_for(1s);
  }
}

// Six packets where none is lost, and none of them twice.
TEST_F(Weather, NothingIsRepeatedWithoutNeed) {
  pair.listen(secured());
  int packets = 0;
  for (auto* way : {&pair.link.forth(), &pair.link.back()})
    way->tap = [&](SimPacket&) { return ++packets, Verdict::pass; };
  pair.dial_ready(secured());
  pair.world.run_for(90s);
  EXPECT_EQ(packets, 6);
}

TEST_F(Weather, AStorm) {
  storm(0.1, 0.3, 0.2);
  const std::string stack = secured();
  pair.listen(stack);
  Talker& client = pair.dial(stack);
  ASSERT_TRUE(pair.until([&] { return client.ready.has_value(); }));
  ASSERT_TRUE(*client.ready) << client.ready->error().detail;
  ASSERT_TRUE(pair.until([&] { return pair.peers.size() == 1; }));
  constexpr int kMany = 500;
  for (int i = 0; i < kMany; ++i) {
    client.send(std::to_string(i));
    pair.world.run_for(1ms);
  }
  pair.world.run_for(2s);
  auto messages = pair.peers[0]->reader->messages;
  EXPECT_GT(messages.size(), kMany * 7 / 10u);
  std::ranges::sort(messages);
  EXPECT_EQ(std::ranges::adjacent_find(messages), messages.end()) << "a message came twice";
}

// RFC 8261: SCTP makes it reliable again.
TEST_F(Weather, MessagesThroughAStorm) {
  storm(0.1, 0.2, 0.1);
  const std::string stack = secured("sctp/");
  pair.listen(stack);
  Talker& client = pair.dial(stack);
  ASSERT_TRUE(pair.world.run_until([&] { return client.ready.has_value(); }, 60s));
  ASSERT_TRUE(*client.ready) << client.ready->error().detail;
  for (int i = 0; i < 50; ++i) client.send(std::string(3000, static_cast<char>('a' + i % 26)));
  ASSERT_TRUE(pair.world.run_until(
      [&] { return pair.peers.size() == 1 && pair.peers[0]->reader->messages.size() == 50; }, 300s));
  EXPECT_EQ(pair.peers[0]->reader->messages[49], std::string(3000, 'x'));
}

// IMPL-54, IMPL-169: what is forged or comes again is dropped and counted, and nothing else.
TEST_F(Weather, ForgedAndRepeatedRecords) {
  const std::string stack = secured();
  pair.listen(stack);
  Talker& client = pair.dial_ready(stack);
  ASSERT_TRUE(pair.until([&] { return pair.peers.size() == 1; }));
  pair.link.forth().tap = [](SimPacket& packet) {
    packet.payload.back() ^= std::byte{1};
    return Verdict::pass;
  };
  client.send("damaged");
  pair.world.run_for(1s);
  pair.link.forth().tap = {};
  pair.link.forth().conditions.duplicate = 1;
  client.send("whole");
  pair.world.run_for(1s);
  Talker& server = *pair.peers[0];
  EXPECT_EQ(server.reader->messages, (std::vector<std::string>{"whole"}));
  EXPECT_EQ(std::get<std::uint64_t>(server.connection.get("dtls.forgedRecords").value()), 1u);
  EXPECT_EQ(std::get<std::uint64_t>(server.connection.get("dtls.replayedRecords").value()), 1u);
  EXPECT_FALSE(server.failed);
}

// RFC 6347 section 4.2.8: the old association has failed.
TEST_F(Weather, AClientThatBeginsAnew) {
  ASSERT_NO_FATAL_FAILURE(begin_anew(secured()));
  pair.talkers.back()->send("again");
  EXPECT_TRUE(pair.until([&] { return pair.peers[1]->reader->all == "again"; }));
  EXPECT_TRUE(pair.until([&] { return pair.peers[0]->failed.has_value(); }));
}

// The same below SCTP: it has another association with whoever has the addresses now, and the old one dies alone.
TEST_F(Weather, AClientOfSctpThatBeginsAnew) {
  ASSERT_NO_FATAL_FAILURE(begin_anew(secured("sctp/")));
  int back = 0;
  pair.link.back().tap = [&](SimPacket& packet) {
    back += packet.payload.size() > 1000;
    return Verdict::pass;
  };
  pair.peers[0]->send(std::string(1200, 'x'));
  EXPECT_TRUE(pair.world.run_until([&] { return pair.peers[0]->failed.has_value(); }, 600s));
  EXPECT_EQ(back, 0);
  pair.talkers.back()->send("again");
  EXPECT_TRUE(pair.until([&] { return pair.peers[1]->reader->all == "again"; }));
}

// Nothing is kept of who does not come back with its cookie, and it is answered with no more than it sent.
TEST_F(Weather, AStrangerIsAskedForACookie) {
  const std::string stack = secured();
  pair.listen(stack);
  std::size_t asked = 0, answered = 0;
  int back = 0;
  pair.link.forth().tap = [&](SimPacket& packet) {
    if (asked == 0) asked = packet.payload.size();
    return Verdict::pass;
  };
  pair.link.back().tap = [&](SimPacket& packet) {
    answered = packet.payload.size();
    ++back;
    return Verdict::drop;
  };
  const std::size_t members = pair.members(pair.server);
  pair.dial(stack);
  pair.world.run_for(8s);
  EXPECT_EQ(back, 4) << "one for each hello, at 0, 1, 3 and 7 s";
  EXPECT_GT(asked, answered);
  EXPECT_EQ(pair.members(pair.server), members);
}

TEST_F(Weather, NobodyAnswers) {
  const std::string stack = secured({}, "handshake-timeout-ms=5000");
  pair.listen(stack);
  pair.link.forth().conditions.loss = 1;
  Talker& client = pair.dial(stack);
  ASSERT_TRUE(pair.until([&] { return client.ready.has_value(); }));
  ASSERT_FALSE(*client.ready);
  EXPECT_EQ(client.ready->error().reason, Reason::timed_out);
  EXPECT_EQ(client.ready->error().detail, "the handshake with peer.example was not complete after 5000 ms");
}

// A peer that vanished without a word does not stay for ever.
TEST_F(Weather, AnIdlePeerIsLetGo) {
  const std::string stack = secured({}, "peer-idle-ms=3000");
  pair.listen(stack);
  pair.dial_ready(stack);
  ASSERT_TRUE(pair.until([&] { return pair.peers.size() == 1; }));
  EXPECT_TRUE(pair.world.run_until([&] { return pair.peers[0]->reader->ended; }, 10s));
}

}  // namespace
}  // namespace trellis::tests
