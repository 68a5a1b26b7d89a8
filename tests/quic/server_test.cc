// What a server does before it knows its clients, and after it has forgotten them.
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "quic_pair.h"
#include "support/process.h"

namespace trellis::tests {
namespace {

struct QuicServer : Quic {
  Duration time_to_ready(Talker& t) {
    const TimePoint before = pair.world.now();
    EXPECT_TRUE(pair.until([&] { return t.ready.has_value(); }));
    EXPECT_TRUE(t.ready && *t.ready) << (t.ready ? t.ready->error().detail : "not ready");
    return pair.world.now() - before;
  }
  void close(Talker& t) {
    t.close();
    EXPECT_TRUE(pair.until([&] { return t.closed.has_value(); }));
  }
  /// The server's program ends without a word, and another one takes its place.
  void start_server_anew(const std::string& stack) {
    link.block({.verdict = Verdict::drop});
    pair.peers.clear();
    pair.listener = {};
    pair.world.run_for(100ms);
    link.unblock();
    pair.listening = false;
    pair.listen(stack);
  }
};
constexpr Duration kRtt = 20ms;

// QUIC-86: a Retry costs a round trip, and proves the address.
TEST_F(QuicServer, Retry) {
  pair.listen(quic("retry=always"));
  Talker& first = pair.dial(quic());
  EXPECT_GE(time_to_ready(first), 2 * kRtt);
  first.send("hello");
  ASSERT_TRUE(pair.until([&] { return peer_with("hello") != nullptr; }));
  pair.world.run_for(100ms);
  close(first);
  // With the token that the first connection has got, the next one is not sent away.
  EXPECT_LT(time_to_ready(pair.dial(quic())), 2 * kRtt);
  // A token is used once.
  EXPECT_GE(time_to_ready(pair.dial(quic())), 2 * kRtt);
}

// QUIC-86
TEST_F(QuicServer, RetryWhenBusy) {
  pair.listen(quic("busy-handshakes=1"));
  Talker& first = pair.dial(quic());
  pair.world.run_for(15ms);
  Talker& second = pair.dial(quic());  // comes while the server still waits for the first one
  EXPECT_GE(time_to_ready(second), 2 * kRtt);
  EXPECT_TRUE(first.ready && *first.ready);
  pair.world.run_for(50ms);
  EXPECT_LT(time_to_ready(pair.dial(quic())), 2 * kRtt) << "it is not busy any more";
}

// QUIC-92, QUIC-89: a client whose first version the server has not begins again with one that both have.
TEST_F(QuicServer, BeginsAgainWithAVersionThatBothHave) {
  pair.listen(quic("versions=v2"));
  Talker& t = pair.dial(quic("versions='v1 v2'"));
  EXPECT_GE(time_to_ready(t), 2 * kRtt);
  EXPECT_EQ(fact<std::string>(t.connection, "quic.version"), "v2");
  t.send("hello");
  EXPECT_TRUE(pair.until([&] { return peer_with("hello") != nullptr; }));
}

// QUIC-76, QUIC-81
TEST_F(QuicServer, StatelessReset) {
  test::TemporaryDirectory directory;
  const std::string key = "ticket-key='" + directory.write("key", std::string(32, 'k')) + "'";
  std::filesystem::permissions(directory.path() + "/key", std::filesystem::perms::owner_read);
  pair.listen(quic(key));
  Talker& t = pair.dial_ready(quic());
  t.send("hello");
  ASSERT_TRUE(pair.until([&] { return peer_with("hello") != nullptr; }));
  start_server_anew(quic(key));
  t.send("is there somebody?");
  const TimePoint before = pair.world.now();
  ASSERT_TRUE(pair.until([&] { return t.failed.has_value(); }));
  EXPECT_LT(pair.world.now() - before, 2s) << "the idle timeout is 30 s";
  EXPECT_EQ(t.failed->reason, Reason::reset);
  EXPECT_THAT(t.failed->detail, testing::HasSubstr("stateless reset"));
}

// Another key makes other tokens, which nobody believes: the connection ends by the idle timeout.
TEST_F(QuicServer, OnlyTheServerCanReset) {
  pair.listen(quic("idle-timeout-ms=3000"));
  Talker& t = pair.dial_ready(quic());
  t.send("hello");
  ASSERT_TRUE(pair.until([&] { return peer_with("hello") != nullptr; }));
  start_server_anew(quic());
  t.send("is there somebody?");
  ASSERT_TRUE(pair.until([&] { return t.failed.has_value(); }));
  EXPECT_EQ(t.failed->reason, Reason::timed_out) << t.failed->detail;
}

// QUIC-76: the words that end a connection are said again when they were lost (RFC 9000 section 10.2.1).
TEST_F(QuicServer, LastWordsAreRepeated) {
  pair.listen(quic());
  Talker& t = pair.dial_ready(quic());
  t.send("hello");
  ASSERT_TRUE(pair.until([&] { return peer_with("hello") != nullptr; }));
  pair.world.run_for(100ms);
  link.block({.verdict = Verdict::drop});
  peer_with("hello")->connection.abort_group(4711);
  pair.world.run_for(1ms);
  link.unblock();
  t.send("more");
  ASSERT_TRUE(pair.until([&] { return t.failed.has_value(); }));
  EXPECT_EQ(t.failed->code, 4711u) << t.failed->detail;
}

TEST_F(QuicServer, LogsForAnalysers) {
  test::TemporaryDirectory directory;
  setenv("QLOGDIR", directory.path().c_str(), 1);
  pair.listen(quic());
  Talker& t = pair.dial_ready(quic());
  t.send("hello");
  ASSERT_TRUE(pair.until([&] { return peer_with("hello") != nullptr; }));
  unsetenv("QLOGDIR");
  pair.shut();
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory.path())) {
    names.push_back(entry.path().filename());
    std::ifstream in(entry.path());
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    EXPECT_THAT(text, testing::HasSubstr("qlog_version"));
    EXPECT_THAT(text, testing::HasSubstr("packet_sent"));
  }
  EXPECT_THAT(names,
              testing::UnorderedElementsAre(testing::EndsWith("_client.sqlog"), testing::EndsWith("_server.sqlog")));
}

}  // namespace
}  // namespace trellis::tests
