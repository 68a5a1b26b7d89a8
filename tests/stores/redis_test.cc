// The store `redis` against a real server: shared, single use, expiring; and servers that are away, slow or wrong.
#include <thread>

#include "store_world.h"
#include "support/raw_socket.h"

namespace trellis::test {
namespace {

const auto kNothing = testing::AnyOf(IsEmpty(), testing::ElementsAre("no answer"));

struct Redis : testing::Test {
  void SetUp() override {
    if (!installed("redis-server")) GTEST_SKIP() << "redis-server is not installed: sdk/setup interop";
    start();
  }
  void start() {
    server = std::make_unique<Process>(std::vector<std::string>{"redis-server", "--port", port, "--bind", "127.0.0.1",
                                                                "--save", "", "--appendonly", "no", "--dir",
                                                                directory.path(), "--daemonize", "no"});
    ASSERT_TRUE(server->wait_output("Ready to accept connections")) << server->output() << server->error();
  }
  StoreUser user(std::vector<OptionText> more = {}) {
    more.push_back({"port", port, {}});
    return StoreUser(registry, "redis", more);
  }
  /// Says something to the server as another program would.
  std::string command(const std::vector<std::string>& words) const {
    std::vector<std::string> all{"redis-cli", "-p", port};
    all.insert(all.end(), words.begin(), words.end());
    Process cli(all);
    cli.close_input();
    cli.wait();
    return cli.output();
  }
  Registry registry{{TRELLIS_BUILD_DIR "/plugins"}};
  TemporaryDirectory directory;
  std::string port = std::to_string(RawSocket::tcp_listener().port());
  std::unique_ptr<Process> server;
};

TEST_F(Redis, KeepsWhatWasPutForAllMachines) {
  StoreUser first = user(), second = user(), other = user({{"prefix", "staging", {}}});
  first.store->put(entry(history_key(), "old"));
  first.store->put(entry(history_key(), "new"));
  first.store->put(entry(ticket_key(), "1"));
  EXPECT_THAT(first.ask({{"p", "nobody"}}), IsEmpty());
  EXPECT_THAT(other.ask(), IsEmpty()) << "another prefix";
  EXPECT_THAT(second.ask(), testing::UnorderedElementsAre("new", "1"));
  EXPECT_THAT(first.ask(), testing::ElementsAre("new")) << "the ticket is gone";
  EXPECT_EQ(first.store->trouble(), "");
  EXPECT_EQ(first.store->list()->size(), 1u);
  EXPECT_EQ(first.store->clear().value(), 1u);
  EXPECT_THAT(command({"KEYS", "*"}), testing::AnyOf("\n", ""));
}

TEST_F(Redis, EverythingExpiresByItself) {
  StoreUser first = user();
  first.store->put(entry(ticket_key(), "1"));
  first.store->put(entry(history_key(), "2"));
  first.ask({{"p", "nobody"}});
  const std::string keys = command({"KEYS", "*"});
  std::size_t count = 0;
  for (std::size_t at = 0; at < keys.size(); ++count) {
    const std::size_t end = keys.find('\n', at);
    EXPECT_GT(std::stol(command({"PTTL", keys.substr(at, end - at)})), 0) << keys.substr(at, end - at);
    at = end + 1;
  }
  EXPECT_EQ(count, 3u);
}

// RACE-109, RACE-110
TEST_F(Redis, TwoUsersNeverGetTheSameTicket) {
  constexpr int kTickets = 8;
  StoreUser giver = user();
  for (int i = 0; i < kTickets; ++i) giver.store->put(entry(ticket_key(), std::to_string(i)));
  giver.ask({{"p", "nobody"}});
  std::mutex mutex;
  std::vector<std::string> given;
  const auto work = [&] {
    StoreUser me = user();
    for (int i = 0; i < kTickets; ++i) {
      for (const std::string& found : me.ask()) {
        const std::lock_guard lock(mutex);
        given.push_back(found);
      }
    }
  };
  std::thread one(work), two(work);
  one.join();
  two.join();
  EXPECT_THAT(given, testing::UnorderedElementsAre("0", "1", "2", "3", "4", "5", "6", "7"));
}

TEST_F(Redis, WrongDataIsPassedOver) {
  StoreUser first = user();
  first.store->put(entry(history_key(), "right"));
  first.ask({{"p", "nobody"}});
  const std::string place = "trellis:p:,1:p,13:a.example 443";
  ASSERT_EQ(command({"EXISTS", place}), "1\n");
  for (const char* member : {"", "2", "9,1:p", "2,99999:p", "2,1:p,0:,13:a.example 443,1:x,0:,", "2,1:q,0:,1:z,0:,0:"})
    command({"SADD", place, member});
  const std::string strange = "2,1:p,0:,13:a.example 443,1:x,0:";  // a key of ours with another type
  command({"SADD", place, strange});
  command({"LPUSH", "trellis:v:" + strange, "x"});
  const std::string garbage = "2,1:p,0:,13:a.example 443,1:y,0:";
  command({"SADD", place, garbage});
  command({"SET", "trellis:v:" + garbage, "1 99999999999999999999\nxx"});
  EXPECT_THAT(first.ask(), testing::ElementsAre("right"));
  EXPECT_EQ(first.store->trouble(), "");
}

TEST_F(Redis, AServerThatGoesAndComesBack) {
  StoreUser first = user();
  first.store->put(entry(history_key(), "1"));
  EXPECT_THAT(first.ask(), SizeIs(1));
  server.reset();
  EXPECT_THAT(first.ask(), kNothing);
  const std::string trouble = first.store->trouble();
  EXPECT_THAT(trouble, HasSubstr("127.0.0.1:" + port));
  EXPECT_THAT(trouble, HasSubstr("going on without it"));
  start();
  while (!first.store->usable()) std::this_thread::sleep_for(1ms);
  first.store->put(entry(history_key(), "2"));
  for (int i = 0; i < 100 && first.ask() != std::vector<std::string>{"2"}; ++i) {
    std::this_thread::sleep_for(20ms);
    first.store->put(entry(history_key(), "2"));
  }
  EXPECT_THAT(first.ask(), testing::ElementsAre("2"));
}

TEST_F(Redis, ALoginThatIsRefused) {
  command({"CONFIG", "SET", "requirepass", "secret"});
  StoreUser without = user();
  EXPECT_THAT(without.ask(), kNothing);
  EXPECT_THAT(without.store->trouble(), HasSubstr("NOAUTH"));
  const std::string file = directory.write("password", "secret\n");
  StoreUser with = user({{"password-file", file, {}}});
  with.store->put(entry(history_key(), "1"));
  EXPECT_THAT(with.ask(), SizeIs(1));
  StoreUser wrong = user({{"password-file", directory.write("wrong", "guess\n"), {}}});
  EXPECT_THAT(wrong.ask(), kNothing);
  const std::string trouble = wrong.store->trouble();
  EXPECT_THAT(trouble, HasSubstr("WRONGPASS"));
  EXPECT_EQ(trouble.find("guess"), std::string::npos) << "no secrets in logs";
}

// ---- without a server

TEST(RedisAway, NobodyListens) {
  Registry registry({TRELLIS_BUILD_DIR "/plugins"});
  const std::string port = std::to_string(RawSocket::tcp_listener().port());
  StoreUser alone(registry, "redis", {{"port", port, {}}});
  EXPECT_THAT(alone.ask(), kNothing);
  EXPECT_THAT(alone.store->trouble(), HasSubstr("going on without it"));
}

// A server that accepts and never answers costs its timeout on its own thread, and the end of the program no more than
// a second.
TEST(RedisAway, NobodyAnswers) {
  Registry registry({TRELLIS_BUILD_DIR "/plugins"});
  RawSocket listener = RawSocket::tcp_listener();
  StoreUser alone(registry, "redis", {{"port", std::to_string(listener.port()), {}}, {"timeout-ms", "50", {}}});
  EXPECT_THAT(alone.ask(), kNothing);
  EXPECT_THAT(alone.store->trouble(), HasSubstr("going on without it"));
}

TEST(RedisAway, WhatAnswersIsNoRedis) {
  Registry registry({TRELLIS_BUILD_DIR "/plugins"});
  for (const char* words : {"HTTP/1.1 400 Bad Request\r\n\r\n", "+OK\r\n*999999999\r\n", "$-5\r\n", "\xff\xff\xff\r\n",
                            ":1\r\n:1\r\n:1\r\n", ""}) {
    RawSocket listener = RawSocket::tcp_listener();
    const std::string said = words;
    std::thread server([&] { std::ignore = listener.accept().write(said); });
    StoreUser alone(registry, "redis", {{"port", std::to_string(listener.port()), {}}, {"timeout-ms", "100", {}}});
    EXPECT_THAT(alone.ask(), kNothing) << words;
    EXPECT_NE(alone.store->trouble(), "") << words;
    server.join();
  }
}

TEST(RedisAway, PrefixIsChecked) {
  Registry registry({TRELLIS_BUILD_DIR "/plugins"});
  StateStore* kind = registry.store("redis").value();
  const auto options = OptionValues::check("store", kind->options(), std::vector<OptionText>{{"prefix", "a*", {}}});
  const auto opened = kind->open(*options);
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().detail, HasSubstr("found prefix='a*', expected letters"));
}

}  // namespace
}  // namespace trellis::test
