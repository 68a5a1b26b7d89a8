// What a peer, a slow application or a stranger can make a session keep is bounded, and costs the others nothing.
#include "tcpls_world.h"

namespace trellis::test {
namespace {

using testing::HasSubstr;

// TCPLS-77, TCPLS-107, TCPLS-127: a path swallows what it got while the other one goes on: the sender stops before what
// waits for the gap is more than the receiver takes.
TEST(Bounds, AGapIsNoReasonToFail) {
  for (const Verdict verdict : {Verdict::drop, Verdict::reset}) {
    TcplsWorld w;
    Talker& t = w.connect("standby=1,scheduler=aggregate,unacknowledged-bytes=131072", "reorder-bytes=262144");
    w.world.run_for(1s);
    w.wire->set({.delay = 10ms, .rate = 50'000'000});
    const std::string big(5'000'000, 'b');
    t.send(big);
    w.world.run_for(30ms);
    w.break_connection(1, verdict);
    ASSERT_TRUE(w.until([&] { return w.peers[0]->failed || w.peers[0]->reader->all.size() == 5 + big.size(); }));
    EXPECT_FALSE(w.peers[0]->failed) << w.peers[0]->failed->detail;
    EXPECT_FALSE(t.failed);
  }
}

struct SlowReader : testing::Test {
  SlowReader() {
    w.peers_read = false;
    w.listen(TcplsWorld::stack("undelivered-bytes=262144"));
    first = &w.dial(TcplsWorld::stack());
    EXPECT_TRUE(w.until([&] { return first->ready.has_value(); }));
    first->send("1");
    EXPECT_TRUE(w.until([&] { return w.peers.size() == 1; }));
    w.peers[0]->read();
    second = &w.clone(*first);
    second->send("2");
    EXPECT_TRUE(w.until([&] { return w.peers.size() == 2; }));
  }
  TcplsWorld w;
  Talker* first = nullptr;
  Talker* second = nullptr;  // of which the peer reads nothing
};

// TCPLS-107, TCPLS-131: a stream whose consumer stands still holds up no other one.
TEST_F(SlowReader, OtherStreamsGoOn) {
  second->send(std::string(200'000, 'w'));
  w.world.run_for(1s);
  const std::string big(2'000'000, 'b');
  first->send(big);
  EXPECT_TRUE(w.until([&] { return w.peers[0]->reader->all == "1" + big; }));
  w.peers[1]->read();
  EXPECT_TRUE(w.until([&] { return w.peers[1]->reader->all.size() == 200'001; }));
}

// TCPLS-107, TCPLS-131: the draft has no credit for a stream: when more waits than undelivered-bytes nothing is read
// any more, so that TCP pushes back, and memory has an end. It goes on when the application reads.
TEST_F(SlowReader, MemoryHasAnEnd) {
  second->send(std::string(8'000'000, 'w'));
  w.world.run_for(5s);
  const std::uint64_t stopped = w.bytes[w.ports[0]];
  EXPECT_LT(stopped, 2'000'000u);
  w.world.run_for(20s);
  EXPECT_LT(w.bytes[w.ports[0]], stopped + 100'000) << "questions whether the peer is there, and no data";
  ASSERT_FALSE(first->failed) << first->failed->detail << TcplsWorld::connections(*first);
  for (const Error& news : first->soft) ADD_FAILURE() << news.detail;
  w.peers[1]->read();
  EXPECT_TRUE(w.until([&] { return w.peers[1]->reader->all.size() == 8'000'001; }));
  first->send("1");
  EXPECT_TRUE(w.until([&] { return w.peers[0]->reader->all == "11"; }));
}

// A hundred streams with more to send than a window takes, over a link that is slower than they are.
struct ManyStreams : testing::Test {
  ManyStreams() {
    all.push_back(&w.connect("standby=1"));
    while (all.size() < kStreams) all.push_back(&w.clone(*all[0]));
    for (Talker* t : all) t->send("!");
    EXPECT_TRUE(w.until([&] { return w.peers.size() == kStreams; }));
    w.wire->set({.delay = 10ms, .rate = 50'000'000});
    for (Talker* t : all) {
      for (std::size_t i = 0; i < kMessages; ++i) t->send(std::string(kMessage, 'm'));
    }
    EXPECT_TRUE(w.until([&] { return most() > kMessages * kMessage / 2; }));
  }
  static std::size_t got(const std::unique_ptr<Talker>& peer) { return peer->reader->all.size(); }
  std::size_t least() const { return got(*std::ranges::min_element(w.peers, {}, got)); }
  std::size_t most() const { return got(*std::ranges::max_element(w.peers, {}, got)); }

  static constexpr std::size_t kStreams = 100, kMessages = 10, kMessage = 16'000;
  TcplsWorld w;
  std::vector<Talker*> all;
};

// Of many streams only those whose turn is near take data from the application; none is left behind, and those that
// have been idle come in at once.
TEST_F(ManyStreams, TakeTurns) {
  EXPECT_GT(least() + 3 * kMessage, most()) << "they have sent as much as each other";
  ASSERT_TRUE(w.until([&] { return least() > kMessages * kMessage; }));
  w.world.run_for(1s);
  for (Talker* t : all) t->send("?");
  const auto heard = [](const auto& peer) { return peer->reader->all.ends_with('?'); };
  EXPECT_TRUE(w.until([&] { return std::ranges::all_of(w.peers, heard); }, 1s));
}

// TCPLS-48: who waits for a turn is not forgotten when it is tied to another connection.
TEST_F(ManyStreams, AreTiedWhileTheyWait) {
  for (Talker* t : all) ASSERT_TRUE(t->connection.set("tcpls.streamConnection", std::uint64_t{1}));
  EXPECT_TRUE(w.until([&] { return least() > kMessages * kMessage; })) << least();
}

// TCPLS-115: who opens TCP connections and says nothing takes the places for that alone, and not for ever.
TEST(Bounds, SilentConnectionsOfAListener) {
  TcplsWorld w;
  Talker& t = w.connect("tokens=0", "half-open=4,handshake-timeout-ms=3000");
  std::vector<Talker*> silent;
  for (int i = 0; i < 6; ++i) {
    silent.push_back(&w.dial("tcp"));
    ASSERT_TRUE(w.until([&] { return silent.back()->ready.has_value(); }));
    silent.back()->read();
  }
  w.world.run_for(1s);
  const auto ended = [&] {
    return std::ranges::count_if(silent, [](const Talker* one) { return one->failed || one->reader->ended; });
  };
  EXPECT_EQ(ended(), 2) << "more than half-open";
  t.send(" still");
  EXPECT_TRUE(w.until([&] { return w.peers[0]->reader->all == "hello still"; }));
  w.world.run_for(4s);
  EXPECT_EQ(ended(), 6) << "their time is over";
  Talker& later = w.dial(TcplsWorld::stack());
  ASSERT_TRUE(w.until([&] { return later.ready.has_value(); }));
  EXPECT_TRUE(*later.ready);
}

// TCPLS-66, TCPLS-115: joins that do not prove that they have the keys are as many as there were tokens, and give no
// right to more.
TEST(Bounds, HalfOpenJoins) {
  TcplsWorld w;
  w.change = [&](SimPacket& packet) {  // of each join nothing but the ClientHello arrives
    if (packet.to.port != 4433 || packet.from.port == w.ports[0] || packet.payload.empty()) return;
    w.broken[packet.from.port] = Verdict::drop;
  };
  Talker& t = w.connect("standby=7", "tokens=3,joins-per-second=255");
  w.world.run_for(200ms);
  EXPECT_EQ(w.ports.size(), 1 + 3u);
  const std::string list = TcplsWorld::connections(*w.peers[0]);
  EXPECT_EQ(std::ranges::count(list, ';'), 3) << list;
  EXPECT_THAT(list, HasSubstr("joining"));
  t.send(" still");
  EXPECT_TRUE(w.until([&] { return w.peers[0]->reader->all == "hello still"; }));
  EXPECT_FALSE(t.failed);
}

// TCPLS-50, TCPLS-78: the application hears of joins, losses and hand-overs, in this order, and can ask what carries
// what.
TEST(Bounds, TheApplicationHearsWhatBecomesOfConnections) {
  TcplsWorld w;
  Talker& t = w.connect("standby=1");
  w.world.run_for(1s);
  w.break_connection(0, Verdict::reset);
  t.send("x");
  w.world.run_for(1s);
  std::vector<std::string> heard;
  for (const Error& news : t.soft) heard.push_back(news.detail);
  EXPECT_THAT(heard,
              testing::ElementsAre(HasSubstr("connection 1 has joined"), HasSubstr("connection 0 was lost"),
                                   HasSubstr("streams go on over connection 1"), HasSubstr("connection 2 has joined")));
  EXPECT_EQ(std::get<std::uint64_t>(*t.connection.get("tcpls.streamConnection")), 1u);
}

}  // namespace
}  // namespace trellis::test
