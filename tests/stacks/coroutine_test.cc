// The same exchange with coroutines, and what happens when a waiting Task is destroyed.
#include "world.h"

namespace trellis::tests {
namespace {

struct Coroutines : testing::Test {
  World world;
};

Task<void> serve(Listener& listener, int& served) {
  auto accepted = co_await listener.accept_async();
  if (!accepted) co_return;
  Connection connection = std::move(*accepted);
  for (;;) {
    auto message = co_await connection.receive_async();
    if (!message || message->final) break;
    if (auto sent = co_await connection.send_async(std::move(message->data)); !sent) break;
    ++served;
  }
  co_await connection.close_async();
}

Task<Result<std::string>> ask(Preconnection& preconnection, Loop& loop, std::string question) {
  auto connection = co_await preconnection.initiate_async(loop);
  if (!connection) co_return std::unexpected(connection.error());
  auto sent = co_await connection->send_async(slice(*connection, question));
  if (!sent) co_return std::unexpected(sent.error());
  std::string answer;
  while (answer.size() < question.size()) {
    auto part = co_await connection->receive_async();
    if (!part) co_return std::unexpected(part.error());
    answer += text(part->data);
  }
  if (auto closed = co_await connection->close_async(); !closed) co_return std::unexpected(closed.error());
  co_return answer;
}

Task<void> keep(Task<Result<std::string>> question, std::optional<Result<std::string>>& answer) {
  answer = co_await std::move(question);
}

// API-16: no event has a handler, neither of the Listener nor of the Connections.
TEST_F(Coroutines, QuestionAndAnswer) {
  Listener listener = world.preconnection("tcp").local({.host = "127.0.0.1"}).listen(*world.loop, {});
  int served = 0;
  spawn(serve(listener, served));
  ASSERT_TRUE(world.run_until([&] { return listener.local().port != 0; }));
  Preconnection p = world.preconnection("tcp");
  p.remote({.host = {}, .port = 0, .address = listener.local()});
  std::optional<Result<std::string>> answer;
  spawn(keep(ask(p, *world.loop, std::string(1000, 'q')), answer));
  ASSERT_TRUE(world.run_until([&] { return answer.has_value(); }));
  ASSERT_TRUE(*answer) << answer->error().detail;
  EXPECT_EQ(**answer, std::string(1000, 'q'));
  EXPECT_GT(served, 0);
}

TEST_F(Coroutines, FailureIsAValue) {
  Preconnection p = world.preconnection("tcp");
  p.remote({.host = "no-such-host.invalid", .port = 1});
  std::optional<Result<std::string>> answer;
  spawn(keep(ask(p, *world.loop, "q"), answer));
  ASSERT_TRUE(world.run_until([&] { return answer.has_value(); }));
  ASSERT_FALSE(*answer);
  EXPECT_EQ(answer->error().reason, Reason::unresolved);
}

Task<void> read_once(Connection& connection, bool& resumed) {
  (void)co_await connection.receive_async();
  resumed = true;
}

TEST_F(Coroutines, DestroyingATaskCancelsItsReceive) {
  Listener listener = world.listen("tcp");
  auto [client, server] = world.pair("tcp", listener);
  bool resumed = false;
  {
    Task<void> task = read_once(server, resumed);
    task.start();
    client.send(slice(client, "nobody waits"));
  }
  world.spin();
  EXPECT_FALSE(resumed);
  Reader reader(server);  // nothing was lost
  EXPECT_TRUE(world.run_until([&] { return reader.all == "nobody waits"; }));
}

Task<void> fill(Connection& connection, std::size_t& sent) {
  for (;; ++sent) {
    if (!co_await connection.send_async(slice(connection, std::string(65536, 'f')))) co_return;
  }
}

// The Connection lives on, and has room again when nobody waits for it any more.
// API-198: what was sent stays sent.
TEST_F(Coroutines, DestroyingATaskCancelsItsWaitForRoom) {
  Listener listener = world.listen("tcp");
  auto [client, server] = world.pair("tcp", listener);
  std::size_t sent = 0;
  bool writable = false;
  client.on_writable([&] { writable = true; });
  {
    Task<void> task = fill(client, sent);
    task.start();
    world.spin();
    ASSERT_FALSE(client.writable());
  }
  const std::size_t before = sent;
  Reader reader(server);
  ASSERT_TRUE(world.run_until([&] { return writable; })) << "the application's own handler must stay";
  EXPECT_TRUE(world.run_until([&] { return reader.all.size() == (before + 1) * 65536; }));
  EXPECT_EQ(sent, before);
}

Task<void> close_it(Connection& connection, bool& resumed) {
  (void)co_await connection.close_async();
  resumed = true;
}

TEST_F(Coroutines, DestroyingATaskThatClosesAborts) {
  Listener listener = world.listen("tcp");
  auto [client, server] = world.pair("tcp", listener);
  Reader reader(server);
  bool resumed = false;
  {
    Task<void> task = close_it(client, resumed);
    task.start();
  }
  EXPECT_TRUE(world.run_until([&] { return reader.error || reader.ended; }));
  EXPECT_FALSE(resumed);
  EXPECT_EQ(client.state(), ConnectionState::closed);
}

TEST_F(Coroutines, DestroyingATaskCancelsItsInitiate) {
  Listener listener = world.listen("tcp");
  Preconnection p = world.preconnection("tcp");
  p.remote({.host = {}, .port = 0, .address = listener.local()});
  {
    Task<Result<std::string>> task = ask(p, *world.loop, "q");
    task.start();
  }
  world.spin();
}

}  // namespace
}  // namespace trellis::tests
