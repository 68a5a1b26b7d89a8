// One session through whole stacks in virtual time: joins, failures, and what
// the application sees of them: nothing.
#include "tcpls_world.h"

namespace trellis::test {
namespace {

std::string pattern(std::size_t size, unsigned salt = 0) {
  std::string made(size, 0);
  for (std::size_t i = 0; i < size; ++i) made[i] = static_cast<char>(i * 31 + i / 251 + salt);
  return made;
}

// TCPLS-2, TCPLS-8, TCPLS-12, TCPLS-42
TEST(Session, StreamsInBothDirections) {
  TcplsWorld w;
  Talker& first = w.connect();
  EXPECT_EQ(std::get<bool>(*first.connection.get("tcpls.agreed")), true);
  Talker& second = w.clone(first);
  second.send("two");
  ASSERT_TRUE(w.until([&] { return w.peers.size() == 2 && w.peers[1]->reader->all == "two"; }));
  w.peers[0]->send("one back");
  w.peers[1]->send("two back");
  EXPECT_TRUE(w.until([&] { return first.reader->all == "one back" && second.reader->all == "two back"; }));
  EXPECT_EQ(w.ports.size(), 1u) << "one TCP connection carries both";
}

// TCPLS-47: one direction ends, the other goes on.
TEST(Session, HalfClose) {
  TcplsWorld w;
  Talker& first = w.connect();
  Talker& second = w.clone(first);
  second.connection.send(Message{.data = tests::slice(second.connection, "all"), .final = true});
  ASSERT_TRUE(w.until([&] { return w.peers.size() == 2 && w.peers[1]->reader->ended; }));
  w.peers[1]->send("answer");
  EXPECT_TRUE(w.until([&] { return second.reader->all == "answer"; }));
}

// TCPLS-8: a peer without TCPLS gets plain TLS in the same connection.
TEST(Session, AServerWithoutTcpls) {
  TcplsWorld w;
  w.listen(TcplsWorld::stack({}, "tls"));
  Talker& t = w.dial(TcplsWorld::stack());
  ASSERT_TRUE(w.until([&] { return t.ready.has_value(); }));
  ASSERT_TRUE(*t.ready) << t.ready->error().detail;
  EXPECT_EQ(std::get<bool>(*t.connection.get("tcpls.agreed")), false);
  const std::string big = pattern(300'000);
  t.read();
  t.send(big);
  ASSERT_TRUE(w.until([&] { return w.peers.size() == 1 && w.peers[0]->reader->all == big; }));
  w.peers[0]->send("back");
  ASSERT_TRUE(w.until([&] { return t.reader->all == "back"; }));
  Talker& more = w.clone(t);
  ASSERT_TRUE(w.until([&] { return more.ready.has_value(); }));
  EXPECT_FALSE(*more.ready) << "TLS has one stream";
  t.close();
  EXPECT_TRUE(w.until([&] { return t.closed && w.peers[0]->reader->ended; }));
}

TEST(Session, AClientWithoutTcpls) {
  TcplsWorld w;
  w.listen(TcplsWorld::stack());
  Talker& t = w.dial(TcplsWorld::stack({}, "tls"));
  ASSERT_TRUE(w.until([&] { return t.ready.has_value(); }));
  ASSERT_TRUE(*t.ready) << t.ready->error().detail;
  t.read();
  t.send("hello");
  ASSERT_TRUE(w.until([&] { return w.peers.size() == 1 && w.peers[0]->reader->all == "hello"; }));
  w.peers[0]->send("back");
  EXPECT_TRUE(w.until([&] { return t.reader->all == "back"; }));
}

// TCPLS-119, TCPLS-120
TEST(Session, OtherCodePoints) {
  {
    TcplsWorld w;
    EXPECT_TRUE(
        std::get<bool>(*w.connect("code-points=prototypes", "code-points=prototypes").connection.get("tcpls.agreed")));
  }
  TcplsWorld w;
  w.listen(TcplsWorld::stack("code-points=prototypes"));
  Talker& t = w.dial(TcplsWorld::stack());
  ASSERT_TRUE(w.until([&] { return t.ready.has_value(); }));
  EXPECT_FALSE(std::get<bool>(*t.connection.get("tcpls.agreed"))) << "they simply do not agree on it";
}

// TCPLS-4, TCPLS-50, TCPLS-55, TCPLS-57, TCPLS-58
TEST(Session, AStandbyConnectionJoins) {
  TcplsWorld w;
  Talker& t = w.connect("standby=1");
  ASSERT_TRUE(w.until([&] { return TcplsWorld::connections(t).contains("; 1:"); })) << TcplsWorld::connections(t);
  w.world.run_for(1s);
  EXPECT_FALSE(TcplsWorld::connections(t).contains("joining")) << TcplsWorld::connections(t);
  EXPECT_EQ(w.ports.size(), 2u);
}

struct Failover : testing::TestWithParam<std::tuple<int, Verdict>> {};

// TCPLS-78, TCPLS-79, TCPLS-80, TCPLS-82, TCPLS-85: 3 MB each way while the
// connection in use is broken again and again.
TEST_P(Failover, NothingIsLostOrRepeated) {
  const auto [standby, verdict] = GetParam();
  TcplsWorld w;
  Talker& t = w.connect("standby=" + std::to_string(standby));
  const std::string there = pattern(3'000'000), back = pattern(3'000'000, 7);
  w.wire->set({.delay = 10ms, .rate = 20'000'000});
  t.send(there);
  w.peers[0]->send(back);
  std::size_t next = 0;
  for (int cut = 0; cut < 3; ++cut) {
    w.world.run_for(300ms);
    ASSERT_FALSE(t.failed) << t.failed->detail;
    while (next < w.ports.size() && w.bytes[w.ports[next]] < 100'000) ++next;
    if (next < w.ports.size()) w.break_connection(next++, verdict);
  }
  ASSERT_TRUE(w.until([&] {
    return t.failed || w.peers[0]->failed ||
           (w.peers[0]->reader->all.size() >= there.size() + 5 && t.reader->all.size() >= back.size());
  })) << w.peers[0]->reader->all.size()
      << " " << t.reader->all.size() << " " << TcplsWorld::connections(t);
  ASSERT_FALSE(t.failed) << t.failed->detail;
  ASSERT_FALSE(w.peers[0]->failed) << w.peers[0]->failed->detail;
  EXPECT_TRUE(w.peers[0]->reader->all == "hello" + there);
  EXPECT_TRUE(t.reader->all == back);
  EXPECT_GE(w.broken.size(), 1u);
  t.close();
  ASSERT_TRUE(w.until([&] { return t.closed.has_value(); }));
  EXPECT_TRUE(*t.closed) << t.closed->error().detail;
}
INSTANTIATE_TEST_SUITE_P(Ways, Failover,
                         testing::Combine(testing::Values(0, 1, 2), testing::Values(Verdict::reset, Verdict::drop)));

// TCPLS-85, TCPLS-107: a peer whose process stands still is not lost on the connection on which its word comes last.
TEST(Session, APeerThatStandsStill) {
  TcplsWorld w;
  Talker& t = w.connect("standby=1,user-timeout-ms=1000");
  w.world.run_for(500ms);
  w.server.loop().stand_still(60s);
  w.break_connection(1, Verdict::drop);
  const std::string before = TcplsWorld::connections(t);
  ASSERT_TRUE(w.until([&] { return TcplsWorld::connections(t) != before; }, 2s));  // both are asked
  w.world.run_for(550ms);
  w.broken.clear();  // what TCP repeats there comes while the peer stands still again
  w.server.loop().stand_still(0s);
  w.world.run_for(5ms);
  w.server.loop().stand_still(900ms);
  w.world.run_for(2s);
  EXPECT_EQ(w.ports.size(), 2u) << TcplsWorld::connections(t);
}

struct Pause : testing::TestWithParam<bool> {};

// TCPLS-78, TCPLS-84: a stream of little data whose connection is reset stands still for a round trip: the reset on its
// way back, and the data on their way forth. Who is told by the peer repeats what it did not get at once.
TEST_P(Pause, IsARoundTrip) {
  TcplsWorld w;
  Talker& t = w.connect("standby=1");
  w.world.run_for(1s);
  Talker& from = GetParam() ? *w.peers[0] : t;
  Talker& to = GetParam() ? t : *w.peers[0];
  std::string all = to.reader->all;
  const auto send = [&] {
    from.send("x");
    all += "x";
    w.world.run_for(1ms);
  };
  for (int i = 0; i < 100; ++i) send();
  w.break_connection(0, Verdict::reset);
  const TimePoint broken = w.world.now();
  const std::size_t before = to.reader->all.size();
  while (to.reader->all.size() == before && w.world.now() < broken + 1s) send();
  EXPECT_LE(w.world.now() - broken, 20ms + 5ms);
  EXPECT_TRUE(w.until([&] { return to.reader->all == all; })) << TcplsWorld::connections(t);
}
INSTANTIATE_TEST_SUITE_P(Directions, Pause, testing::Bool());

// TCPLS-105: a bit that flips ends its connection, not the session.
TEST(Session, DamageEndsOneConnectionOnly) {
  TcplsWorld w;
  Talker& t = w.connect("standby=1");
  ASSERT_TRUE(w.until([&] { return w.ports.size() == 2; }));
  w.world.run_for(1s);
  bool damaged = false;
  w.change = [&](SimPacket& packet) {
    if (damaged || packet.payload.size() < 500 || packet.from.port != w.ports[0]) return;
    packet.payload[400] ^= std::byte{1};
    damaged = true;
  };
  const std::string big = pattern(200'000);
  t.send(big);
  ASSERT_TRUE(w.until([&] { return t.failed || w.peers[0]->reader->all.size() >= big.size() + 5; }));
  EXPECT_FALSE(t.failed);
  EXPECT_TRUE(damaged);
  EXPECT_TRUE(w.peers[0]->reader->all == "hello" + big);
}

// TCPLS-66, TCPLS-114, TCPLS-124: who steals a token can open a connection, and
// gets nothing.
TEST(Session, AStolenTokenGivesNothing) {
  TcplsWorld w;
  Talker& t = w.connect("standby=1");
  w.change = [&](SimPacket& packet) {  // the client's half of the join vanishes
                                       // behind its ClientHello
    if (w.ports.size() < 2 || packet.from.port != w.ports[1] || packet.payload.empty()) return;
    if (packet.payload[0] != std::byte{22}) packet.payload.assign(packet.payload.size(), std::byte{0});
  };
  w.world.run_for(2s);
  w.peers[0]->send(pattern(100'000));
  ASSERT_TRUE(w.until([&] { return t.reader->all.size() == 100'000; }));
  ASSERT_GE(w.ports.size(), 2u);
  EXPECT_LT(w.bytes[w.ports[1]], 10'000u) << "not a byte of the stream went there";
  EXPECT_FALSE(t.failed);
}

// TCPLS-88: all connections carry data.
TEST(Session, AggregateUsesAll) {
  TcplsWorld w;
  Talker& t = w.connect("standby=1,scheduler=aggregate", "scheduler=aggregate");
  ASSERT_TRUE(w.until([&] { return w.ports.size() == 2; }));
  w.world.run_for(1s);
  w.wire->set({.delay = 10ms, .rate = 50'000'000});
  const std::string big = pattern(4'000'000);
  t.send(big);
  ASSERT_TRUE(w.until([&] { return w.peers[0]->reader->all.size() == big.size() + 5; }));
  EXPECT_TRUE(w.peers[0]->reader->all == "hello" + big);
  EXPECT_GT(w.bytes[w.ports[0]], 500'000u);
  EXPECT_GT(w.bytes[w.ports[1]], 500'000u);
}

// TCPLS-89: no token, no way back.
TEST(Session, WithoutATokenItEnds) {
  TcplsWorld w;
  Talker& t = w.connect({}, "tokens=0");
  w.break_connection(0, Verdict::reset);
  t.send("x");
  ASSERT_TRUE(w.until([&] { return t.failed.has_value(); }));
  EXPECT_THAT(t.failed->detail, testing::HasSubstr("no token"));
  ASSERT_TRUE(w.until([&] { return w.peers[0]->failed.has_value(); }, 120s));
  EXPECT_EQ(w.peers[0]->failed->reason, Reason::timed_out);
}

// Without failover the session ends with a connection that takes data along, and says why; what has arrived by then is
// no reason to end.
TEST(Session, WithoutFailover) {
  TcplsWorld w;
  Talker& t = w.connect("standby=1,failover=false");
  w.world.run_for(1s);
  w.break_connection(0, Verdict::reset);
  w.peers[0]->send("back");  // nothing of the client is on its way
  ASSERT_TRUE(w.until([&] { return t.reader->all == "back"; }));
  t.send(" again");
  ASSERT_TRUE(w.until([&] { return w.peers[0]->reader->all == "hello again"; }));
  w.world.run_for(1s);
  ASSERT_FALSE(t.failed) << t.failed->detail;
  t.send("lost");
  w.break_connection(1, Verdict::reset);
  ASSERT_TRUE(w.until([&] { return t.failed.has_value(); }));
  EXPECT_THAT(t.failed->detail, testing::HasSubstr("failover is off"));
}

// TCPLS-53: tokens are replenished for as long as connections come and go.
TEST(Session, ManyConnectionsOneAfterTheOther) {
  TcplsWorld w;
  Talker& t = w.connect();
  for (int round = 0; round < 40; ++round) {
    SCOPED_TRACE(round);
    const std::string before = w.peers[0]->reader->all;
    w.break_connection(w.ports.size() - 1, Verdict::reset);
    t.send("x");
    ASSERT_TRUE(w.until([&] { return t.failed || w.peers[0]->reader->all == before + "x"; }));
    ASSERT_FALSE(t.failed) << t.failed->detail;
    w.world.run_for(500ms);
  }
  EXPECT_GE(w.ports.size(), 41u);
}

// TCPLS-115: whoever joins again and again has to wait for tokens, and the session goes on.
TEST(Session, JoinsInASecondAreBounded) {
  TcplsWorld w;
  Talker& t = w.connect("standby=3", "tokens=4,joins-per-second=5");
  const TimePoint begun = w.world.now();
  while (w.world.now() < begun + 6s) {
    for (std::size_t i = 1; i < w.ports.size(); ++i) {
      if (w.bytes[w.ports[i]] > 1300) w.break_connection(i, Verdict::reset);  // it has joined
    }
    w.world.run_for(20ms);
  }
  EXPECT_GE(w.ports.size(), 20u) << "they do come";
  EXPECT_LE(w.ports.size(), 1 + 5 * 7u);
  t.send(" again");
  EXPECT_TRUE(w.until([&] { return w.peers[0]->reader->all == "hello again"; }));
  EXPECT_FALSE(t.failed);
}

// TCPLS-90, TCPLS-91, TCPLS-93
TEST(Session, CloseIsCleanOnBothSides) {
  TcplsWorld w;
  Talker& t = w.connect("standby=1");
  w.world.run_for(1s);
  t.close();
  ASSERT_TRUE(w.until([&] { return t.closed && w.peers[0]->reader->ended; }));
  EXPECT_TRUE(*t.closed) << t.closed->error().detail;
  w.peers[0]->close();
  EXPECT_TRUE(w.until([&] { return w.peers[0]->closed.has_value(); }));
  w.talkers.clear();
  w.peers.clear();
  w.world.run_for(100s);
  EXPECT_EQ(w.framework->core().turn(w.client.loop()).members(), 0u);
  EXPECT_EQ(w.framework->core().turn(w.server.loop()).members(), 2u) << "the listener, and the acceptor below it";
}

// TCPLS-94, TCPLS-95: a connection on which the peer has said its goodbye is not kept for the end of the session.
TEST(Session, ConnectionsLeaveWithTheGoodbyeOfThePeer) {
  TcplsWorld w;
  Talker& t = w.connect("standby=2,scheduler=aggregate");
  w.world.run_for(1s);
  Talker& peer = *w.peers[0];
  const auto open = [&peer] { return std::ranges::count(TcplsWorld::connections(peer), ':'); };
  ASSERT_EQ(open(), 3) << TcplsWorld::connections(peer);
  t.close();
  ASSERT_TRUE(w.until([&] { return t.closed && peer.reader->ended; }));
  EXPECT_EQ(open(), 1) << TcplsWorld::connections(peer);
  peer.close();
  ASSERT_TRUE(w.until([&] { return peer.closed.has_value(); }));
  EXPECT_TRUE(*t.closed && *peer.closed);
}

// TCPLS-96: a close_notify that dies with its connection is on another one too, and the peer does not wait for ever.
TEST(Session, AGoodbyeOutlivesItsConnection) {
  for (const Verdict verdict : {Verdict::reset, Verdict::drop}) {
    TcplsWorld w;
    Talker& t = w.connect("standby=1");
    w.world.run_for(1s);
    w.break_connection(0, verdict);
    t.close();
    ASSERT_TRUE(w.until([&] { return t.closed && w.peers[0]->reader->ended; }));
    EXPECT_TRUE(*t.closed) << t.closed->error().detail;
    EXPECT_FALSE(w.peers[0]->failed);
  }
}

// TCPLS-48: streams that the application has spread over connections do not hold each other up, and outlive them.
TEST(Session, AStreamIsTiedToAConnection) {
  TcplsWorld w;
  Talker& first = w.connect("standby=1");
  w.world.run_for(1s);
  Talker& second = w.clone(first);
  second.send("2");
  ASSERT_TRUE(w.until([&] { return w.peers.size() == 2; }));
  const auto carrier = [](Talker& t) { return std::get<std::uint64_t>(*t.connection.get("tcpls.streamConnection")); };
  EXPECT_EQ(carrier(second), 0u);
  EXPECT_FALSE(second.connection.set("tcpls.streamConnection", std::uint64_t{7}));
  ASSERT_TRUE(second.connection.set("tcpls.streamConnection", std::uint64_t{1}));
  EXPECT_EQ(carrier(second), 1u);
  EXPECT_EQ(carrier(first), 0u);
  const auto before = w.bytes;
  second.send(pattern(100'000));
  ASSERT_TRUE(w.until([&] { return w.peers[1]->reader->all.size() == 100'001; }));
  EXPECT_GT(w.bytes[w.ports[1]], before.at(w.ports[1]) + 100'000);
  EXPECT_LT(w.bytes[w.ports[0]], before.at(w.ports[0]) + 10'000);
  second.send(pattern(100'000));
  w.world.run_for(5ms);
  w.break_connection(1, Verdict::reset);
  first.send("1");
  EXPECT_TRUE(w.until([&] { return w.peers[1]->reader->all.size() == 200'001; })) << "by the other one";
  EXPECT_EQ(w.peers[0]->reader->all, "hello1");
}

// TCPLS-98: by default a server says nothing by itself; with keepAliveTimeout it asks.
TEST(Session, KeepAlive) {
  TcplsWorld w;
  w.connect();
  w.world.run_for(2s);
  std::size_t said = 0;
  w.change = [&](SimPacket& packet) { said += packet.from.port == 4433 && !packet.payload.empty() ? 1 : 0; };
  const auto count = [&] {
    said = 0;
    w.world.run_for(20s);
    return said;
  };
  const std::size_t quiet = count();
  EXPECT_LE(quiet, 8u) << "the client asks more and more seldom, and is answered";
  ASSERT_TRUE(w.peers[0]->connection.set("keepAliveTimeout", Duration(1s)));
  EXPECT_GE(count(), quiet + 15);
}

// TCPLS-11, TCPLS-112: the peer is judged as in TLS.
TEST(Session, AServerWithAnotherName) {
  TcplsWorld w;
  w.listen(TcplsWorld::stack());
  std::string wrong = TcplsWorld::stack();
  wrong.replace(wrong.find("peer.example"), 12, "else.example");
  Talker& t = w.dial(wrong);
  ASSERT_TRUE(w.until([&] { return t.ready.has_value(); }));
  ASSERT_FALSE(*t.ready);
  EXPECT_EQ(t.ready->error().reason, Reason::authentication);
}

// TCPLS-11, TCPLS-116: a session is resumed as one of TLS, and is another session: its connections count from 0.
TEST(Session, Resumption) {
  TcplsWorld w;
  Talker& first = w.connect("standby=1");
  w.world.run_for(1s);
  EXPECT_FALSE(std::get<bool>(*first.connection.get("tls.resumed")));
  first.close();
  ASSERT_TRUE(w.until([&] { return first.closed.has_value(); }));
  Talker& second = w.dial(TcplsWorld::stack("standby=1"));
  ASSERT_TRUE(w.until([&] { return second.ready.has_value(); }));
  ASSERT_TRUE(*second.ready) << second.ready->error().detail;
  EXPECT_TRUE(std::get<bool>(*second.connection.get("tls.resumed")));
  EXPECT_TRUE(TcplsWorld::connections(second).starts_with("0:"));
  ASSERT_TRUE(w.until([&] { return TcplsWorld::connections(second).contains("; 1:"); }));
}

// TCPLS-43, TCPLS-44: even numbers for the client's streams, odd ones for the server's, and no word about a stream
// until something is sent on it.
TEST(Session, NumbersOfStreams) {
  TcplsWorld w;
  Talker& first = w.connect();
  std::vector<std::unique_ptr<Talker>> arrived;
  first.connection.on_received([&](Connection c) { arrived.push_back(std::make_unique<Talker>(std::move(c))); });
  const auto number = [](Talker& t) { return std::get<std::uint64_t>(*t.connection.get(kStreamId.name)); };
  EXPECT_EQ(number(first), 0u);
  Talker& second = w.clone(first);
  Talker& third = w.clone(first);
  Talker& back = w.clone(*w.peers[0]);
  Talker& back_too = w.clone(*w.peers[0]);
  w.world.run_for(1s);
  EXPECT_EQ(number(second), 2u);
  EXPECT_EQ(number(third), 4u);
  EXPECT_EQ(number(back), 1u);
  EXPECT_EQ(number(back_too), 3u);
  EXPECT_EQ(w.peers.size(), 1u);
  EXPECT_TRUE(arrived.empty());
  second.send("x");
  back.send("y");
  ASSERT_TRUE(w.until([&] { return w.peers.size() == 2 && arrived.size() == 1; }));
  EXPECT_EQ(number(*w.peers[1]), 2u);
  EXPECT_EQ(number(*arrived[0]), 1u);
}

// TCPLS-97
TEST(Session, AbortReachesThePeer) {
  TcplsWorld w;
  Talker& t = w.connect("standby=1");
  w.world.run_for(1s);
  t.connection.abort(0);
  EXPECT_TRUE(w.until([&] { return w.peers[0]->failed.has_value(); }, 1s));
}

// TCPLS-145: broken in the middle of a join, at every moment.
TEST(Session, BrokenDuringAJoin) {
  for (int ms = 0; ms < 120; ms += 4) {
    SCOPED_TRACE(ms);
    TcplsWorld w;
    Talker& t = w.connect("standby=1");
    w.world.run_for(std::chrono::milliseconds(ms));
    for (std::size_t i = 0; i + 1 < w.ports.size() || i == 0; ++i) w.break_connection(i, Verdict::reset);
    t.send(" again");
    w.peers[0]->send("back");
    ASSERT_TRUE(w.until([&] {
      return t.failed || (w.peers[0]->reader->all == "hello again" && t.reader->all == "back");
    })) << TcplsWorld::connections(t);
    EXPECT_FALSE(t.failed) << t.failed->detail;
  }
}

}  // namespace
}  // namespace trellis::test
