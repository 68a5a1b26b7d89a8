// Messages over SCTP: edges, sizes, order, lifetimes, and the ends of an association.
#include "sctp_pair.h"

namespace trellis::tests {
namespace {

using testing::ElementsAre;

Message with(Talker& t, std::string_view content, auto change) {
  Message message{.data = slice(t.connection, content)};
  change(message);
  return message;
}

// IMPL-156, IMPL-160: the listener may speak first, and edges are kept, also of empty messages.
TEST_F(Sctp, EdgesAreKept) {
  Talker& client = connected();
  pair.peers[0]->send("welcome");
  client.read();
  client.send("one");
  client.send("");
  client.send("three");
  ASSERT_TRUE(pair.until([&] { return received().size() == 3; }));
  EXPECT_THAT(received(), ElementsAre("one", "", "three"));
  EXPECT_TRUE(pair.until([&] { return client.reader->messages.size() == 1; }));
}

TEST_F(Sctp, AnEmptyMessageFailsWhereItIsNotWanted) {
  Talker& client = connected("empty-messages=false");
  std::optional<Error> failed;
  client.connection.send(with(client, "", [](Message&) {}), [&](Fate fate, const Error* why) {
    if (fate == Fate::failed) failed = *why;
  });
  client.send("next");
  ASSERT_TRUE(pair.until([&] { return received().size() == 1; }));
  ASSERT_TRUE(failed);
  EXPECT_EQ(failed->reason, Reason::unsupported);
}

// IMPL-163: a message that is larger than every buffer on its way, with and without interleaving.
TEST_F(Sctp, AMessageLargerThanTheWindows) {
  for (const char* options : {"window-bytes=16384,send-buffer-bytes=16384",
                              "window-bytes=16384,send-buffer-bytes=16384,interleaving=false"}) {
    VirtualPair fresh;
    fresh.listen(sctp(options));
    Talker& client = fresh.dial_ready(sctp(options));
    std::string content(1 << 20, ' ');
    for (std::size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i * 7 + i / 251);
    client.send(content);
    client.send("after");
    ASSERT_TRUE(fresh.world.run_until(
        [&] { return !fresh.peers.empty() && fresh.peers[0]->reader->messages.size() == 2; }, 300s))
        << options << ": " << fresh.peers[0]->reader->all.size() << " bytes have arrived "
        << (client.failed ? client.failed->detail : "");
    EXPECT_TRUE(fresh.peers[0]->reader->messages[0] == content) << options;
    EXPECT_EQ(fresh.peers[0]->reader->messages[1], "after");
  }
}

// A message in parts, whose last part is empty.
// API-188
TEST_F(Sctp, Parts) {
  Talker& client = connected();
  for (const char* part : {"ab", "c", ""})
    client.connection.send(with(client, part, [&](Message& m) { m.end = *part == '\0'; }));
  client.send("next");
  ASSERT_TRUE(pair.until([&] { return received().size() == 2; }));
  EXPECT_THAT(received(), ElementsAre("abc", "next"));
}

// IMPL-53, IMPL-162, API-286: of two messages the first packet is lost; the unordered one does not wait for it.
TEST_F(Sctp, UnorderedMessagesDoNotWait) {
  Talker& client = connected();
  client.send("greeting");
  ASSERT_TRUE(pair.until([&] { return received().size() == 1; }));
  link.forth().conditions.loss = 1;
  client.send("lost once");
  pair.world.run_for(1ms);
  link.forth().conditions.loss = 0;
  client.connection.send(with(client, "unordered", [](Message& m) { m.properties.ordered = false; }));
  client.send("ordered");
  ASSERT_TRUE(pair.until([&] { return received().size() == 4; }));
  EXPECT_THAT(received(), ElementsAre("greeting", "unordered", "lost once", "ordered"));
}

// IMPL-51, IMPL-162, API-285: what the network takes away longer than a message lives is given up, and its sender told.
TEST_F(Sctp, ALifetimeEndsInTheLibrary) {
  Talker& client = connected();
  client.send("before");
  ASSERT_TRUE(pair.until([&] { return received().size() == 1; }));
  link.forth().conditions.loss = 1;
  std::optional<Fate> fate;
  client.connection.send(with(client, "too late", [&](Message& m) { m.properties.lifetime = 100ms; }),
                         [&](Fate f, const Error*) { fate = f; });
  pair.world.run_for(1s);
  link.forth().conditions.loss = 0;
  client.send("after");
  ASSERT_TRUE(pair.until([&] { return received().size() == 2; }));
  EXPECT_THAT(received(), ElementsAre("before", "after"));
  EXPECT_EQ(fate, Fate::expired);
}

// IMPL-51: one that arrives in time is told as sent.
TEST_F(Sctp, ALifetimeThatIsLongEnough) {
  Talker& client = connected();
  std::vector<Fate> fates;
  client.connection.send(with(client, "in time", [&](Message& m) { m.properties.lifetime = 10s; }),
                         [&](Fate f, const Error*) { fates.push_back(f); });
  ASSERT_TRUE(pair.until([&] { return received().size() == 1; }));
  pair.world.run_for(1s);
  EXPECT_THAT(fates, ElementsAre(Fate::sent));
}

// A message that may be lost is not sent again (RFC 7496).
// API-115, API-173, API-284, IMPL-57
TEST_F(Sctp, UnreliableMessages) {
  Talker& client = connected();
  client.send("before");
  ASSERT_TRUE(pair.until([&] { return received().size() == 1; }));
  link.forth().conditions.loss = 1;
  std::optional<Fate> fate;
  client.connection.send(with(client, "lost", [](Message& m) { m.properties.reliable = false; }),
                         [&](Fate f, const Error*) { fate = f; });
  pair.world.run_for(1ms);
  link.forth().conditions.loss = 0;
  client.send("after");
  ASSERT_TRUE(pair.until([&] { return received().size() == 2; }));
  EXPECT_THAT(received(), ElementsAre("before", "after"));
  EXPECT_EQ(fate, Fate::expired);
}

// IMPL-164: what was sent arrives although the application closes at once and the network loses much of it.
TEST_F(Sctp, CloseFlushes) {
  Talker& client = connected();
  link.set({.delay = 10ms, .loss = 0.1});
  for (int i = 0; i < 50; ++i) client.send(std::string(3000, static_cast<char>('a' + i % 26)));
  client.close();
  ASSERT_TRUE(pair.until([&] { return client.closed.has_value(); }));
  EXPECT_TRUE(*client.closed) << client.closed->error().detail;
  EXPECT_EQ(received().size(), 50u);
  EXPECT_TRUE(pair.until([&] { return pair.peers[0]->reader->ended; }));
}

// IMPL-158, IMPL-165: an abort ends the association at once, and the peer hears why.
TEST_F(Sctp, AbortIsTold) {
  Talker& client = connected();
  client.send("a");
  ASSERT_TRUE(pair.until([&] { return received().size() == 1; }));
  client.connection.abort(7);
  ASSERT_TRUE(pair.until([&] { return pair.peers[0]->failed.has_value(); }));
  EXPECT_EQ(pair.peers[0]->failed->reason, Reason::reset);
  EXPECT_THAT(pair.peers[0]->failed->detail, testing::HasSubstr("the peer has aborted the association: code 7"));
  EXPECT_EQ(pair.peers[0]->failed->code, 7u);
  EXPECT_FALSE(pair.peers[0]->reader->ended);  // what came is not all
}

// IMPL-157: nobody listens on this SCTP port, although the UDP port answers.
TEST_F(Sctp, RefusedByThePeer) {
  pair.listen(sctp("port=5000"));
  Talker& client = pair.dial(sctp("port=5001"));
  ASSERT_TRUE(pair.until([&] { return client.ready.has_value(); }));
  ASSERT_FALSE(*client.ready);
  EXPECT_EQ(client.ready->error().reason, Reason::unreachable);
}

// IMPL-158, API-270: a path that is cut fails the association after its retransmissions.
TEST_F(Sctp, AVanishedPeer) {
  Talker& client = connected("retransmissions=3");
  link.forth().conditions.loss = 1;
  client.send("nobody hears this");
  ASSERT_TRUE(pair.until([&] { return client.failed.has_value(); }));
  EXPECT_EQ(client.failed->reason, Reason::timed_out);
}

// Two listeners of one process cannot have one SCTP port: one clear error.
TEST_F(Sctp, OneListenerForEachPort) {
  pair.listen(sctp());
  std::optional<Error> failed;
  Listener second =
      Preconnection(*pair.framework)
          .stack(sctp("port=4433"))
          .local({.host = "10.0.0.2", .port = 4434})
          .listen(pair.server.loop(), {.listening = {}, .received = {}, .failed = [&](const Error& e) { failed = e; }});
  ASSERT_TRUE(pair.until([&] { return failed.has_value(); }));
  EXPECT_THAT(failed->detail, testing::HasSubstr("option port"));
}

// A bytestream by option: bytes arrive in order, their edges mean nothing.
TEST_F(Sctp, StreamsOfBytes) {
  pair.listen(sctp("bytestream=true"));
  Talker& client = pair.dial_ready(sctp("bytestream=true"));
  std::string content(300'000, 'x');
  for (std::size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i * 13 + i / 257);
  client.send(content);
  ASSERT_TRUE(pair.until([&] { return !pair.peers.empty() && pair.peers[0]->reader->all.size() == content.size(); }));
  EXPECT_TRUE(pair.peers[0]->reader->all == content);
}

}  // namespace
}  // namespace trellis::tests
