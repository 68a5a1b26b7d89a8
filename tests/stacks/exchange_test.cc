// Data over real stacks on loopback: both directions, both address families, every end a Connection can have.
#include "world.h"

namespace trellis::tests {
namespace {

struct Case {
  const char* stack;
  const char* address;
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.stack << " " << c.address; }

struct Exchange : testing::TestWithParam<Case> {
  World world;
};

// IMPL-48, IMPL-4, API-29, API-30, API-54, API-56, API-69, API-71, API-83, API-94, API-100, API-262, API-264, API-265
// API-60: a framer is a layer of the stack that the Preconnection asks for.
TEST_P(Exchange, MessagesGoBothWays) {
  Listener listener = world.listen(GetParam().stack, GetParam().address);
  auto [client, server] = world.pair(GetParam().stack, listener);
  EXPECT_EQ(client.stack(), GetParam().stack);
  EXPECT_EQ(client.remote(), listener.local());
  EXPECT_EQ(server.remote(), client.local());
  EXPECT_EQ(client.node(), "1.1.1");
  EXPECT_EQ(client.interface_name(), "lo");
  Reader at_server(server), at_client(client);
  client.send(slice(client, "ping"));
  ASSERT_TRUE(world.run_until([&] { return at_server.all == "ping"; }));
  server.send(slice(server, "pong"));
  ASSERT_TRUE(world.run_until([&] { return at_client.all == "pong"; }));
  EXPECT_FALSE(at_client.error);
}

TEST_P(Exchange, ConnectionsDieQuietlyWhenTheirHandlesGo) {
  Listener listener = world.listen(GetParam().stack, GetParam().address);
  auto [client, server] = world.pair(GetParam().stack, listener);
  client = {};
  server = {};
  listener = {};
  world.spin();
}

INSTANTIATE_TEST_SUITE_P(Stacks, Exchange,
                         testing::Values(Case{"tcp", "127.0.0.1"}, Case{"tcp", "::1"}, Case{"udp", "127.0.0.1"},
                                         Case{"udp", "::1"}, Case{"length-prefix/tcp", "127.0.0.1"},
                                         Case{"length-prefix/tcp", "::1"}, Case{"line/tcp", "127.0.0.1"}));

struct Tcp : testing::Test {
  World world;
};

// IMPL-55, IMPL-115, IMPL-116, API-194, IMPL-50: without a framer all that comes in a direction is one message.
TEST_F(Tcp, HalfCloseLetsTheOtherDirectionGoOn) {
  Listener listener = world.listen("tcp");
  auto [client, server] = world.pair("tcp", listener);
  Reader at_server(server), at_client(client);
  client.send(Message{.data = slice(client, "request"), .final = true});
  ASSERT_TRUE(world.run_until([&] { return at_server.ended; }));
  EXPECT_EQ(at_server.all, "request");
  EXPECT_FALSE(at_client.ended);
  server.send(slice(server, "answer"));
  server.finish();
  ASSERT_TRUE(world.run_until([&] { return at_client.ended; }));
  EXPECT_EQ(at_client.all, "answer");
}

// API-70
TEST_F(Tcp, ABatchLeavesTogether) {
  Listener listener = world.listen("tcp");
  auto [client, server] = world.pair("tcp", listener);
  Reader reader(server);
  client.start_batch();
  for (const char* part : {"one ", "two ", "three "}) {
    EXPECT_TRUE(client.send(slice(client, part)));
    world.spin();
  }
  EXPECT_EQ(reader.all, "");
  client.end_batch();
  ASSERT_TRUE(world.run_until([&] { return reader.all == "one two three "; }));
  client.start_batch();
  client.send(slice(client, "four "));
  client.finish();
  ASSERT_TRUE(world.run_until([&] { return reader.all == "one two three four " && reader.ended; }));
}

// API-70: what there is no room for does not wait for the end of the batch.
TEST_F(Tcp, AnEndlessBatchFlows) {
  Listener listener = world.listen("tcp");
  auto [client, server] = world.pair("tcp", listener);
  Reader reader(server);
  client.start_batch();
  const std::string content(100'000, 'x');
  for (int i = 0; i < 30; ++i) client.send(slice(client, content));
  ASSERT_TRUE(world.run_until([&] { return reader.all.size() > 20 * content.size(); }));
  client.end_batch();
  ASSERT_TRUE(world.run_until([&] { return reader.all.size() == 30 * content.size(); }));
}

// IMPL-55, API-93, API-171, API-289
TEST_F(Tcp, NothingCanBeSentAfterFinal) {
  Listener listener = world.listen("tcp");
  auto [client, server] = world.pair("tcp", listener);
  std::optional<Fate> fate;
  std::string why;
  client.finish();
  client.send(Message{.data = slice(client, "late")}, [&](Fate f, const Error* e) {
    fate = f;
    if (e != nullptr) why = e->detail;
  });
  EXPECT_FALSE(fate) << "never inside the call";
  ASSERT_TRUE(world.run_until([&] { return fate.has_value(); }));
  EXPECT_EQ(*fate, Fate::failed);
  EXPECT_NE(why.find("final"), std::string::npos) << why;
}

// IMPL-117, API-72, API-97, API-282
TEST_F(Tcp, GracefulCloseDeliversEverythingAlthoughInputIsUnread) {
  Listener listener = world.listen("tcp");
  auto [client, server] = world.pair("tcp", listener);
  server.send(slice(server, std::string(100000, 'u')));  // never read by the client
  world.spin();
  std::string sent;
  for (int i = 0; i < 40; ++i) {
    sent += std::string(65536, static_cast<char>('a' + i % 26));
    client.send(slice(client, std::string(65536, static_cast<char>('a' + i % 26))));
  }
  bool closed = false;
  client.close([&](Result<void> how) { closed = how.has_value(); });
  Reader at_server(server);
  ASSERT_TRUE(world.run_until([&] { return at_server.ended || at_server.error; }));
  EXPECT_FALSE(at_server.error) << at_server.error->detail;
  EXPECT_EQ(at_server.all.size(), sent.size());
  EXPECT_EQ(at_server.all, sent);
  server.close();
  ASSERT_TRUE(world.run_until([&] { return closed; }));
  EXPECT_EQ(client.state(), ConnectionState::closed);
}

// IMPL-118, IMPL-111, API-74, API-98, API-262, API-283
TEST_F(Tcp, AbortResetsThePeer) {
  Listener listener = world.listen("tcp");
  auto [client, server] = world.pair("tcp", listener);
  Reader at_server(server);
  std::optional<Error> failed;
  server.on_failed([&](const Error& e) { failed = e; });
  client.abort();
  ASSERT_TRUE(world.run_until([&] { return at_server.error && failed; }));
  EXPECT_EQ(at_server.error->reason, Reason::reset) << at_server.error->detail;
  EXPECT_EQ(failed->reason, Reason::reset);
}

TEST_F(Tcp, ResetIsNoticedAlthoughNobodyReceives) {
  Listener listener = world.listen("tcp");
  auto [client, server] = world.pair("tcp", listener);
  std::optional<Error> failed;
  server.on_failed([&](const Error& e) { failed = e; });
  world.spin();
  client.abort();
  ASSERT_TRUE(world.run_until([&] { return failed.has_value(); }));
  EXPECT_EQ(failed->reason, Reason::reset);
}

TEST_F(Tcp, DataBeforeAResetIsDelivered) {
  Listener listener = world.listen("tcp");
  auto [client, server] = world.pair("tcp", listener);
  client.send(slice(client, "last words"));
  ASSERT_TRUE(world.run_until([&] { return client.writable(); }));
  world.spin(5);
  client.abort();
  std::optional<Error> failed;
  server.on_failed([&](const Error& e) { failed = e; });
  ASSERT_TRUE(world.run_until([&] { return failed.has_value(); }));
  Reader at_server(server);
  ASSERT_TRUE(world.run_until([&] { return at_server.error || at_server.ended; }));
  EXPECT_EQ(at_server.all, "last words");
}

// A reader that stops bounds the memory of both sides, and what was sent arrives when it goes on.
// API-190
TEST_F(Tcp, BackpressureReachesFromReaderToSender) {
  Listener listener = world.listen("tcp");
  auto [client, server] = world.pair("tcp", listener);
  std::size_t sent = 0;
  bool one = false;
  server.receive(1, 1, [&](Result<Message>) { one = true; });  // then nothing more
  for (int round = 0; round < 300; ++round) {
    while (client.writable()) {
      client.send(slice(client, std::string(65536, 'x')));
      sent += 65536;
    }
    world.spin(2);
  }
  EXPECT_TRUE(one);
  EXPECT_FALSE(client.writable());
  const std::size_t stalled_at = sent;
  EXPECT_LT(stalled_at, std::size_t{64} << 20) << "the kernel's buffers and ours, not more";
  Reader rest(server);
  bool writable = false;
  client.on_writable([&] { writable = true; });
  ASSERT_TRUE(world.run_until([&] { return rest.all.size() + 1 == sent; }));
  EXPECT_TRUE(writable);
}

// IMPL-61, API-91, API-262, API-290
TEST_F(Tcp, SentIsReportedWhenTheStackHasTakenTheMessage) {
  Listener listener = world.listen("length-prefix/tcp");
  auto [client, server] = world.pair("length-prefix/tcp", listener);
  std::vector<Fate> fates;
  for (int i = 0; i < 3; ++i) {
    client.send(Message{.data = slice(client, "message")}, [&](Fate f, const Error*) { fates.push_back(f); });
  }
  ASSERT_TRUE(world.run_until([&] { return fates.size() == 3; }));
  EXPECT_EQ(fates, (std::vector{Fate::sent, Fate::sent, Fate::sent}));
}

// IMPL-51, API-92, API-167, API-285, API-289
TEST_F(Tcp, ExpiredMessageIsReportedAndNotSent) {
  Listener listener = world.listen("length-prefix/tcp");
  auto [client, server] = world.pair("length-prefix/tcp", listener);
  for (int i = 0; i < 200; ++i) {  // the reader sleeps: until nothing moves any more
    while (client.writable()) client.send(slice(client, std::string(65536, 'x')));
    world.spin(2);
  }
  std::optional<Fate> fate;
  Message doomed{.data = slice(client, "doomed")};
  doomed.properties.lifetime = std::chrono::milliseconds(20);
  client.send(std::move(doomed), [&](Fate f, const Error*) { fate = f; });
  ASSERT_TRUE(world.run_until([&] { return fate.has_value(); }));
  EXPECT_EQ(*fate, Fate::expired);
  client.send(slice(client, "the end"));
  client.finish();
  Reader at_server(server, kWholeMessage, SIZE_MAX);
  ASSERT_TRUE(world.run_until([&] { return at_server.ended; }));
  EXPECT_EQ(at_server.messages.back(), "the end");
  EXPECT_EQ(at_server.all.find("doomed"), std::string::npos);
}

// API-225
TEST_F(Tcp, AbortReportsUnsentMessagesAsFailed) {
  Listener listener = world.listen("length-prefix/tcp");
  auto [client, server] = world.pair("length-prefix/tcp", listener);
  int sent = 0, failed = 0, asked = 0;
  for (int i = 0; i < 400; ++i) {
    client.send(Message{.data = slice(client, std::string(65536, 'x'))},
                [&](Fate f, const Error*) { f == Fate::sent ? ++sent : ++failed; });
    ++asked;
  }
  world.spin();
  client.abort();
  ASSERT_TRUE(world.run_until([&] { return sent + failed == asked; }));
  EXPECT_GT(failed, 0);
}

// IMPL-82: a message larger than every buffer flows in parts.
// API-193
TEST_F(Tcp, MessageLargerThanAnyBufferArrivesInParts) {
  Listener listener = world.listen("length-prefix/tcp");
  auto [client, server] = world.pair("length-prefix/tcp", listener);
  const std::string big(std::size_t{10} << 20, 'b');
  client.send(slice(client, big));
  Reader at_server(server, 1, 65536);
  ASSERT_TRUE(world.run_until([&] { return !at_server.messages.empty(); }));
  EXPECT_EQ(at_server.messages[0].size(), big.size());
  EXPECT_EQ(at_server.messages[0], big);
}

}  // namespace
}  // namespace trellis::tests
