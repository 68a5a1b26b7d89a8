// The property `direction`: Connections by which data go one way, over transports that have both, in virtual time.
#include "group_fixture.h"

namespace trellis::tests {
namespace {

const std::string kSendOnly(kDirectionWords[1]), kReceiveOnly(kDirectionWords[2]);

struct OneDirection : GroupFixture {
  Talker& dial(std::string_view stack, PropertyValue direction) {
    Talker& t = *pair.talkers.emplace_back(std::make_unique<Talker>());
    t.connection =
        pair.to_server(stack).set(kDirection.name, std::move(direction)).initiate(pair.client.loop(), t.on_ready());
    t.listen_to_all();
    EXPECT_TRUE(pair.until([&] { return t.ready.has_value(); }));
    return t;
  }
  /// What the Connection is for, and what it can do.
  static std::string told(Connection& c) {
    return fact<std::string>(c, kDirection.name) + (fact<bool>(c, kCanSend.name) ? ", sends" : "") +
           (fact<bool>(c, kCanReceive.name) ? ", receives" : "");
  }
  /// Why nothing can be sent; "": it was.
  std::string refusal(Connection& c) {
    std::optional<std::string> why;
    c.send(Message{.data = slice(c, "refused")},
           [&](Fate, const Error* error) { why = error != nullptr ? error->detail : ""; });
    EXPECT_TRUE(pair.until([&] { return why.has_value(); }));
    return *why;
  }
};

// API-128: the other direction lies idle, and neither side is hindered in ending.
TEST_F(OneDirection, ATransportOfBothDirectionsServes) {
  pair.listen("length-prefix/tcp");
  Talker& t = dial("length-prefix/tcp", kSendOnly);
  ASSERT_TRUE(*t.ready) << t.ready->error().detail;
  EXPECT_EQ(told(t.connection), "Unidirectional Send, sends");
  t.send("one way");
  ASSERT_TRUE(pair.until([&] { return peer_with("one way") != nullptr; }));
  Talker& peer = *peer_with("one way");
  EXPECT_EQ(told(peer.connection), "Bidirectional, sends, receives") << "that we do not receive is not its business";
  peer.send("not heard");
  t.read();
  ASSERT_TRUE(pair.until([&] { return t.reader->error.has_value(); }));
  EXPECT_EQ(t.reader->error->reason, Reason::unsupported);
  EXPECT_THAT(t.reader->error->detail, testing::HasSubstr("only sends: its direction is Unidirectional Send"));
  pair.world.run_for(1s);
  EXPECT_EQ(t.reader->all, "");
  t.close();
  peer.close();
  ASSERT_TRUE(pair.until([&] { return t.closed.has_value() && peer.closed.has_value(); }));
  EXPECT_TRUE(*t.closed);
}

// API-128: what is sent on a Connection that only receives is refused, before it is ready too; the peer hears no end.
TEST_F(OneDirection, WhoOnlyReceivesSendsNothing) {
  pair.listen("length-prefix/tcp");
  Talker& t = *pair.talkers.emplace_back(std::make_unique<Talker>());
  Message early{.data = pair.client.loop().pool().allocate(0, 1, 0)};
  early.properties.replayable = true;
  t.connection = pair.to_server("length-prefix/tcp")
                     .set("DIRECTION", kReceiveOnly)
                     .initiate(pair.client.loop(), t.on_ready(), std::move(early));
  EXPECT_EQ(told(t.connection), "Unidirectional Receive, receives");
  EXPECT_THAT(refusal(t.connection), testing::HasSubstr("only receives: its direction is Unidirectional Receive"));
  ASSERT_TRUE(pair.until([&] { return t.ready && !pair.peers.empty(); }));
  ASSERT_TRUE(*t.ready) << t.ready->error().detail;
  EXPECT_EQ(told(t.connection), "Unidirectional Receive, receives");
  EXPECT_THAT(refusal(t.connection), testing::HasSubstr("only receives"));
  t.read();
  Talker& peer = *pair.peers.back();
  peer.send("for you");
  ASSERT_TRUE(pair.until([&] { return t.reader->all == "for you"; }));
  EXPECT_EQ(peer.reader->all, "");
  EXPECT_FALSE(peer.reader->ended);
}

// API-128: a Listener's Connections have the direction that it was asked for.
TEST_F(OneDirection, OfAListener) {
  pair.listener = Preconnection(*pair.framework)
                      .stack("length-prefix/tcp")
                      .set(kDirection.name, kReceiveOnly)
                      .local({.host = "10.0.0.2", .port = 4433})
                      .listen(pair.server.loop(), {.received = [&](Connection c) { pair.take(std::move(c)); }});
  Talker& t = pair.dial_ready("length-prefix/tcp");
  t.send("heard");
  ASSERT_TRUE(pair.until([&] { return peer_with("heard") != nullptr; }));
  EXPECT_EQ(told(pair.peers.back()->connection), "Unidirectional Receive, receives");
  EXPECT_THAT(refusal(pair.peers.back()->connection), testing::HasSubstr("only receives"));
}

// API-128: a clone has the direction of its parent, or one of its own: as a stream, and as a connection of its own.
TEST_F(OneDirection, OfAClone) {
  for (const char* stack : {"mux/tcp", "length-prefix/tcp"}) {
    pair.listen(stack);
    Talker& t = dial(stack, kSendOnly);
    ASSERT_TRUE(*t.ready) << t.ready->error().detail;
    Talker& like = pair.clone(t);
    Talker& unlike = pair.clone(t, {.properties = {{"Direction", std::string("Bidirectional")}}});
    ASSERT_TRUE(pair.until([&] { return like.ready && unlike.ready; }));
    EXPECT_EQ(told(like.connection), "Unidirectional Send, sends") << stack;
    EXPECT_EQ(told(unlike.connection), "Bidirectional, sends, receives") << stack;
    EXPECT_EQ(told(t.connection), "Unidirectional Send, sends") << stack << ": it is not entangled";
    like.send("like it");
    unlike.send("unlike it");
    ASSERT_TRUE(pair.until([&] { return peer_with("like it") != nullptr && peer_with("unlike it") != nullptr; }));
    unlike.read();
    peer_with("unlike it")->send("answer");
    EXPECT_TRUE(pair.until([&] { return unlike.reader->all == "answer"; })) << stack;
    pair.talkers.clear();
    pair.peers.clear();
    pair.listener = {};
    pair.listening = false;
    pair.world.run_for(1s);
  }
}

// API-11, API-128
TEST_F(OneDirection, IsChosenBeforeAndByItsWords) {
  pair.listen("mux/tcp");
  Talker& t = pair.dial_ready("mux/tcp");
  EXPECT_EQ(told(t.connection), "Bidirectional, sends, receives") << "the default";
  EXPECT_EQ(t.connection.set(kDirection.name, kSendOnly).error().detail,
            "direction is read-only: stacks were chosen by it");
  const std::string expected = "direction is Bidirectional, Unidirectional Send or Unidirectional Receive";
  for (const PropertyValue& wrong : {PropertyValue(std::string("Sideways")), PropertyValue(true)}) {
    Talker& refused = dial("mux/tcp", wrong);
    ASSERT_FALSE(*refused.ready);
    EXPECT_EQ(refused.ready->error().detail, expected);
    Talker& clone = pair.clone(t, {.properties = {{"direction", wrong}}});
    ASSERT_TRUE(pair.until([&] { return clone.ready.has_value(); }));
    ASSERT_FALSE(*clone.ready);
    EXPECT_EQ(clone.ready->error().detail, expected);
  }
}

}  // namespace
}  // namespace trellis::tests
