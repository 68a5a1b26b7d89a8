// Streams of SCTP as Connections of one group.
#include "sctp_pair.h"
#include "wire.h"

namespace trellis::tests {
namespace {

// IMPL-151, IMPL-161: the client's streams are even; both directions of one have its number.
TEST_F(Sctp, StreamsAreConnectionsOfOneGroup) {
  Talker& first = connected();
  Talker& second = pair.clone(first);
  first.send("one");
  second.send("two");
  ASSERT_TRUE(pair.until([&] { return peer_with("one") != nullptr && peer_with("two") != nullptr; }));
  EXPECT_EQ(fact<std::uint64_t>(first.connection, kStreamId.name), 0u);
  EXPECT_EQ(fact<std::uint64_t>(second.connection, kStreamId.name), 2u);
  EXPECT_EQ(fact<std::uint64_t>(peer_with("two")->connection, kStreamId.name), 2u);
  peer_with("two")->send("answer");
  second.read();
  EXPECT_TRUE(pair.until([&] { return second.reader->all == "answer"; }));
}

// API-128: SCTP has no streams of one direction; one of both serves, and the other lies idle.
TEST_F(Sctp, OneDirectionGoesOverBoth) {
  Talker& first = connected();
  Talker& only = pair.clone(first, {.properties = {{"direction", std::string("Unidirectional Send")}}});
  only.send("one way");
  ASSERT_TRUE(pair.until([&] { return peer_with("one way") != nullptr; }));
  EXPECT_FALSE(fact<bool>(only.connection, kCanReceive.name));
  EXPECT_TRUE(fact<bool>(first.connection, kCanReceive.name));
}

// IMPL-159, IMPL-160, IMPL-153: either side opens streams; the server's are odd.
TEST_F(Sctp, TheServerOpensStreams) {
  Talker& first = connected();
  std::vector<std::unique_ptr<Talker>> opened;
  first.connection.on_received([&](Connection c) {
    opened.push_back(std::make_unique<Talker>(std::move(c)));
    opened.back()->read();
  });
  first.send("hello");
  ASSERT_TRUE(pair.until([&] { return peer_with("hello") != nullptr; }));
  Talker& by_server = pair.clone(*peer_with("hello"));
  by_server.send("from the server");
  ASSERT_TRUE(pair.until([&] { return !opened.empty() && opened[0]->reader->all == "from the server"; }));
  EXPECT_EQ(fact<std::uint64_t>(opened[0]->connection, kStreamId.name), 1u);
}

// IMPL-164, IMPL-153: the end of one stream is a reset in both directions; the number is used again, and nothing is
// mixed up.
TEST_F(Sctp, AStreamEndsAndItsNumberIsUsedAgain) {
  Talker& first = connected();
  first.send("stays");
  for (int round = 0; round < 5; ++round) {
    const std::string content = "round " + std::to_string(round);
    Talker& stream = pair.clone(first);
    stream.send(content);
    ASSERT_TRUE(pair.until([&] { return peer_with(content) != nullptr; }));
    EXPECT_EQ(fact<std::uint64_t>(stream.connection, kStreamId.name), 2u) << round;
    Talker& peer = *peer_with(content);
    stream.close();
    ASSERT_TRUE(pair.until([&] { return peer.reader->ended; }));
    peer.close();
    ASSERT_TRUE(pair.until([&] { return stream.closed.has_value() && peer.closed.has_value(); }));
    EXPECT_TRUE(*stream.closed) << stream.closed->error().detail;
    pair.world.run_for(1s);
  }
  first.send(" alive");
  EXPECT_TRUE(pair.until([&] { return peer_with("stays alive") != nullptr; }));
}

// IMPL-153: the lowest number that is free is used first, whichever was freed last.
TEST_F(Sctp, TheLowestNumberThatIsFree) {
  Talker& first = connected();
  first.send("stays");
  std::vector<Talker*> streams;
  for (const std::string content : {"2", "4", "6"}) {
    streams.push_back(&pair.clone(first));
    streams.back()->send(content);
    ASSERT_TRUE(pair.until([&] { return peer_with(content) != nullptr; }));
  }
  for (const int i : {0, 2, 1}) {
    streams[static_cast<std::size_t>(i)]->close();
    Talker& peer = *peer_with(std::to_string(2 * i + 2));
    ASSERT_TRUE(pair.until([&] { return peer.reader->ended; }));
    peer.close();
    pair.world.run_for(1s);
  }
  for (const std::uint64_t number : {2u, 4u, 6u, 8u})
    EXPECT_EQ(fact<std::uint64_t>(pair.clone(first).connection, kStreamId.name), number);
}

// IMPL-55, IMPL-164: one direction ends, the other goes on.
TEST_F(Sctp, HalfClose) {
  Talker& client = connected();
  Message last{.data = slice(client.connection, "request")};
  last.final = true;
  client.connection.send(std::move(last));
  client.read();
  ASSERT_TRUE(pair.until([&] { return pair.peers[0]->reader->ended; }));
  pair.peers[0]->send("response");
  EXPECT_TRUE(pair.until([&] { return client.reader->all == "response"; }));
}

// API-72, API-223: the stream was over before close(); who is told closed then has nothing more to say to the peer.
TEST_F(Sctp, ClosedIsToldAfterTheShutdown) {
  Talker& client = connected();
  Wire wire(link);
  client.read();
  client.send("request");
  client.connection.finish();
  ASSERT_TRUE(pair.until([&] { return pair.peers[0]->reader->ended; }));
  pair.peers[0]->send("response");
  pair.peers[0]->connection.finish();
  ASSERT_TRUE(pair.until([&] { return client.connection.state() == ConnectionState::closed; }));
  EXPECT_EQ(client.reader->all, "response");
  client.close();
  ASSERT_TRUE(pair.until([&] { return client.closed.has_value(); }));
  EXPECT_TRUE(*client.closed) << client.closed->error().detail;
  EXPECT_TRUE(std::ranges::contains(wire.forth.types, kShutdown));
  EXPECT_TRUE(std::ranges::contains(wire.back.types, kShutdownAck)) << "the peer has heard the goodbye";
}

// IMPL-154, IMPL-161: more streams than were agreed are added while the association runs.
TEST_F(Sctp, StreamsAreAdded) {
  Talker& first = connected("streams=4");
  constexpr int kMany = 100;
  first.send("0");
  for (int i = 1; i < kMany; ++i) pair.clone(first).send(std::to_string(i));
  ASSERT_TRUE(pair.until(
      [&] { return std::ranges::count_if(pair.peers, [](auto& p) { return !p->reader->all.empty(); }) == kMany; }));
  Talker& answering = *peer_with(std::to_string(kMany - 1));
  answering.send("answer");
  pair.talkers.back()->read();
  EXPECT_TRUE(pair.until([&] { return pair.talkers.back()->reader->all == "answer"; }));
  EXPECT_GE(fact<std::uint64_t>(first.connection, "sctp.streams"), 2u * kMany - 1);
}

// Beyond streams-most there is one clear error.
TEST_F(Sctp, StreamsAreBounded) {
  Talker& first = connected("streams=2,streams-most=4");
  pair.clone(first);
  Talker& beyond = pair.clone(first);
  ASSERT_TRUE(pair.until([&] { return beyond.ready.has_value() || beyond.failed.has_value(); }));
  const Error& error = beyond.failed ? *beyond.failed : beyond.ready->error();
  EXPECT_EQ(error.reason, Reason::exhausted);
  EXPECT_THAT(error.detail, testing::HasSubstr("streams-most"));
}

// A message that is lost on one stream does not hold up another.
TEST_F(Sctp, NoHeadOfLineBlocking) {
  Talker& first = connected();
  Talker& second = pair.clone(first);
  first.send("a");
  second.send("b");
  ASSERT_TRUE(pair.until([&] { return peer_with("a") != nullptr && peer_with("b") != nullptr; }));
  Talker& of_first = *peer_with("a");
  Talker& of_second = *peer_with("b");
  link.forth().conditions.loss = 1;
  first.send("A");
  pair.world.run_for(1ms);
  link.forth().conditions.loss = 0;
  second.send("B");
  ASSERT_TRUE(pair.until([&] { return of_second.reader->all == "bB"; }));
  EXPECT_EQ(of_first.reader->all, "a") << "it should still be missing";
  EXPECT_TRUE(pair.until([&] { return of_first.reader->all == "aA"; }));
}

// IMPL-167: of two streams with much to send the more urgent one is first; their messages interleave.
TEST_F(Sctp, Priorities) {
  link.forth().conditions.rate = 10'000'000;
  Talker& low = connected();
  Talker& high = pair.clone(low);
  EXPECT_TRUE(fact<bool>(low.connection, "sctp.interleaving"));
  ASSERT_TRUE(high.connection.set("connPriority", std::uint64_t{10}));
  const std::string content(400'000, 'x');
  low.send(content);
  high.send(content);
  ASSERT_TRUE(pair.until([&] { return pair.peers.size() == 2; }));
  ASSERT_TRUE(pair.until([&] { return pair.peers[1]->reader->all.size() == content.size(); }));
  EXPECT_LT(pair.peers[0]->reader->all.size(), content.size()) << "the less urgent one was finished first";
  EXPECT_TRUE(pair.until([&] { return pair.peers[0]->reader->all.size() == content.size(); }));
}

// API-273, API-138, API-215: which stream sends next can be chosen while the association lives. First come, first
// served: what was said first is finished first, however urgent the other is; by priority it is overtaken.
TEST_F(Sctp, TheSchedulerCanBeChosen) {
  Talker& low = connected();
  pair.link.forth().conditions.rate = 8'000'000;
  EXPECT_EQ(fact<std::string>(low.connection, "connScheduler"), "Priority-Based");
  Talker& high = pair.clone(low);
  ASSERT_TRUE(high.connection.set("connPriority", std::uint64_t{10}));
  const std::string content(100'000, 'x');
  std::size_t rounds = 0;
  const auto low_is_first = [&] {
    ++rounds;
    low.send(content);
    pair.world.run_for(1ms);
    high.send(content);
    const auto arrived = [&](std::size_t peer) {
      return pair.peers.size() > peer ? pair.peers[peer]->reader->all.size() : 0;
    };
    EXPECT_TRUE(
        pair.until([&] { return arrived(0) == rounds * content.size() || arrived(1) == rounds * content.size(); }));
    const bool first = arrived(0) == rounds * content.size();
    EXPECT_TRUE(
        pair.until([&] { return arrived(0) == rounds * content.size() && arrived(1) == rounds * content.size(); }));
    return first;
  };
  EXPECT_FALSE(low_is_first());
  ASSERT_TRUE(low.connection.set("connScheduler", std::string("first-come, first-served")));
  EXPECT_EQ(fact<std::string>(high.connection, "connScheduler"), "First-Come, First-Served") << "of the association";
  EXPECT_TRUE(low_is_first());
  const auto wrong = low.connection.set("connScheduler", std::string("Weighted Fair Queueing"));
  ASSERT_FALSE(wrong);
  EXPECT_TRUE(wrong.error().detail.contains("Round-Robin")) << wrong.error().detail;
}

// API-287: with Low Latency/Interactive each packet is acknowledged at once, else after 200 ms if it stays alone.
TEST_F(Sctp, InteractiveTrafficIsAcknowledgedAtOnce) {
  Talker& client = connected();
  Wire wire(pair.link);
  const auto until_acknowledged = [&] {
    pair.world.run_for(1s);  // nothing is under way
    constexpr int kSack = 3;
    const auto acknowledgements = [&] { return std::ranges::count(wire.back.types, kSack); };
    const auto before = acknowledgements();
    const TimePoint begin = pair.world.now();
    client.send("x");
    EXPECT_TRUE(pair.until([&] { return acknowledgements() > before; }));
    return pair.world.now() - begin;
  };
  until_acknowledged();                    // the first of all is not delayed (RFC 9260 section 5.1)
  EXPECT_GE(until_acknowledged(), 150ms);  // 200, by a clock of ticks
  const auto set = pair.peers[0]->connection.set("connCapacityProfile", std::string("Low Latency/Interactive"));
  ASSERT_TRUE(set) << set.error().detail;
  EXPECT_LT(until_acknowledged(), 100ms);
  ASSERT_TRUE(pair.peers[0]->connection.set("connCapacityProfile", std::string("Default")));
  EXPECT_GE(until_acknowledged(), 150ms);  // 200, by a clock of ticks
}

// IMPL-166: a group that is closed waits for what was sent; one that is aborted does not.
TEST_F(Sctp, TheWholeGroupEnds) {
  Talker& first = connected();
  for (int i = 0; i < 5; ++i) pair.clone(first);
  ASSERT_TRUE(
      pair.until([&] { return std::ranges::all_of(pair.talkers, [](auto& t) { return t->ready.has_value(); }); }));
  const std::string content(50'000, 'x');
  for (auto& t : pair.talkers) t->send(content);
  std::optional<Result<void>> closed;
  first.connection.close_group([&](Result<void> how) { closed = std::move(how); });
  ASSERT_TRUE(pair.until([&] { return closed.has_value(); }));
  EXPECT_TRUE(*closed) << closed->error().detail;
  ASSERT_EQ(pair.peers.size(), 6u);
  for (auto& p : pair.peers) EXPECT_EQ(p->reader->all.size(), content.size());
}

// Without interleaving parts of messages cannot alternate, and nothing gets stuck or mixed up.
TEST_F(Sctp, WithoutInterleaving) {
  Talker& first = connected("interleaving=false,send-buffer-bytes=8192");
  for (int i = 0; i < 4; ++i) pair.clone(first);
  for (std::size_t i = 0; i < pair.talkers.size(); ++i)
    for (int n = 0; n < 3; ++n) pair.talkers[i]->send(std::string(30'000, static_cast<char>('a' + i)));
  ASSERT_TRUE(pair.until([&] {
    return pair.peers.size() == 5 &&
           std::ranges::all_of(pair.peers, [](auto& p) { return p->reader->messages.size() == 3; });
  }));
  for (auto& p : pair.peers) EXPECT_EQ(p->reader->all.find_first_not_of(p->reader->all.front()), std::string::npos);
}

}  // namespace
}  // namespace trellis::tests
