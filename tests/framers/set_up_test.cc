// Framers that take part in setting up and tearing down (RFC 9623 section 6.1), between two hosts in virtual time.
#include "../stacks/virtual_pair.h"
#include "talking_framers.h"

namespace trellis::tests {
namespace {

using Lines = std::vector<std::string>;

struct SetUp : testing::Test {
  SetUp() {
    talk_facts = {};
    EXPECT_TRUE(pair.framework->core().registry.link("talking", add_talking_framers));
  }
  bool server_has(std::string_view bytes) {
    return pair.until([&] { return pair.peers.size() == 1 && pair.peers[0]->reader->all == bytes; });
  }
  VirtualPair pair;
  const std::string hello{"H \0", 3}, goodbye{"B \0", 3};
};

// API-202, IMPL-70, IMPL-72: what it says goes before the application's first message, and Ready waits for the answer.
TEST_F(SetUp, ReadyWaitsForTheFramer) {
  pair.listen("tcp");
  Talker& t = pair.dial("chat/tcp");
  t.send("hi");
  ASSERT_TRUE(server_has(hello));
  pair.world.run_for(500ms);
  EXPECT_FALSE(t.ready);
  EXPECT_EQ(t.connection.state(), ConnectionState::establishing);
  pair.peers[0]->send(hello);
  ASSERT_TRUE(pair.until([&] { return t.ready.has_value(); }));
  EXPECT_TRUE(*t.ready);
  EXPECT_TRUE(server_has(hello + "M \2hi"));
}

// API-202, IMPL-71, IMPL-73: both ends say goodbye, and who closes waits for that of the other.
TEST_F(SetUp, ClosedWaitsForTheFramer) {
  pair.listen("chat/tcp");
  Talker& t = pair.dial_ready("chat/tcp");
  t.send("last");
  t.close();
  pair.world.run_for(1s);
  EXPECT_FALSE(t.closed);
  ASSERT_EQ(pair.peers.size(), 1u);
  EXPECT_EQ(pair.peers[0]->reader->messages, Lines{"last"});
  pair.peers[0]->close();
  ASSERT_TRUE(pair.world.run_until([&] { return t.closed && pair.peers[0]->closed; }, 1s));
  EXPECT_TRUE(*t.closed);
  EXPECT_TRUE(*pair.peers[0]->closed);
  EXPECT_EQ(talk_facts.stopped, 2);
}

// A peer that does not answer delays the end, and does not prevent it.
TEST_F(SetUp, ClosedWaitsNotForEver) {
  pair.listen("tcp");
  Talker& t = pair.dial("chat/tcp");
  ASSERT_TRUE(server_has(hello));
  pair.peers[0]->send(hello);
  ASSERT_TRUE(pair.until([&] { return t.ready.has_value(); }));
  t.close();
  ASSERT_TRUE(server_has(hello + goodbye));
  pair.world.run_for(4s);
  EXPECT_FALSE(t.closed);
  EXPECT_FALSE(pair.peers[0]->reader->ended);
  pair.world.run_for(2s);
  EXPECT_TRUE(pair.peers[0]->reader->ended);
  pair.peers[0]->close();
  ASSERT_TRUE(pair.until([&] { return t.closed.has_value(); }));
  EXPECT_TRUE(*t.closed);
}

// Nor does one that connects and says nothing hold anything for ever.
TEST_F(SetUp, WhoDoesNotTalkIsNotWaitedFor) {
  pair.listen("chat/tcp");
  Talker& t = pair.dial_ready("tcp");
  t.read();
  pair.world.run_for(9s);
  EXPECT_FALSE(t.failed || t.reader->ended);
  EXPECT_EQ(talk_facts.chats, 1);
  pair.world.run_for(2s);
  EXPECT_TRUE(t.failed || t.reader->ended);
  EXPECT_EQ(talk_facts.chats, 0);
  EXPECT_TRUE(pair.peers.empty());
}

// IMPL-70, IMPL-74: what it refuses before it is ready is one candidate; it starts anew with the next.
TEST_F(SetUp, ARefusedCandidateLeavesTheRaceToOthers) {
  pair.listen("chat/tcp");
  bool listening = false;
  Listener other = Preconnection(*pair.framework)
                       .stack("chat/tcp")
                       .local({.host = "10.0.0.2", .port = 4434})
                       .listen(pair.server.loop(), {.listening = [&](const Address&) { listening = true; },
                                                    .received = [](Connection) {},
                                                    .failed = [](const Error&) {}});
  ASSERT_TRUE(pair.until([&] { return listening; }));
  talk_facts.refused_port = 4434;
  Talker t, alone;
  Preconnection p(*pair.framework);
  p.stack("chat/tcp").remote({.host = "10.0.0.2", .port = 4434});
  alone.connection = p.initiate(pair.client.loop(), alone.on_ready());
  ASSERT_TRUE(pair.until([&] { return alone.ready.has_value(); }));
  ASSERT_FALSE(*alone.ready);
  EXPECT_NE(alone.ready->error().detail.find("this peer is not liked"), std::string::npos)
      << alone.ready->error().detail;

  talk_facts.started = 0;
  p.add_remote({{.host = "10.0.0.2", .port = 4433}});
  t.connection = p.initiate(pair.client.loop(), t.on_ready());
  ASSERT_TRUE(pair.until([&] { return t.ready.has_value(); }));
  ASSERT_TRUE(*t.ready) << t.ready->error().detail;
  EXPECT_EQ(t.connection.remote().port, 4433);
  EXPECT_GE(talk_facts.started, 3) << "the refused one, the chosen one and its peer";
}

// IMPL-74: afterwards it ends the Connection.
TEST_F(SetUp, AFramerFailsItsConnection) {
  pair.listen("tcp");
  Talker& t = pair.dial("chat/tcp");
  ASSERT_TRUE(server_has(hello));
  pair.peers[0]->send(hello + "X \1");
  t.read();
  ASSERT_TRUE(pair.until([&] { return t.failed.has_value(); }));
  EXPECT_TRUE(t.ready && *t.ready);
  EXPECT_EQ(t.failed->detail, "chat: found an unknown frame, expected H, M, P, Q, B or E");
}

// IMPL-75, IMPL-76, IMPL-83: agrees with the peer, puts a cipher above itself and gets out of the way.
TEST_F(SetUp, StartTls) {
  pair.listen("tcp");
  Talker& t = pair.dial("starttls/tcp");
  t.send("secret");
  ASSERT_TRUE(server_has("STARTTLS\n"));
  pair.peers[0]->send("GO\n");
  ASSERT_TRUE(pair.until([&] { return t.ready.has_value(); }));
  ASSERT_TRUE(*t.ready) << t.ready->error().detail;
  EXPECT_EQ(t.connection.face(), Face::bytestream);
  ASSERT_TRUE(server_has("STARTTLS\n" + Cipher::turned("secret")));
  t.read();
  pair.peers[0]->send(Cipher::turned("answer"));
  ASSERT_TRUE(pair.until([&] { return t.reader->all == "answer"; }));
  t.close();
  ASSERT_TRUE(pair.until([&] { return t.closed.has_value(); }));
  EXPECT_TRUE(*t.closed);
  EXPECT_TRUE(pair.until([&] { return pair.peers[0]->reader->ended; }));
}

// IMPL-76: bytes as they are, those too that came in one segment with its last word.
TEST_F(SetUp, PassesThroughWhenThePeerWantsNoCipher) {
  pair.listen("tcp");
  Talker& t = pair.dial("starttls/tcp");
  t.send("plain");
  ASSERT_TRUE(server_has("STARTTLS\n"));
  pair.peers[0]->send("CLEAR\nwelcome");
  t.read();
  ASSERT_TRUE(pair.until([&] { return t.reader->all == "welcome"; }));
  EXPECT_TRUE(server_has("STARTTLS\nplain"));
}

// IMPL-75: with another framer on top, in both directions, more than any window holds, and to the end.
TEST_F(SetUp, FramersAboveOneThatWasPrepended) {
  const char* const stack = "length-prefix/starttls/tcp";
  pair.listen(stack);
  Talker& t = pair.dial_ready(stack);
  t.read();
  const std::string large(3'000'000, 'a'), reply(1'000'000, 'b');
  t.send(large);
  ASSERT_TRUE(pair.until([&] { return pair.peers.size() == 1 && pair.peers[0]->reader->messages.size() == 1; }));
  EXPECT_TRUE(pair.peers[0]->reader->messages[0] == large);
  pair.peers[0]->send(reply);
  pair.peers[0]->connection.finish();
  ASSERT_TRUE(pair.until([&] { return t.reader->ended; }));
  ASSERT_EQ(t.reader->messages.size(), 1u);
  EXPECT_TRUE(t.reader->messages[0] == reply);
  t.close();
  ASSERT_TRUE(pair.until([&] { return t.closed.has_value(); }));
  EXPECT_TRUE(*t.closed);
}

// API-31, API-204: namespaced by framer, from the sender's framer to the receiver's application, beside what the
// message asks for and its endpoints.
TEST_F(SetUp, MetadataByFramer) {
  pair.peers_read = false;
  pair.listen("chat/tcp");
  Talker& t = pair.dial_ready("chat/tcp");
  FramerMetadata metadata;
  metadata.add("chat", "label", std::string("w"));
  metadata.add("chat", "label", std::string("x"));
  metadata.add("other", "label", std::string("y"));
  t.connection.send({.data = slice(t.connection, "one"), .properties = {.priority = 7}, .metadata = metadata});
  t.send("two");
  ASSERT_TRUE(pair.until([&] { return pair.peers.size() == 1; }));
  std::vector<Message> got;
  Connection& peer = pair.peers[0]->connection;
  const auto hear = [&](Result<Message> message) { got.push_back(std::move(message.value())); };
  peer.receive(1, 100, hear);
  ASSERT_TRUE(pair.until([&] { return got.size() == 1; }));
  peer.receive(1, 100, hear);
  ASSERT_TRUE(pair.until([&] { return got.size() == 2; }));
  const PropertyValue* const label = got[0].metadata.get("chat", "label");
  ASSERT_NE(label, nullptr);
  EXPECT_EQ(std::get<std::string>(*label), "x");
  EXPECT_EQ(got[0].metadata.get("other", "label"), nullptr);
  EXPECT_EQ(got[0].metadata.get("chat", "colour"), nullptr);
  EXPECT_TRUE(got[1].metadata.empty());
  EXPECT_EQ(got[0].remote, t.connection.local());
  EXPECT_EQ(got[0].local, t.connection.remote());
}

// At every turn of a whole life: nothing leaks, hangs or touches what is gone.
TEST_F(SetUp, MayEndInEveryTurn) {
  for (const char* stack : {"chat/tcp", "length-prefix/starttls/tcp"}) {
    bool finished = false;
    for (int cut = 1; !finished && cut < 500; ++cut) {
      VirtualPair p;
      ASSERT_TRUE(p.framework->core().registry.link("talking", add_talking_framers));
      p.listen(stack);
      Talker& t = p.dial(stack);
      t.send("hello");
      bool asked = false;
      int turns = 0;
      for (; turns < cut && p.world.run_once(); ++turns) {
        if (!asked && p.peers.size() == 1 && !p.peers[0]->reader->messages.empty()) {
          asked = true;
          t.close();
          p.peers[0]->close();
        }
      }
      finished = t.closed.has_value() && p.peers[0]->closed.has_value();
      p.shut();
      ASSERT_EQ(talk_facts.chats, 0);
    }
    EXPECT_TRUE(finished) << stack;
  }
}

}  // namespace
}  // namespace trellis::tests
