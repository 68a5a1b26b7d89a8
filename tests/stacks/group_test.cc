// Connection Groups: clones, streams that the peer opens, shared properties, and every way to end one or all.
#include "virtual_pair.h"

namespace trellis::tests {
namespace {

struct Streams : testing::TestWithParam<const char*> {
  VirtualPair pair;
  std::string stack = GetParam();
};

// API-33, API-63, API-207, API-213, IMPL-39, IMPL-41: a clone is a stream of the same connection, and a Connection at
// the peer's listener.
// IMPL-47, API-257: one listener takes new connections and new streams; many streams share what is below them.
TEST_P(Streams, ACloneIsAStream) {
  pair.listen(stack);
  Talker& first = pair.dial_ready(stack);
  first.send("one");
  Talker& second = pair.clone(first);
  ASSERT_TRUE(pair.until([&] { return second.ready.has_value(); }));
  ASSERT_TRUE(*second.ready) << second.ready->error().detail;
  second.send("two");
  ASSERT_TRUE(pair.until([&] { return pair.peers.size() == 2; }));
  ASSERT_TRUE(pair.until([&] { return pair.peers[0]->reader->all == "one" && pair.peers[1]->reader->all == "two"; }));
  EXPECT_EQ(mux_facts.alive, 2) << "one on each side";
  EXPECT_EQ(first.connection.group_size(), 2u);
  EXPECT_EQ(pair.peers[0]->connection.group_size(), 2u);
  EXPECT_EQ(second.connection.stack(), stack);
  EXPECT_EQ(second.connection.remote(), first.connection.remote());
  pair.peers[1]->send("answer");
  second.read();
  EXPECT_TRUE(pair.until([&] { return second.reader->all == "answer"; }));
}

// API-64: all Connections of the group, this one included, whoever asks; those that have ended are not among them, and
// one alone is its own group.
TEST_P(Streams, GroupedConnections) {
  pair.listen(stack);
  Talker& first = pair.dial_ready(stack);
  const auto priorities = [](Connection& of) {
    std::vector<std::uint64_t> all;
    of.grouped_connections([&](const Connection& c) {
      EXPECT_EQ(c.remote(), of.remote());
      all.push_back(std::get<std::uint64_t>(*c.get("msgPriority")));
    });
    std::ranges::sort(all);
    return all;
  };
  ASSERT_TRUE(first.connection.set("msgPriority", std::uint64_t{1}));
  EXPECT_EQ(priorities(first.connection), (std::vector<std::uint64_t>{1}));
  Talker& second = pair.clone(first);
  Talker& third = pair.clone(first);
  ASSERT_TRUE(pair.until([&] { return second.ready && third.ready; }));
  ASSERT_TRUE(second.connection.set("msgPriority", std::uint64_t{2}));
  ASSERT_TRUE(third.connection.set("msgPriority", std::uint64_t{3}));
  EXPECT_EQ(priorities(second.connection), (std::vector<std::uint64_t>{1, 2, 3}));
  EXPECT_EQ(priorities(first.connection).size(), first.connection.group_size());
  int visited = 0;
  first.connection.grouped_connections([&](const Connection&) {  // a visitor may end the others
    ++visited;
    second.connection = {};
    third.connection = {};
  });
  EXPECT_LE(visited, 3);
  EXPECT_GE(visited, 1);
  EXPECT_TRUE(pair.until([&] { return first.connection.group_size() == 1; }));
  EXPECT_EQ(priorities(first.connection), (std::vector<std::uint64_t>{1}));
  first.connection.abort();
  EXPECT_EQ(priorities(first.connection).size(), 0u);
}

// API-216: one ends, the others go on; the connection ends with the last one.
TEST_P(Streams, OneEndsTheOthersGoOn) {
  pair.listen(stack);
  Talker& first = pair.dial_ready(stack);
  Talker& second = pair.clone(first);
  first.send("a");
  second.send("b");
  ASSERT_TRUE(pair.until([&] { return pair.peers.size() == 2; }));
  first.send("last words");
  first.close();
  ASSERT_TRUE(pair.until([&] { return first.closed.has_value(); }));
  EXPECT_TRUE(*first.closed) << first.closed->error().detail;
  Talker& of_first = *pair.peers[pair.peers[0]->reader->all.starts_with("a") ? 0 : 1];
  Talker& of_second = *pair.peers[&of_first == pair.peers[0].get() ? 1 : 0];
  ASSERT_TRUE(pair.until([&] { return of_first.reader->ended; }));
  EXPECT_EQ(of_first.reader->all, "alast words");
  EXPECT_EQ(second.connection.group_size(), 1u);
  second.read();
  of_second.send("still here");
  ASSERT_TRUE(pair.until([&] { return second.reader->all == "still here"; }));
  EXPECT_EQ(mux_facts.alive, 2);
  second.close();
  ASSERT_TRUE(pair.until([&] { return second.closed.has_value(); }));
  EXPECT_TRUE(*second.closed) << second.closed->error().detail;
  ASSERT_TRUE(pair.until([&] { return mux_facts.alive == 0; })) << "the connection went with its last stream";
  pair.talkers.clear();
  pair.peers.clear();
  pair.world.run_for(1s);
  EXPECT_EQ(pair.members(pair.client), 0u);
  EXPECT_EQ(pair.members(pair.server), stack.ends_with("udp") ? 2u : 1u) << "the listener, and what it stands on";
}

// API-216: an abort reaches the peer with its code, and no other Connection of the group.
TEST_P(Streams, AbortOfOne) {
  pair.listen(stack);
  Talker& first = pair.dial_ready(stack);
  Talker& second = pair.clone(first);
  first.send("a");
  second.send("b");
  ASSERT_TRUE(pair.until([&] { return pair.peers.size() == 2; }));
  ASSERT_TRUE(pair.until([&] { return pair.peers[0]->reader->all.size() + pair.peers[1]->reader->all.size() == 2; }));
  Talker& of_first = *pair.peers[pair.peers[0]->reader->all == "a" ? 0 : 1];
  Talker& of_second = *pair.peers[pair.peers[0]->reader->all == "a" ? 1 : 0];
  first.connection.abort(77);
  ASSERT_TRUE(pair.until([&] { return of_first.failed.has_value(); }));
  EXPECT_EQ(of_first.failed->code, 77u);
  EXPECT_FALSE(of_second.failed);
  second.send("b");
  EXPECT_TRUE(pair.until([&] { return of_second.reader->all == "bb"; }));
  EXPECT_EQ(of_second.connection.group_size(), 1u);
  // The last one takes the connection with it.
  second.connection.abort(78);
  EXPECT_TRUE(pair.until([&] { return of_second.failed.has_value() && mux_facts.alive == 0; }));
  EXPECT_EQ(of_second.failed->code, 78u);
}

// API-73
TEST_P(Streams, CloseGroup) {
  pair.listen(stack);
  Talker& first = pair.dial_ready(stack);
  for (int i = 0; i < 3; ++i) pair.clone(first);
  for (auto& t : pair.talkers) t->send("x");
  ASSERT_TRUE(pair.until([&] { return pair.peers.size() == 4; }));
  bool all_ended = false;
  first.connection.close_group([&](Result<void> how) {
    EXPECT_TRUE(how);
    all_ended =
        std::ranges::all_of(pair.talkers, [](auto& t) { return t->connection.state() == ConnectionState::closed; });
  });
  EXPECT_TRUE(pair.until([&] { return all_ended; }));
  EXPECT_TRUE(pair.until([&] { return mux_facts.alive == 0; }));
  for (auto& p : pair.peers) EXPECT_EQ(p->reader->all, "x");
}

// Both sides have said all that they will; then the stream is over, and so is the connection, which it was alone on.
void end_both_ways(VirtualPair& pair, Talker& first) {
  first.read();
  first.send("request");
  first.connection.finish();
  ASSERT_TRUE(pair.until([&] { return pair.peers.size() == 1 && pair.peers[0]->reader->ended; }));
  pair.peers[0]->send("answer");
  pair.peers[0]->connection.finish();
  ASSERT_TRUE(pair.until([&] { return first.connection.state() == ConnectionState::closed; }));
  EXPECT_EQ(first.reader->all, "answer");
  EXPECT_TRUE(first.reader->ended);
  EXPECT_FALSE(first.failed);
}

// A ready Connection, and the one below it, which does not say goodbye before it is let.
std::pair<Talker&, Mux&> dial_stubborn(VirtualPair& pair, const std::string& stack) {
  pair.listen(stack);
  Talker& first = pair.dial_ready(stack);
  Mux& below = *mux_facts.instances.front();
  below.stubborn_close = true;
  return {first, below};
}

// API-72, API-223: a Connection that ended before close() is told closed when the connection below it has said goodbye,
// or could not: a program that ends then has said all that it had to say.
TEST_P(Streams, ClosedIsToldAfterTheGoodbye) {
  for (const bool fails : {false, true}) {
    VirtualPair p;
    auto [first, below] = dial_stubborn(p, stack);
    end_both_ways(p, first);
    first.close();
    p.world.run_for(5s);
    EXPECT_FALSE(first.closed) << "the goodbye has not been said";
    below.end_close(fails);
    ASSERT_TRUE(p.until([&] { return first.closed.has_value(); }));
    EXPECT_TRUE(*first.closed) << first.closed->error().detail;
    EXPECT_TRUE(p.until([&] { return !std::ranges::contains(mux_facts.instances, &below); }));
  }
}

// API-73: so are those who wait for the whole group.
TEST_P(Streams, TheGroupIsClosedAfterTheGoodbye) {
  auto [first, below] = dial_stubborn(pair, stack);
  Talker& second = pair.clone(first);
  ASSERT_TRUE(pair.until([&] { return second.ready.has_value(); }));
  std::optional<Result<void>> closed;
  first.connection.close_group([&](Result<void> how) { closed = std::move(how); });
  pair.world.run_for(5s);
  EXPECT_FALSE(closed);
  below.end_close(false);
  ASSERT_TRUE(pair.until([&] { return closed.has_value(); }));
  EXPECT_TRUE(*closed) << closed->error().detail;
}

// The goodbye needs nobody who waits for it, and whoever asks after it is answered at once.
TEST_P(Streams, TheGoodbyeIsSaidWithoutTheConnection) {
  for (const bool asks : {false, true}) {
    VirtualPair p;
    auto [first, below] = dial_stubborn(p, stack);
    end_both_ways(p, first);
    if (asks) first.close();
    p.world.run_for(1s);
    first.connection = {};
    p.world.run_for(1s);
    below.end_close(false);
    ASSERT_TRUE(p.until([&] { return mux_facts.alive == 0; }));
    EXPECT_FALSE(first.closed);
    EXPECT_FALSE(p.peers[0]->failed);
  }
  pair.listen(stack);
  Talker& first = pair.dial_ready(stack);
  end_both_ways(pair, first);
  ASSERT_TRUE(pair.until([&] { return mux_facts.alive == 0; }));
  first.close();
  pair.world.run_for(1ms);
  EXPECT_TRUE(first.closed && *first.closed);
}

// Both sides end their stream and then close, cut off after n turns, for every n.
TEST_P(Streams, GoodbyeCutOffAtEveryTurn) {
  for (const int way : {0, 1, 2, 3}) {
    bool finished = false;
    for (int cut = 0; !finished && cut < 400; ++cut) {
      VirtualPair p;
      p.listen(stack);
      Talker& first = p.dial(stack);
      first.read();
      first.send("request");
      first.connection.finish();
      bool answered = false, closing = false;
      for (int turns = 0; turns < cut && p.world.run_once(); ++turns) {
        if (!answered && p.peers.size() == 1 && p.peers[0]->reader->ended) {
          answered = true;
          p.peers[0]->send("answer");
          p.peers[0]->connection.finish();
        }
        if (!closing && first.connection.state() == ConnectionState::closed) {
          closing = true;
          first.close();
          p.peers[0]->close();
        }
        if (first.closed && mux_facts.alive == 0) finished = true;
      }
      p.cut_off(way);
      p.shut();
      ASSERT_EQ(mux_facts.alive, 0);
    }
    EXPECT_TRUE(finished) << way;
  }
}

// API-75
TEST_P(Streams, AbortGroup) {
  pair.listen(stack);
  Talker& first = pair.dial_ready(stack);
  Talker& second = pair.clone(first);
  first.send("x");
  second.send("x");
  ASSERT_TRUE(pair.until([&] { return pair.peers.size() == 2; }));
  second.connection.abort_group(5);
  ASSERT_TRUE(pair.until([&] { return pair.peers[0]->failed && pair.peers[1]->failed; }));
  EXPECT_EQ(pair.peers[0]->failed->code, 5u);
  EXPECT_EQ(first.connection.state(), ConnectionState::closed);
  EXPECT_TRUE(first.failed);
  EXPECT_TRUE(pair.until([&] { return mux_facts.alive == 0; }));
}

// API-208, API-209, API-135: properties are copied, and entangled but for connPriority.
TEST_P(Streams, PropertiesAreEntangled) {
  pair.listen(stack);
  Talker& first = pair.dial_ready(stack);
  ASSERT_TRUE(first.connection.set("maxSendRate", std::uint64_t{1000}));
  ASSERT_TRUE(first.connection.set("connPriority", std::uint64_t{7}));
  Talker& second = pair.clone(first);
  Talker& third = pair.clone(first, {.properties = {{"connPriority", std::uint64_t{3}}}});
  ASSERT_TRUE(pair.until([&] { return second.ready && third.ready; }));
  ASSERT_TRUE(*third.ready) << third.ready->error().detail;
  const auto number = [](Talker& t, const char* name) {
    return std::get<std::uint64_t>(t.connection.get(name).value());
  };
  EXPECT_EQ(number(second, "connPriority"), 7u);
  EXPECT_EQ(number(third, "connPriority"), 3u);
  EXPECT_EQ(number(third, "maxSendRate"), 1000u);
  ASSERT_TRUE(second.connection.set("maxSendRate", std::uint64_t{2000}));
  EXPECT_EQ(number(first, "maxSendRate"), 2000u);
  ASSERT_TRUE(second.connection.set("connPriority", std::uint64_t{9}));
  EXPECT_EQ(number(first, "connPriority"), 7u);
  EXPECT_EQ(number(third, "connPriority"), 3u);
}

// A stream beyond the peer's limit is ready, waits without credit, and goes on when the limit is raised.
// IMPL-40
TEST_P(Streams, LimitsAreWaitedFor) {
  mux_facts.streams = 2;
  pair.listen(stack);
  Talker& first = pair.dial_ready(stack);
  Talker& second = pair.clone(first);
  Talker& third = pair.clone(first);
  ASSERT_TRUE(pair.until([&] { return third.ready.has_value(); }));
  EXPECT_TRUE(*third.ready);
  EXPECT_FALSE(third.connection.writable());
  third.send("patience");
  first.send("1");
  second.send("2");
  pair.world.run_for(5s);
  ASSERT_EQ(pair.peers.size(), 2u);
  first.close();
  ASSERT_TRUE(pair.until([&] { return pair.peers.size() == 3; })) << "the first one made room";
  EXPECT_TRUE(pair.until([&] { return pair.peers[2]->reader->all == "patience"; }));
}

// API-213: the active side hears of the streams that the peer opens; without a handler they are refused.
TEST_P(Streams, ThePeerOpensStreams) {
  pair.listen(stack);
  Talker& first = pair.dial_ready(stack);
  first.send("hello");
  ASSERT_TRUE(pair.until([&] { return pair.peers.size() == 1; }));
  Talker& unheard = pair.clone(*pair.peers[0]);
  unheard.send("anybody?");
  ASSERT_TRUE(pair.until([&] { return unheard.failed.has_value(); })) << "refused";
  EXPECT_EQ(unheard.failed->code, 99u);

  std::vector<std::unique_ptr<Talker>> pushed;
  first.connection.on_received([&](Connection c) {
    pushed.push_back(std::make_unique<Talker>(std::move(c)));
    pushed.back()->read();
  });
  Talker& heard = pair.clone(*pair.peers[0]);
  heard.send("push");
  ASSERT_TRUE(pair.until([&] { return pushed.size() == 1 && pushed[0]->reader->all == "push"; }));
  EXPECT_EQ(first.connection.group_size(), 2u);
  first.close();  // who asked for them is gone: no more of them, but those that are there live on
  ASSERT_TRUE(pair.until([&] { return first.closed.has_value(); }));
  heard.send("more");
  EXPECT_TRUE(pair.until([&] { return pushed[0]->reader->all == "pushmore"; }));
}

// API-145: groupConnLimit bounds what the peer opens.
TEST_P(Streams, GroupConnLimit) {
  pair.listen(stack);
  Talker& first = pair.dial_ready(stack);
  first.send("1");
  ASSERT_TRUE(pair.until([&] { return pair.peers.size() == 1; }));
  ASSERT_TRUE(pair.peers[0]->connection.set("groupConnLimit", std::uint64_t{2}));
  EXPECT_EQ(std::get<std::uint64_t>(pair.peers[0]->connection.get("groupConnLimit").value()), 2u);
  EXPECT_FALSE(pair.peers[0]->connection.set("groupConnLimit", true));
  Talker& second = pair.clone(first);
  Talker& third = pair.clone(first);
  second.send("2");
  third.send("3");
  ASSERT_TRUE(pair.until([&] { return third.failed || second.failed; }));
  EXPECT_EQ(pair.peers.size(), 2u);
  EXPECT_TRUE(second.failed.has_value() != third.failed.has_value());
}

// Streams that a listener does not let in are refused, and the connection lives on.
TEST_P(Streams, ListenerLimit) {
  pair.listen(stack);
  pair.listener.new_connection_limit(1);
  Talker& first = pair.dial_ready(stack);
  first.send("1");
  ASSERT_TRUE(pair.until([&] { return pair.peers.size() == 1; }));
  Talker& second = pair.clone(first);
  second.send("2");
  ASSERT_TRUE(pair.until([&] { return second.failed.has_value(); }));
  first.send("1");
  EXPECT_TRUE(pair.until([&] { return pair.peers[0]->reader->all == "11"; }));
}

// Nobody reads one stream: it is bounded by its window, and the others are not stopped.
TEST_P(Streams, ASleepingStreamStopsNoOther) {
  pair.peers_read = false;
  pair.listen(stack);
  Talker& first = pair.dial_ready(stack);
  Talker& second = pair.clone(first);
  first.send("x");
  second.send("y");
  ASSERT_TRUE(pair.until([&] { return pair.peers.size() == 2; }));
  for (int i = 0; i < 200; ++i) first.send(std::string(4000, 'x'));
  pair.world.run_for(2s);
  EXPECT_GT(pair.client.loop().pool().live_bytes(), 700'000u) << "it waits at the sender";
  EXPECT_LT(pair.server.loop().pool().live_bytes(), 100'000u);
  for (int i = 0; i < 50; ++i) second.send(std::string(4000, 'y'));
  pair.peers[0]->read();  // either the sleeper's or the other: read both now
  pair.peers[1]->read();
  EXPECT_TRUE(pair.until([&] {
    return pair.peers[0]->reader->all.size() + pair.peers[1]->reader->all.size() == 200u * 4000 + 50u * 4000 + 2;
  }));
}

// The connection below fails: every Connection of the group hears it.
TEST_P(Streams, FailureBelowReachesAll) {
  pair.listen(stack);
  Talker& first = pair.dial_ready(stack);
  Talker& second = pair.clone(first);
  first.send("1");
  second.send("2");
  ASSERT_TRUE(pair.until([&] { return pair.peers.size() == 2; }));
  pair.peers[0]->connection.abort_group(12);
  ASSERT_TRUE(pair.until([&] { return first.failed && second.failed; }));
  ASSERT_TRUE(pair.until([&] { return mux_facts.alive == 0; }));
}

// When the listener goes, connections without streams go too, the others live on.
// API-214: they are not of one group, so they share nothing, although they go to the same peer.
TEST_P(Streams, ListenerGoes) {
  pair.listen(stack);
  Talker& first = pair.dial_ready(stack);
  Talker& silent = pair.dial_ready(stack);
  first.send("1");
  ASSERT_TRUE(pair.until([&] { return pair.peers.size() == 1; }));
  pair.listener = {};
  ASSERT_TRUE(pair.until([&] { return silent.connection.state() == ConnectionState::closed; }));
  first.send("1");
  EXPECT_TRUE(pair.until([&] { return pair.peers[0]->reader->all == "11"; }));
  first.close();
  EXPECT_TRUE(pair.until([&] { return first.closed && mux_facts.alive == 0; }));
}

TEST_P(Streams, CloneOfWhatIsNotEstablishedFails) {
  pair.listen(stack);
  Talker& first = pair.dial(stack);
  Talker& early = pair.clone(first);
  ASSERT_TRUE(pair.until([&] { return early.ready.has_value(); }));
  EXPECT_EQ(early.ready->error().reason, Reason::invalid_argument) << early.ready->error().detail;
  ASSERT_TRUE(pair.until([&] { return first.ready.has_value(); }));
  EXPECT_TRUE(*first.ready);
  EXPECT_EQ(first.soft.size(), 1u) << "the parent hears of it too";
}

// A script with clones, streams of the peer and ends of all kinds, cut off after n turns, for every n.
TEST_P(Streams, DestroyedAtEveryTurn) {
  for (const int way : {0, 1, 2, 3}) {
    bool finished = false;
    for (int cut = 0; !finished && cut < 400; ++cut) {
      VirtualPair p;
      p.listen(stack);
      Talker& first = p.dial(stack);
      std::vector<std::unique_ptr<Talker>> pushed;
      first.connection.on_received([&](Connection c) {
        pushed.push_back(std::make_unique<Talker>(std::move(c)));
        pushed.back()->read();
      });
      first.send("hello");
      int stage = 0, turns = 0;
      for (; turns < cut && p.world.run_once(); ++turns) {
        if (stage == 0 && p.peers.size() == 1) {
          ++stage;
          p.clone(first).send("two");
          p.clone(*p.peers[0]).send("push");
        } else if (stage == 1 && p.peers.size() == 3 && pushed.size() == 1) {
          ++stage;
          p.talkers[1]->close();
          pushed[0]->connection.abort(3);
        } else if (stage == 2 && p.talkers[1]->closed) {
          ++stage;
          first.connection.close_group([&](Result<void>) { ++stage; });
        }
        if (stage == 4 && mux_facts.alive == 0) finished = true;
      }
      if (way == 1) pushed.clear();
      p.cut_off(way);
      pushed.clear();
      p.shut();
      ASSERT_EQ(mux_facts.alive, 0);
    }
    EXPECT_TRUE(finished) << way;
  }
}

// API-212: who cannot follow what is set on another one leaves the group, hears of it, and lives on.
TEST_P(Streams, WhoCannotFollowLeavesTheGroup) {
  pair.listen(stack);
  Talker& first = pair.dial_ready(stack);
  Talker& second = pair.clone(first);
  ASSERT_TRUE(pair.until([&] { return second.ready.has_value(); }));
  EXPECT_EQ(first.connection.group_size(), 2u);
  ASSERT_TRUE(first.connection.set("mux.first", true));
  ASSERT_TRUE(pair.until([&] { return second.soft.size() == 1; }));
  EXPECT_TRUE(second.soft[0].detail.starts_with("left its group, because mux.first could not be set: "))
      << second.soft[0].detail;
  EXPECT_EQ(first.connection.group_size(), 1u);
  EXPECT_EQ(second.connection.group_size(), 1u);
  second.send("still here");
  EXPECT_TRUE(pair.until(
      [&] { return std::ranges::any_of(pair.peers, [](auto& peer) { return peer->reader->all == "still here"; }); }));
}

INSTANTIATE_TEST_SUITE_P(Stacks, Streams,
                         testing::Values("mux/tcp", "length-prefix/mux/tcp", "dmux/udp", "length-prefix/dmux/udp"),
                         [](const auto& param) {
                           const std::string_view stack = param.param;
                           return std::string(stack.starts_with("l") ? "Framed" : "Bare") +
                                  (stack.ends_with("udp") ? "OverDatagrams" : "OverBytes");
                         });

struct Clones : testing::Test {
  VirtualPair pair;
};

// QUIC-6: what uses streams works where there are none.
// IMPL-114, IMPL-119, IMPL-130: without streams a clone is a connection of its own over the same stack.
TEST_F(Clones, WithoutStreamsItIsAConnectionOfItsOwn) {
  pair.listen("length-prefix/tcp");
  Talker& first = pair.dial_ready("length-prefix/tcp");
  ASSERT_TRUE(first.connection.set("keepAliveTimeout", Duration(33s)));
  Talker& second = pair.clone(first);
  ASSERT_TRUE(pair.until([&] { return second.ready.has_value(); }));
  ASSERT_TRUE(*second.ready) << second.ready->error().detail;
  EXPECT_EQ(second.connection.stack(), "length-prefix/tcp");
  EXPECT_EQ(second.connection.remote(), first.connection.remote());
  EXPECT_NE(second.connection.local(), first.connection.local());
  EXPECT_EQ(std::get<Duration>(second.connection.get("keepAliveTimeout").value()), Duration(33s));
  ASSERT_TRUE(second.connection.set("keepAliveTimeout", Duration(44s)));
  EXPECT_EQ(std::get<Duration>(first.connection.get("keepAliveTimeout").value()), Duration(44s));
  second.send("over its own");
  ASSERT_TRUE(pair.until([&] { return pair.peers.size() == 2 && pair.peers[1]->reader->messages.size() == 1; }));
  bool all = false;
  second.connection.close_group([&](Result<void>) { all = first.connection.state() == ConnectionState::closed; });
  EXPECT_TRUE(pair.until([&] { return all; }));
}

// IMPL-130, IMPL-135: over datagrams each has a port of its own; they end together when they are asked to.
TEST_F(Clones, OverDatagrams) {
  pair.listen("udp");
  Talker& first = pair.dial_ready("udp");
  Talker& second = pair.clone(first);
  ASSERT_TRUE(pair.until([&] { return second.ready.has_value(); }));
  ASSERT_TRUE(*second.ready) << second.ready->error().detail;
  EXPECT_EQ(second.connection.remote(), first.connection.remote());
  EXPECT_NE(second.connection.local(), first.connection.local());
  first.send("one");
  second.send("two");
  ASSERT_TRUE(pair.until([&] { return pair.peers.size() == 2; }));
  bool all = false;
  first.connection.close_group([&](Result<void>) { all = second.connection.state() == ConnectionState::closed; });
  EXPECT_TRUE(pair.until([&] { return all; }));

  Talker& third = pair.dial_ready("udp");
  Talker& fourth = pair.clone(third);
  ASSERT_TRUE(pair.until([&] { return fourth.ready.has_value(); }));
  third.connection.abort_group();
  ASSERT_TRUE(pair.until([&] { return fourth.failed.has_value(); }));
  EXPECT_EQ(third.connection.state(), ConnectionState::closed);
}

// API-63, API-88
TEST_F(Clones, AFailedCloneIsToldToBoth) {
  pair.listen("tcp");
  Talker& first = pair.dial_ready("tcp");
  ASSERT_TRUE(pair.until([&] { return pair.peers.size() == 1; }));
  pair.listener = {};
  pair.world.run_for(100ms);
  Talker& second = pair.clone(first);
  ASSERT_TRUE(pair.until([&] { return second.ready.has_value(); }));
  EXPECT_EQ(second.ready->error().reason, Reason::unreachable) << second.ready->error().detail;
  EXPECT_EQ(first.connection.state(), ConnectionState::established);
  EXPECT_EQ(first.connection.group_size(), 1u);
  ASSERT_TRUE(pair.until([&] { return first.soft.size() == 1; }));
  EXPECT_TRUE(first.soft[0].detail.starts_with("it could not be cloned: ")) << first.soft[0].detail;
}

// IMPL-5
TEST_F(Clones, GroupsAreIndependent) {
  pair.listen("tcp");
  Talker& one = pair.dial_ready("tcp");
  Talker& other = pair.dial_ready("tcp");
  ASSERT_TRUE(one.connection.set("keepAliveTimeout", Duration(33s)));
  EXPECT_NE(std::get<Duration>(other.connection.get("keepAliveTimeout").value()), Duration(33s));
}

}  // namespace
}  // namespace trellis::tests
