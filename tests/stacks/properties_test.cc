// Properties and events of a Connection as RFC 9622 names them, in virtual time.
#include "virtual_pair.h"

namespace trellis::tests {
namespace {

struct Properties : testing::Test {
  VirtualPair pair;
  static std::string word(const Connection& c, std::string_view name) {
    const auto value = c.get(name);
    return value ? std::get<std::string>(*value) : value.error().detail;
  }
  void link_is_cut() {
    for (auto* way : {&pair.link.forth(), &pair.link.back()}) way->tap = [](SimPacket&) { return Verdict::drop; };
  }
  static bool flag(const Connection& c, std::string_view name) { return std::get<bool>(c.get(name).value()); }
};

// API-147..API-149, API-157, API-218, API-219
TEST_F(Properties, StateAndDirectionsAreTold) {
  pair.listen("tcp");
  Talker& t = pair.dial("tcp");
  EXPECT_EQ(word(t.connection, "connState"), "Establishing");
  ASSERT_TRUE(pair.until([&] { return t.ready && !pair.peers.empty(); }));
  EXPECT_EQ(word(t.connection, "connState"), "Established");
  EXPECT_TRUE(flag(t.connection, "canSend"));
  EXPECT_TRUE(flag(t.connection, "canReceive"));
  t.connection.finish();
  EXPECT_FALSE(flag(t.connection, "canSend"));
  EXPECT_TRUE(flag(t.connection, "canReceive"));
  t.read();
  Talker& peer = *pair.peers.front();
  peer.connection.send(Message{.data = slice(peer.connection, "the end"), .final = true});
  ASSERT_TRUE(pair.until([&] { return t.reader->ended; }));
  EXPECT_FALSE(flag(t.connection, "canReceive"));
  t.close();
  EXPECT_EQ(word(t.connection, "connState"), "Closing");
  ASSERT_TRUE(pair.until([&] { return t.closed.has_value(); }));
  EXPECT_EQ(word(t.connection, "connState"), "Closed");
}

// API-11, API-111: what stacks were chosen by is read as yes or no afterwards, and cannot be changed.
TEST_F(Properties, SelectionPropertiesSayWhatTheStackDoes) {
  pair.listen("length-prefix/tcp");
  Talker& t = pair.dial("length-prefix/tcp");
  EXPECT_FALSE(t.connection.get("reliability")) << "nothing is chosen yet";
  ASSERT_TRUE(pair.until([&] { return t.ready.has_value(); }));
  for (const char* name : {"reliability", "preserveOrder", "PRESERVEMSGBOUNDARIES", "congestionControl",
                           "fullChecksumSend", "fullChecksumRecv", "keepAlive"})
    EXPECT_TRUE(flag(t.connection, name)) << name;
  for (const char* name : {"multistreaming", "perMsgReliability", "zeroRttMsg"})
    EXPECT_FALSE(flag(t.connection, name)) << name;
  const auto done = t.connection.set("preserveOrder", false);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().detail, "preserveOrder is read-only: stacks were chosen by it");
  EXPECT_TRUE(flag(t.connection, "preserveOrder"));
}

// API-26: selection properties, properties of the Connection and of messages are one set of names with values.
TEST_F(Properties, OneSetOfTransportProperties) {
  pair.listen("udp");
  Preconnection to = pair.to_server("udp");
  const auto says = [&](const char* name, const char* preference) {
    Talker t;
    t.connection = to.set(name, std::string(preference)).initiate(pair.client.loop(), t.on_ready());
    EXPECT_TRUE(pair.until([&] { return t.ready.has_value(); }));
    t.connection = {};
    return *t.ready ? "" : t.ready->error().detail;
  };
  EXPECT_THAT(says("Reliability", "Require"), testing::HasSubstr("reliability"));
  EXPECT_EQ(says("reliability", "Avoid"), "") << "the last word counts";
  EXPECT_THAT(says("softErrorNotify", "Prohibit"), testing::HasSubstr("soft"));
  EXPECT_EQ(says("softErrorNotify", "No Preference"), "");
  EXPECT_THAT(says("preserveOrder", "Requir"),
              testing::HasSubstr("preserveOrder is Require, Prefer, No Preference, Avoid or Prohibit"));
  Talker t;
  t.connection = pair.to_server("udp")
                     .set("preserveMsgBoundaries", std::string("Require"))
                     .set("connCapacityProfile", std::string("Scavenger"))
                     .set("msgPriority", std::uint64_t{8})
                     .initiate(pair.client.loop(), t.on_ready());
  ASSERT_TRUE(pair.until([&] { return t.ready.has_value(); }));
  ASSERT_TRUE(*t.ready) << t.ready->error().detail;
  EXPECT_TRUE(flag(t.connection, "preserveMsgBoundaries"));
  EXPECT_EQ(word(t.connection, "connCapacityProfile"), "Scavenger");
  EXPECT_EQ(std::get<std::uint64_t>(t.connection.get("msgPriority").value()), 8u);
  t.connection = {};
}

// API-7, API-68
TEST_F(Properties, NamesAreComparedWithoutCase) {
  pair.listen("length-prefix/tcp");
  Talker& t = pair.dial_ready("length-prefix/tcp");
  ASSERT_TRUE(t.connection.set("KEEPALIVETIMEOUT", Duration(20s)));
  EXPECT_EQ(std::get<Duration>(t.connection.get("keepalivetimeout").value()), Duration(20s));
  EXPECT_EQ(word(t.connection, "CONNSTATE"), "Established");
  EXPECT_FALSE(t.connection.get(".connState")) << "a generic name has no dot in front";
}

// API-67
TEST_F(Properties, ReadOnlyOnesCannotBeSetAndTheConnectionLives) {
  pair.listen("tcp");
  Talker& t = pair.dial_ready("tcp");
  for (const std::string_view name : {kConnState.name, kCanSend.name, kCanReceive.name, kSendMsgMaxLen.name,
                                      kRecvMsgMaxLen.name, kSingularTransmissionMsgMaxLen.name, kRoundTripTime.name}) {
    const auto done = t.connection.set(name, std::uint64_t{1});
    ASSERT_FALSE(done) << name;
    EXPECT_EQ(done.error().reason, Reason::invalid_argument) << name;
    EXPECT_EQ(done.error().detail, std::string(name) + " is read-only");
  }
  t.send("still here");
  EXPECT_TRUE(pair.until([&] { return !pair.peers.empty() && pair.peers.front()->reader->all == "still here"; }));
}

// API-12, API-76, API-101, API-248, API-28: what is set later is for later Connections, and replaces what was set
// before.
TEST_F(Properties, OfThePreconnectionAreForWhatFollows) {
  pair.listen("tcp");
  Preconnection to = pair.to_server("tcp");
  Talker first, second;
  to.set("keepAliveTimeout", Duration(10s));
  first.connection = to.initiate(pair.client.loop(), first.on_ready());
  to.set("keepAliveTimeout", Duration(20s));
  second.connection = to.initiate(pair.client.loop(), second.on_ready());
  ASSERT_TRUE(pair.until([&] { return first.ready && second.ready; }));
  EXPECT_EQ(std::get<Duration>(first.connection.get("keepAliveTimeout").value()), Duration(10s));
  EXPECT_EQ(std::get<Duration>(second.connection.get("keepAliveTimeout").value()), Duration(20s));
  first.connection = {};
  second.connection = {};
}

// API-14, API-258: what belongs to a protocol takes effect where that was chosen, and loses no Connection elsewhere.
TEST_F(Properties, SpecializedOnesFailNoEstablishment) {
  pair.listen("length-prefix/tcp");
  Talker t;
  t.connection = pair.to_server("length-prefix/tcp")
                     .set("quic.nothing", true)
                     .set("tcp.nothing", true)
                     .set("keepAliveTimeout", Duration(10s))
                     .initiate(pair.client.loop(), t.on_ready());
  t.listen_to_all();
  ASSERT_TRUE(pair.until([&] { return t.ready && !t.soft.empty(); }));
  EXPECT_TRUE(*t.ready);
  pair.world.run_for(1s);
  ASSERT_EQ(t.soft.size(), 1u) << "what the chosen protocol does not know is told";
  EXPECT_TRUE(t.soft[0].detail.contains("'tcp.nothing'")) << t.soft[0].detail;
  EXPECT_EQ(std::get<Duration>(t.connection.get("keepAliveTimeout").value()), Duration(10s));
  Talker& clone = *pair.talkers.emplace_back(std::make_unique<Talker>());
  clone.connection = t.connection.clone(clone.on_ready());
  ASSERT_TRUE(pair.until([&] { return clone.ready.has_value(); }));
  EXPECT_TRUE(*clone.ready) << clone.ready->error().detail;
  clone.connection = {};
  t.connection = {};
}

// IMPL-85, IMPL-86: the layer above is asked first for what is everybody's, and not for what is another protocol's.
TEST_F(Properties, SpecializedOnesGoToTheirProtocolOnly) {
  pair.listen("mux/tcp");
  Talker& t = pair.dial_ready("mux/tcp");
  mux_facts.asked.clear();
  EXPECT_FALSE(t.connection.get("tcp.nothing"));
  EXPECT_FALSE(t.connection.set("tcp.nothing", true));
  EXPECT_TRUE(mux_facts.asked.empty());
  EXPECT_FALSE(t.connection.get("mux.nothing"));
  EXPECT_TRUE(t.connection.get("keepAliveTimeout"));
  EXPECT_EQ(mux_facts.asked, (std::vector<std::string>{"mux.nothing", "keepAliveTimeout"}));
  ASSERT_TRUE(t.connection.set("maxSendRate", std::uint64_t{8000}));
  EXPECT_EQ(std::get<std::uint64_t>(t.connection.get("maxSendRate").value()), 8000u);
}

// API-179, API-196
TEST_F(Properties, NothingIsReceivedAfterTheFinalMessage) {
  pair.peers_read = false;
  pair.listen("length-prefix/tcp");
  Talker& t = pair.dial_ready("length-prefix/tcp");
  t.connection.send(Message{.data = slice(t.connection, "last words"), .final = true});
  ASSERT_TRUE(pair.until([&] { return !pair.peers.empty(); }));
  Connection& peer = pair.peers.front()->connection;
  std::vector<std::string> got;
  for (std::size_t n = 1; n <= 4; ++n) {
    peer.receive(kWholeMessage, SIZE_MAX, [&](Result<Message> message) {
      got.push_back(!message ? message.error().detail : message->final ? "final" : text(message->data));
    });
    ASSERT_TRUE(pair.until([&] { return got.size() == n; }));
  }
  const std::string over = "nothing can be received after the final message";
  EXPECT_EQ(got, (std::vector<std::string>{"last words", "final", over, over}));
  EXPECT_EQ(peer.state(), ConnectionState::established) << "the other direction goes on";
}

// API-173, API-180..API-182: a message may ask for less than the Connection does where that can be had.
TEST_F(Properties, MessagesThatContradictTheirConnectionAreRefused) {
  pair.listen("length-prefix/tcp");
  Talker& t = pair.dial("length-prefix/tcp");
  std::vector<std::string> refused;
  const auto send = [&](const std::string& content, bool reliable, bool end = true) {
    Message message{.data = slice(t.connection, content), .end = end};
    message.properties.reliable = reliable;
    t.connection.send(std::move(message), [&refused, content](Fate fate, const Error* why) {
      if (fate != Fate::failed) return;
      EXPECT_EQ(why->reason, Reason::invalid_argument);
      refused.push_back(content);
    });
  };
  send("before a stack is chosen", false);
  send("one", true);
  ASSERT_TRUE(pair.until([&] { return t.ready.has_value(); }));
  send("after", false);
  send("a message", false, false);
  send(" in two parts", true);
  send("two", true);
  ASSERT_TRUE(pair.until([&] { return !pair.peers.empty() && pair.peers.front()->reader->messages.size() == 2; }));
  EXPECT_EQ(pair.peers.front()->reader->messages, (std::vector<std::string>{"one", "two"}));
  EXPECT_EQ(refused, (std::vector<std::string>{"before a stack is chosen", "after", "a message", " in two parts"}));
}
TEST_F(Properties, DatagramsMayBeAskedToBeUnreliable) {
  pair.listen("udp");
  Talker& t = pair.dial_ready("udp");
  Message message{.data = slice(t.connection, "as they are")};
  message.properties.reliable = false;
  message.properties.checksum_length = 4;  // API-172, IMPL-56: advice, which UDP cannot follow for one message
  std::optional<Fate> fate;
  t.connection.send(std::move(message), [&](Fate told, const Error*) { fate = told; });
  ASSERT_TRUE(pair.until([&] { return !pair.peers.empty() && pair.peers.front()->reader->all == "as they are"; }));
  EXPECT_EQ(fate, Fate::sent);
}

// API-185, API-220, API-186
TEST_F(Properties, EverySendHasOneFateAndTheyComeInOrder) {
  pair.listen("length-prefix/tcp");
  Talker& t = pair.dial_ready("length-prefix/tcp");
  std::vector<int> sent;
  for (int i = 0; i < 20; ++i) {
    t.connection.send(Message{.data = slice(t.connection, std::string(5000, 'x'))},
                      [&sent, i](Fate fate, const Error*) {
                        if (fate != Fate::acknowledged) sent.push_back(fate == Fate::sent ? i : -1);
                      });
  }
  ASSERT_TRUE(pair.until([&] { return !pair.peers.empty() && pair.peers.front()->reader->all.size() == 100000; }));
  std::vector<int> expected(20);
  for (int i = 0; i < 20; ++i) expected[static_cast<std::size_t>(i)] = i;
  EXPECT_EQ(sent, expected);
}

// API-82: by which endpoints, of what was sent, expired and could not be sent, also when the Connection has ended.
TEST_F(Properties, FatesTellTheEndpoints) {
  pair.listen("length-prefix/tcp");
  Talker& t = pair.dial("length-prefix/tcp");
  struct Told {
    Fate fate;
    Address remote, local;
  };
  std::vector<Told> told;
  const auto hear = [&](const SentContext& context, const Error*) {
    if (context != Fate::acknowledged) told.push_back({context, context.remote(), context.local()});
  };
  const auto send = [&](std::size_t size, std::optional<Duration> lifetime) {
    Message message{.data = slice(t.connection, std::string(size, 'x'))};
    message.properties.lifetime = lifetime;
    t.connection.send(std::move(message), hear);
  };
  send(10, 1ms);
  ASSERT_TRUE(pair.until([&] { return told.size() == 1; }));
  EXPECT_EQ(told[0].fate, Fate::expired);
  EXPECT_FALSE(told[0].remote) << "nothing was connected";
  ASSERT_TRUE(pair.until([&] { return t.ready.has_value(); }));
  send(10, {});
  ASSERT_TRUE(pair.until([&] { return told.size() == 2; }));
  EXPECT_EQ(told[1].fate, Fate::sent);
  link_is_cut();
  send(8 << 20, {});
  send(10, 100ms);
  ASSERT_TRUE(pair.until([&] { return told.size() == 3; }));
  EXPECT_EQ(told[2].fate, Fate::expired);
  const Address local = t.connection.local(), remote = t.connection.remote();
  ASSERT_EQ(remote.port, 4433);
  ASSERT_NE(local.port, 0);
  t.connection.abort();
  EXPECT_FALSE(t.connection.remote());
  ASSERT_TRUE(pair.until([&] { return told.size() == 4; }));
  EXPECT_EQ(told[3].fate, Fate::failed);
  for (std::size_t i = 1; i < told.size(); ++i) {
    EXPECT_EQ(told[i].remote, remote) << i;
    EXPECT_EQ(told[i].local, local) << i;
  }
}

// API-157: where routing decides, the host is asked whose address it is: the simulated one.
TEST_F(Properties, TheInterfaceIsThatOfTheHost) {
  pair.listen("tcp");
  Talker& t = pair.dial_ready("tcp");
  EXPECT_EQ(t.connection.interface_name(), "eth0");
  EXPECT_EQ(word(t.connection, kInterface.name), "eth0");
}

// API-226: nobody tells that the network is cut; what a Connection holds is freed by its own side alone, and then all.
TEST_F(Properties, ThatThePeerHasGoneMayNeverBeTold) {
  pair.listen("length-prefix/tcp");
  const std::size_t listening = pair.server.sockets();
  Talker& aborted = pair.dial_ready("length-prefix/tcp");
  Talker& dropped = pair.dial_ready("length-prefix/tcp");
  for (Talker* t : {&aborted, &dropped}) {
    t->send("hello");
    t->read();
  }
  ASSERT_TRUE(pair.until([&] { return pair.peers.size() == 2 && pair.peers.back()->reader->all == "hello"; }));
  link_is_cut();
  pair.peers[0]->connection.abort();
  pair.peers[1]->close();
  pair.world.run_for(24h);
  EXPECT_EQ(pair.server.sockets(), listening) << "also of the one that said goodbye to nobody";
  for (Talker* t : {&aborted, &dropped}) {
    EXPECT_EQ(t->connection.state(), ConnectionState::established);
    EXPECT_FALSE(t->failed || t->reader->ended || t->reader->error);
  }
  EXPECT_EQ(pair.client.sockets(), 2u);
  aborted.connection.abort();
  dropped.connection = {};
  pair.world.run_for(1ms);
  EXPECT_EQ(pair.client.sockets(), 0u);
  EXPECT_EQ(pair.client.loop().alarms(), 0u);
}

// API-95, API-192, API-288: 1500 bytes with room for 1000 are 1000 and then the other 500 with the end.
TEST_F(Properties, AMessageBeyondTheLimitComesInPieces) {
  pair.peers_read = false;
  pair.listen("length-prefix/tcp");
  Talker& t = pair.dial_ready("length-prefix/tcp");
  t.send(std::string(1500, 'x'));
  ASSERT_TRUE(pair.until([&] { return !pair.peers.empty(); }));
  std::vector<std::pair<std::size_t, bool>> pieces;
  for (std::size_t n = 1; n <= 2; ++n) {
    pair.peers.front()->connection.receive(kWholeMessage, 1000, [&](Result<Message> message) {
      if (message) pieces.emplace_back(message->data.size(), message->end);
    });
    ASSERT_TRUE(pair.until([&] { return pieces.size() == n; }));
  }
  EXPECT_EQ(pieces[0], std::pair(std::size_t{1000}, false));
  EXPECT_EQ(pieces[1], std::pair(std::size_t{500}, true));
}

// API-189
// IMPL-50: over the same TCP, what is sent is a message each where a framer is on top.
TEST_F(Properties, MessagesThatComeBeforeTheyAreAskedForAreKept) {
  pair.peers_read = false;
  pair.listen("length-prefix/tcp");
  Talker& t = pair.dial_ready("length-prefix/tcp");
  for (const char* word : {"one", "two", "three"}) t.send(word);
  pair.world.run_for(1s);
  std::vector<std::string> got;
  for (std::size_t n = 1; n <= 3; ++n) {
    pair.peers.front()->connection.receive(kWholeMessage, SIZE_MAX, [&](Result<Message> message) {
      if (message) got.push_back(text(message->data));
    });
    ASSERT_TRUE(pair.until([&] { return got.size() == n; }));
  }
  EXPECT_EQ(got, (std::vector<std::string>{"one", "two", "three"}));
}

// API-221, API-222, API-224: nothing comes before it is ready or after its end, and no data after close().
TEST_F(Properties, EventsComeBetweenReadyAndClosed) {
  pair.listen("length-prefix/tcp");
  std::vector<std::string> events;
  Connection c = pair.to_server("length-prefix/tcp").initiate(pair.client.loop(), [&](Result<void>) {
    events.emplace_back("ready");
  });
  const auto sent = [&](Fate fate, const Error*) {
    if (fate != Fate::acknowledged) events.emplace_back("sent");
  };
  const auto received = [&](Result<Message>) { events.emplace_back("received"); };
  c.on_failed([&](const Error&) { events.emplace_back("failed"); });
  c.on_notice([&](Notice, const Error&) { events.emplace_back("notice"); });
  c.receive(kWholeMessage, SIZE_MAX, received);
  c.send(Message{.data = slice(c, "question")}, sent);
  ASSERT_TRUE(pair.until([&] { return !pair.peers.empty() && pair.peers.front()->reader->all == "question"; }));
  Talker& peer = *pair.peers.front();
  peer.send("answer");
  ASSERT_TRUE(pair.until([&] { return events.size() == 3; }));
  c.receive(kWholeMessage, SIZE_MAX, received);
  c.send(Message{.data = slice(c, ", last words")}, sent);
  peer.send("on its way");
  c.close([&](Result<void>) { events.emplace_back("closed"); });
  ASSERT_TRUE(pair.until([&] { return peer.reader->ended; }));
  peer.close();
  pair.world.run_for(5s);
  EXPECT_EQ(events, (std::vector<std::string>{"ready", "sent", "received", "sent", "closed"}));
  EXPECT_EQ(peer.reader->all, "question, last words");
}

}  // namespace
}  // namespace trellis::tests
