// A multiplexer over several lowers: wished for, attached by the acceptor, dropped, lost; and every way to end it all.
#include "trellis/address_text.h"
#include "virtual_pair.h"

namespace trellis::tests {
namespace {

constexpr const char* kStack = "many-mux/tcp";

struct Lowers : testing::Test {
  void connect() {
    pair.listen(kStack);
    talker = &pair.dial_ready(kStack);
    talker->read();
    talker->send("hello");
    ASSERT_TRUE(pair.until([&] { return pair.peers.size() == 1 && pair.peers[0]->reader->all == "hello"; }));
    ASSERT_EQ(mux_facts.instances.size(), 2u);
    client = static_cast<ManyMux*>(mux_facts.instances[0]);
    server = static_cast<ManyMux*>(mux_facts.instances[1]);
  }
  void join() {
    const std::size_t now = client->ways.size();
    ASSERT_TRUE(client->want());
    ASSERT_TRUE(pair.until([&] { return client->ways.size() > now && server->ways.size() > now; }));
  }
  // Bytes in both directions over the lowers that are in use.
  void exchange() {
    Talker& peer = *pair.peers[0];
    const std::string there = peer.reader->all + "there", back = talker->reader->all + "back";
    talker->send("there");
    peer.send("back");
    EXPECT_TRUE(pair.until([&] { return peer.reader->all == there && talker->reader->all == back; }))
        << peer.reader->all << " " << talker->reader->all;
  }
  VirtualPair pair;
  Talker* talker = nullptr;
  ManyMux* client = nullptr;
  ManyMux* server = nullptr;
};

// API-257, IMPL-90: a stack may have several transport connections, and its layers are told of paths.
TEST_F(Lowers, OneMoreIsEstablishedAndAttached) {
  connect();
  EXPECT_EQ(client->usable, 1u) << "it was told its paths";
  join();
  EXPECT_EQ(server->ways.size(), 2u);
  EXPECT_NE(client->ways[0]->port.route().local, client->ways[1]->port.route().local);
  EXPECT_EQ(client->ways[0]->port.route().remote, client->ways[1]->port.route().remote);
  exchange();
  client->use(1);
  server->use(1);
  exchange();
  EXPECT_TRUE(client->host().lowers().ask(client->ways[1]->port, kRoundTripTime.name));
}

TEST_F(Lowers, TheFirstCanBeDropped) {
  connect();
  join();
  client->use(1);
  server->use(1);
  const Address before = talker->connection.local();
  client->drop(0, false);
  ASSERT_TRUE(pair.until([&] { return server->ways.size() == 1; }));
  exchange();
  EXPECT_NE(talker->connection.local(), before) << "the addresses are those of what is in use";
  pair.world.run_for(1s);
  EXPECT_TRUE(server->failures.empty());
  talker->close();
  ASSERT_TRUE(pair.until([&] { return talker->closed.has_value() && mux_facts.alive == 0; }));
  EXPECT_TRUE(*talker->closed);
}

TEST_F(Lowers, AnyCanFail) {
  for (const std::size_t which : {0u, 1u}) {
    SCOPED_TRACE(which);
    pair.shut();
    std::destroy_at(&pair);
    std::construct_at(&pair);
    connect();
    join();
    client->use(1 - which);
    server->use(1 - which);
    server->drop(which, true);
    ASSERT_TRUE(pair.until([&] { return client->ways.size() == 1; }));
    ASSERT_EQ(client->failures.size(), 1u);
    EXPECT_NE(client->failures[0].find("reset"), std::string::npos) << client->failures[0];
    exchange();
    join();
    exchange();
  }
}

TEST_F(Lowers, WithoutTheOneThatFailedItEnds) {
  connect();
  join();
  client->lives_on = false;
  server->drop(1, true);
  ASSERT_TRUE(pair.until([&] { return talker->failed.has_value(); }));
  EXPECT_EQ(talker->failed->reason, Reason::reset);
}

TEST_F(Lowers, AllCanGoAndOneComesBack) {
  connect();
  server->drop(0, true);
  ASSERT_TRUE(pair.until([&] { return client->ways.empty(); }));
  talker->send(" again");
  ASSERT_TRUE(client->want({.purpose = LowerWish::Purpose::replace}));
  ASSERT_TRUE(pair.until([&] { return pair.peers[0]->reader->all == "hello again"; }));
  exchange();
}

TEST_F(Lowers, AWishThatCannotBeFulfilled) {
  connect();
  int told = 0;
  auto wished = client->want({.remote = parse_address("10.0.0.2", 9).value()});  // nobody listens there
  ASSERT_TRUE(wished);
  wished->mark(&told);
  ASSERT_TRUE(pair.until([&] { return client->unfulfilled == 1; }));
  EXPECT_EQ(told, 1) << "it is known by its mark";
  exchange();
}

TEST_F(Lowers, AWishThatIsWithdrawn) {
  connect();
  auto wished = client->want();
  ASSERT_TRUE(wished);
  client->host().lowers().drop_lower(*wished, {});
  wished = client->want();
  ASSERT_TRUE(wished);
  pair.world.run_for(15ms);
  client->host().lowers().drop_lower(*wished, {});
  client->host().wake();
  pair.world.run_for(1s);
  EXPECT_EQ(client->ways.size(), 1u);
  EXPECT_EQ(client->unfulfilled, 0u);
  exchange();
}

TEST_F(Lowers, WishesAreBounded) {
  connect();
  std::size_t granted = 0;
  while (granted < 100 && client->want()) ++granted;
  EXPECT_EQ(granted, 15u) << "with the first one 16";
  ASSERT_TRUE(pair.until([&] { return client->ways.size() == 16 && server->ways.size() == 16; }));
  auto one_more = client->want();
  ASSERT_FALSE(one_more);
  EXPECT_EQ(one_more.error().reason, Reason::exhausted);
  exchange();
}

TEST_F(Lowers, OnlyWhoConnectsAddsSome) {
  connect();
  auto wished = server->want();
  ASSERT_FALSE(wished);
  EXPECT_NE(wished.error().detail.find("peer has connected"), std::string::npos);
}

TEST_F(Lowers, TheAcceptorRefuses) {
  connect();
  client->session = kMuxForbidden;
  ASSERT_TRUE(client->want());
  ASSERT_TRUE(pair.until([&] { return client->ways.size() == 2; }));
  ASSERT_TRUE(pair.until([&] { return client->ways.size() == 1; })) << "the refused connection was closed";
  exchange();
}

TEST_F(Lowers, SessionsCanBeJoinedWhenTheListenerHasStopped) {
  connect();
  pair.listener.stop();
  join();
  exchange();
  Talker& late = pair.dial(kStack);
  EXPECT_TRUE(pair.until([&] { return late.ready.has_value(); }));
  EXPECT_FALSE(*late.ready) << "but there are no new ones";
  pair.talkers.clear();
  pair.peers.clear();
  pair.listener = {};
  pair.world.run_for(60s);
  EXPECT_EQ(mux_facts.alive, 0);
  EXPECT_EQ(pair.members(pair.server), 0u);
  EXPECT_EQ(pair.members(pair.client), 0u);
}

TEST_F(Lowers, PropertiesOfTheLayersBelowAreThoseOfAll) {
  connect();
  ASSERT_TRUE(talker->connection.set("keepAliveTimeout", Duration(30s)));
  join();
  EXPECT_TRUE(talker->connection.set("keepAliveTimeout", Duration(40s)));
  for (const auto& way : client->ways) {
    auto value = client->host().lowers().ask(way->port, "keepAliveTimeout");
    ASSERT_TRUE(value);
    EXPECT_EQ(std::get<Duration>(*value), Duration(40s));
  }
}

TEST_F(Lowers, AbortTellsThePeerAndLeavesNothing) {
  connect();
  join();
  talker->connection.abort(7);
  ASSERT_TRUE(pair.until([&] { return pair.peers[0]->failed.has_value(); }));
  EXPECT_EQ(pair.peers[0]->failed->code, 7u);
  pair.talkers.clear();
  pair.peers.clear();
  pair.world.run_for(60s);
  EXPECT_EQ(mux_facts.alive, 0);
  EXPECT_EQ(pair.members(pair.client), 0u);
  EXPECT_EQ(pair.members(pair.server), 2u) << "the listener, and the acceptor below it";
}

TEST_F(Lowers, ConnectionsThatSayNothingAreBounded) {
  pair.listen(kStack);
  std::vector<Talker*> mute;
  for (int i = 0; i < 1100; ++i) mute.push_back(&pair.dial("tcp"));
  pair.world.run_for(1s);
  const auto alive = std::ranges::count_if(mute, [](Talker* t) { return t->ready && *t->ready && !t->failed; });
  EXPECT_EQ(alive, 1024);
  pair.talkers.clear();
  pair.world.run_for(1s);
  EXPECT_EQ(pair.members(pair.server), 2u) << "they are forgotten when they go";
}

// A script with joins, a failure, a drop and an end, cut off at every turn, in every way.
TEST(LowersTeardown, DestroyedAtEveryTurn) {
  for (const int way : {0, 1, 2, 3}) {
    bool finished = false;
    for (int cut = 0; !finished && cut < 400; ++cut) {
      VirtualPair p;
      p.listen(kStack);
      Talker& first = p.dial(kStack);
      first.send("hello");
      int stage = 0, turns = 0;
      ManyMux* client = nullptr;
      ManyMux* server = nullptr;
      for (; turns < cut && !finished && p.world.run_once(); ++turns) {
        if (stage == 0 && p.peers.size() == 1) {
          client = static_cast<ManyMux*>(mux_facts.instances[0]);
          server = static_cast<ManyMux*>(mux_facts.instances[1]);
          (void)client->want();
          (void)client->want();
          (void)client->want({.remote = parse_address("10.0.0.2", 9).value()});
          ++stage;
        } else if (stage == 1 && client->ways.size() == 3 && server->ways.size() == 3) {
          server->drop(0, true);
          client->drop(2, false);
          ++stage;
        } else if (stage == 2 && client->ways.size() == 1 && server->ways.size() == 1) {
          (void)client->want();
          first.close();
          ++stage;
        }
        finished = stage == 3 && mux_facts.alive == 0;
      }
      p.cut_off(way);
      p.shut();
      ASSERT_EQ(mux_facts.alive, 0);
      ASSERT_EQ(mux_facts.acceptors, 0);
    }
    EXPECT_TRUE(finished) << way;
  }
}

}  // namespace
}  // namespace trellis::tests
