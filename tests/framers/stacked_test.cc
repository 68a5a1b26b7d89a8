// Framers in stacks: above each other, over datagrams, and on clones, between two hosts in virtual time.
#include "../stacks/virtual_pair.h"
#include "talking_framers.h"

namespace trellis::tests {
namespace {

using Lines = std::vector<std::string>;

struct Stacked : testing::Test {
  Stacked() {
    talk_facts = {};
    EXPECT_TRUE(pair.framework->core().registry.link("talking", add_talking_framers));
  }
  bool server_has(std::size_t peer, std::string_view bytes) {
    return pair.until([&] { return pair.peers.size() > peer && pair.peers[peer]->reader->all == bytes; });
  }
  VirtualPair pair;
};

// API-201: the topmost, which was added last, frames first and parses last.
TEST_F(Stacked, TheTopmostFramesFirst) {
  pair.listen("tcp");
  Talker& lines = pair.dial_ready("line/length-prefix/tcp");
  EXPECT_EQ(lines.connection.face(), Face::message);
  lines.send("hello");
  const std::string wire("\0\0\0\6hello\n", 10);
  ASSERT_TRUE(server_has(0, wire));
  lines.read();
  pair.peers[0]->send(wire.substr(0, 7));
  pair.peers[0]->send(wire.substr(7));
  ASSERT_TRUE(pair.until([&] { return !lines.reader->messages.empty(); }));
  EXPECT_EQ(lines.reader->messages, Lines{"hello"});

  Talker& sizes = pair.dial_ready("length-prefix/line/tcp");
  sizes.send("hello");
  EXPECT_TRUE(server_has(1, std::string("\0\0\0\5hello\n", 10)));
}

TEST_F(Stacked, BothEndsUnderstandEachOther) {
  const char* const stack = "length-prefix(bytes=2)/line/length-prefix/tcp";
  pair.listen(stack);
  Talker& t = pair.dial_ready(stack);
  t.read();
  t.send("one");
  t.send(std::string(5000, 'x'));
  ASSERT_TRUE(pair.until([&] { return pair.peers.size() == 1 && pair.peers[0]->reader->messages.size() == 2; }));
  EXPECT_EQ(pair.peers[0]->reader->messages, (Lines{"one", std::string(5000, 'x')}));
  pair.peers[0]->send("two");
  ASSERT_TRUE(pair.until([&] { return t.reader->messages.size() == 1; }));
  t.close();
  ASSERT_TRUE(pair.until([&] { return t.closed.has_value(); }));
  EXPECT_TRUE(*t.closed);
  EXPECT_TRUE(pair.until([&] { return pair.peers[0]->reader->ended; }));
}

TEST_F(Stacked, AMessageThatIsCutOffEndsTheConnection) {
  pair.listen("tcp");
  Talker& t = pair.dial_ready("line/length-prefix/tcp");
  t.read();
  ASSERT_TRUE(pair.until([&] { return pair.peers.size() == 1; }));
  pair.peers[0]->send(std::string("\0\0\0\3abc", 7));
  ASSERT_TRUE(pair.until([&] { return t.failed.has_value(); }));
  EXPECT_EQ(t.failed->reason, Reason::protocol_violation);
  EXPECT_EQ(t.failed->detail, "line: a message is not complete at the end of a message of the layer below");
}

// API-203: each message is a datagram, several may come in one, and what makes no sense is dropped alone.
TEST_F(Stacked, OverDatagrams) {
  pair.listen("udp");
  Talker& t = pair.dial_ready("length-prefix(bytes=2)/udp");
  EXPECT_EQ(t.connection.face(), Face::datagram);
  t.read();
  t.send("one");
  t.send("two");
  ASSERT_TRUE(pair.until([&] { return pair.peers.size() == 1 && pair.peers[0]->reader->messages.size() == 2; }));
  EXPECT_EQ(pair.peers[0]->reader->messages, (Lines{std::string("\0\3one", 5), std::string("\0\3two", 5)}));
  pair.peers[0]->send(std::string("\0\1a\0\1b", 6));
  pair.peers[0]->send(std::string("\0\11c", 3));
  pair.peers[0]->send(std::string("\0\1d", 3));
  ASSERT_TRUE(pair.until([&] { return t.reader->messages.size() == 3; }));
  EXPECT_EQ(t.reader->messages, (Lines{"a", "b", "d"}));
  EXPECT_EQ(t.soft.size(), 1u);
  EXPECT_FALSE(t.failed);

  Talker& bare = pair.dial_ready("udp");
  const auto size = [](Talker& of) { return std::get<std::uint64_t>(of.connection.get(kSendMsgMaxLen.name).value()); };
  EXPECT_EQ(size(t), size(bare) - 2);
}

// Who needs what the layers below do not give is refused when the stack is composed.
TEST_F(Stacked, SaysWhatItNeeds) {
  Talker t;
  t.connection = pair.to_server("chat/udp").face(Face::datagram).initiate(pair.client.loop(), t.on_ready());
  ASSERT_TRUE(pair.until([&] { return t.ready.has_value(); }));
  ASSERT_FALSE(*t.ready);
  EXPECT_NE(t.ready->error().detail.find("chat needs reliability, ordering"), std::string::npos)
      << t.ready->error().detail;
}

// API-205: without a word a clone has the same framers, and each of them begins anew.
TEST_F(Stacked, AClonesFramersBeginAnew) {
  for (const char* stack : {"chat/tcp", "chat/mux/tcp"}) {
    talk_facts = {};
    VirtualPair p;
    ASSERT_TRUE(p.framework->core().registry.link("talking", add_talking_framers));
    p.listen(stack);
    Talker& first = p.dial_ready(stack);
    first.send("first");
    Talker& second = p.clone(first);
    ASSERT_TRUE(p.until([&] { return second.ready.has_value(); }));
    ASSERT_TRUE(*second.ready) << second.ready->error().detail;
    EXPECT_EQ(second.connection.stack(), stack);
    EXPECT_EQ(talk_facts.chats, 4);
    EXPECT_EQ(talk_facts.started, 4) << "its hello and the answer belong to it alone";
    second.send("second");
    EXPECT_TRUE(p.until([&] {
      return p.peers.size() == 2 && p.peers[0]->reader->messages == Lines{"first"} &&
             p.peers[1]->reader->messages == Lines{"second"};
    })) << stack;
  }
}

// API-205: or those that are named, over the same layers below.
TEST_F(Stacked, ACloneMayHaveOtherFramers) {
  for (const std::string below : {"tcp", "mux/tcp"}) {
    VirtualPair p;
    p.listen(below);
    Talker& first = p.dial_ready("length-prefix/" + below);
    first.send("1");
    Talker& lines = p.clone(first, {.framers = "line(delimiter=crlf)"});
    Talker& both = p.clone(first, {.framers = "line/length-prefix(bytes=1)"});
    Talker& none = p.clone(first, {.framers = ""});
    lines.send("2");
    both.send("3");
    none.send("4");
    const Lines wanted = {std::string("\0\0\0\1"
                                      "1",
                                      5),
                          "2\r\n",
                          "\2"
                          "3\n",
                          "4"};
    EXPECT_TRUE(p.until([&] {
      return std::ranges::all_of(wanted, [&](const std::string& bytes) {
        return std::ranges::any_of(p.peers, [&](auto& peer) { return peer->reader->all == bytes; });
      });
    })) << below;
    EXPECT_EQ(lines.connection.stack(), "line/" + below);
    EXPECT_EQ(both.connection.stack(), "line/length-prefix/" + below);
    EXPECT_EQ(none.connection.stack(), below);
    EXPECT_EQ(none.connection.face(), Face::bytestream);
    EXPECT_EQ(first.connection.group_size(), 4u);
  }
}

TEST_F(Stacked, WrongFramersOfACloneAreSaid) {
  pair.listen("tcp");
  Talker& first = pair.dial_ready("length-prefix/tcp");
  Talker& second = pair.clone(first, {.framers = "tcp"});
  ASSERT_TRUE(pair.until([&] { return second.ready.has_value(); }));
  ASSERT_FALSE(*second.ready);
  EXPECT_EQ(second.ready->error().detail,
            "found framer \"tcp\", expected protocol \"tcp\", which is what its plugin provides");
  ASSERT_TRUE(pair.until([&] { return first.soft.size() == 1; }));
  EXPECT_EQ(first.connection.state(), ConnectionState::established);
}

}  // namespace
}  // namespace trellis::tests
