// Datagrams of QUIC beside its streams (RFC 9221).
#include "quic_pair.h"

namespace trellis::tests {
namespace {

// QUIC-93, QUIC-94, QUIC-96
TEST_F(Quic, DatagramsAreConnections) {
  pair.listen(quic("idle-timeout-ms=5000"));
  Talker& stream = pair.dial_ready(quic());
  stream.send("stream");
  Talker& datagrams = pair.clone(stream, {.face = Face::datagram});
  ASSERT_TRUE(pair.until([&] { return datagrams.ready.has_value(); }));
  ASSERT_TRUE(*datagrams.ready) << datagrams.ready->error().detail;
  const auto most = fact<std::uint64_t>(datagrams.connection, "sendMsgMaxLen");
  EXPECT_GT(most, 1100u);
  EXPECT_TRUE(fact<bool>(stream.connection, "reliability"));
  EXPECT_FALSE(fact<bool>(stream.connection, "preserveMsgBoundaries"));
  for (const char* name : {"reliability", "preserveOrder"})
    EXPECT_FALSE(fact<bool>(datagrams.connection, name)) << name;
  for (const char* name : {"preserveMsgBoundaries", "congestionControl"})
    EXPECT_TRUE(fact<bool>(datagrams.connection, name)) << name;
  datagrams.send("first");
  datagrams.send(std::string(most, 'x'));
  datagrams.send("");
  ASSERT_TRUE(pair.until([&] { return pair.peers.size() == 2; }));
  Talker& at_server = pair.peers[0]->connection.face() == Face::datagram ? *pair.peers[0] : *pair.peers[1];
  ASSERT_TRUE(pair.until([&] { return at_server.reader->messages.size() == 3; }));
  EXPECT_EQ(at_server.reader->messages[0], "first");
  EXPECT_EQ(at_server.reader->messages[1].size(), most);
  EXPECT_EQ(at_server.reader->messages[2], "");
  EXPECT_FALSE(stream.connection.clone([](Result<void>) {}, {.face = Face::datagram}).get(kStreamId.name));
}

// One that is too large fails alone, and what is lost is not sent again.
// API-284
TEST_F(Quic, DatagramsAreUnreliable) {
  pair.listen(quic());
  Talker& stream = pair.dial_ready(quic());
  stream.send("stream");
  Talker& datagrams = pair.clone(stream, {.face = Face::datagram});
  ASSERT_TRUE(pair.until([&] { return datagrams.ready.has_value() && !pair.peers.empty(); }));
  std::map<std::string, std::vector<Fate>> fates;
  const auto send = [&](const std::string& name, std::size_t size) {
    datagrams.connection.send(Message{.data = slice(datagrams.connection, std::string(size, 'd'))},
                              [&fates, name](Fate f, const Error*) { fates[name].push_back(f); });
  };
  send("large", 5000);
  send("fine", 500);
  ASSERT_TRUE(pair.until([&] { return fates["fine"].size() == 2; }));
  EXPECT_THAT(fates["large"], testing::ElementsAre(Fate::failed));
  EXPECT_THAT(fates["fine"], testing::ElementsAre(Fate::sent, Fate::acknowledged));
  link.block({.verdict = Verdict::drop});
  send("lost", 500);
  pair.world.run_for(100ms);
  link.unblock();
  send("after", 500);
  ASSERT_TRUE(pair.until([&] { return fates["after"].size() == 2; }));
  EXPECT_THAT(fates["lost"], testing::ElementsAre(Fate::sent));
}

// What is refused gives its room back, and a Connection that is closed ends once the last datagram has left.
TEST_F(Quic, DatagramsEndWithTheirLastOne) {
  pair.listen(quic());
  Talker& stream = pair.dial_ready(quic());
  stream.send("stream");
  Talker& datagrams = pair.clone(stream, {.face = Face::datagram});
  ASSERT_TRUE(pair.until([&] { return datagrams.ready.has_value(); }));
  for (int i = 0; i < 200; ++i) datagrams.send(std::string(5000, 'l'));
  for (int i = 0; i < 600; ++i) datagrams.send(std::string(1000, 'd'));
  datagrams.close();
  const TimePoint before = pair.world.now();
  ASSERT_TRUE(pair.until([&] { return datagrams.closed.has_value(); }));
  EXPECT_TRUE(*datagrams.closed);
  EXPECT_LT(pair.world.now() - before, 10s) << "not the idle timeout";
  ASSERT_EQ(pair.peers.size(), 2u);
  Talker& at_server = pair.peers[0]->connection.face() == Face::datagram ? *pair.peers[0] : *pair.peers[1];
  ASSERT_TRUE(pair.until([&] { return at_server.reader->messages.size() == 600; }));
  stream.close();
  EXPECT_TRUE(pair.until([&] { return stream.closed.has_value(); }));
}

TEST_F(Quic, APeerWithoutDatagrams) {
  pair.listen(quic("datagrams=false"));
  Talker& stream = pair.dial_ready(quic());
  Talker& datagrams = pair.clone(stream, {.face = Face::datagram});
  ASSERT_TRUE(pair.until([&] { return datagrams.ready.has_value() || datagrams.failed.has_value(); }));
  EXPECT_FALSE(datagrams.ready.value_or(Result<void>()));
}

}  // namespace
}  // namespace trellis::tests
