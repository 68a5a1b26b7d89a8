// Connections and Listeners destroyed wherever an application may destroy them: in every callback, at every turn.
#include "world.h"

namespace trellis::tests {
namespace {

struct Teardown : testing::TestWithParam<const char*> {
  World world;
  std::string stack = GetParam();
};

TEST_P(Teardown, InReady) {
  Listener listener = world.listen(stack);
  Connection c;
  bool called = false;
  c = world.dial(stack, listener, [&](Result<void>) {
    called = true;
    c = {};
  });
  EXPECT_TRUE(world.run_until([&] { return called; }));
  world.spin();
}

TEST_P(Teardown, InReceive) {
  Listener listener = world.listen(stack);
  auto [client, server] = world.pair(stack, listener);
  bool called = false;
  Connection reader = std::move(client);
  reader.receive(1, 100, [&](Result<Message>) {
    called = true;
    reader = {};
  });
  server.send(slice(server, "x"));
  EXPECT_TRUE(world.run_until([&] { return called; }));
  world.spin();
}

TEST_P(Teardown, InWritable) {
  Listener listener = world.listen(stack);
  auto [client, server] = world.pair(stack, listener);
  bool called = false;
  Connection writer = std::move(client);
  writer.on_writable([&] {
    called = true;
    writer = {};
  });
  if (writer.face() == Face::datagram) return;  // loopback takes datagrams at once: nothing is ever blocked
  for (int i = 0; i < 300; ++i) {
    while (writer && writer.writable()) writer.send(slice(writer, std::string(65536, 'x')));
    world.spin(2);
  }
  const Reader drain(server);
  EXPECT_TRUE(world.run_until([&] { return called; }));
  world.spin();
}

TEST_P(Teardown, InSent) {
  Listener listener = world.listen(stack);
  auto [client, server] = world.pair(stack, listener);
  bool called = false;
  Connection sender = std::move(client);
  sender.send(Message{.data = slice(sender, "x")}, [&](Fate, const Error*) {
    called = true;
    sender = {};
  });
  EXPECT_TRUE(world.run_until([&] { return called; }));
  world.spin();
}

TEST_P(Teardown, InFailedAndInClosed) {
  Listener listener = world.listen(stack);
  auto [client, server] = world.pair(stack, listener);
  bool closed = false;
  Connection closing = std::move(client);
  closing.close([&](Result<void>) {
    closed = true;
    closing = {};
  });
  server = {};
  EXPECT_TRUE(world.run_until([&] { return closed; }));
  world.spin();
}

TEST_P(Teardown, EachOtherInReady) {
  Listener listener = world.listen(stack);
  Connection a, b;
  int called = 0;
  a = world.dial(stack, listener, [&](Result<void>) {
    ++called;
    b = {};
  });
  b = world.dial(stack, listener, [&](Result<void>) {
    ++called;
    a = {};
  });
  EXPECT_TRUE(world.run_until([&] { return called > 0; }));
  world.spin();
}

TEST_P(Teardown, ListenerInItsCallback) {
  Listener listener;
  int received = 0;
  listener = world.preconnection(stack)
                 .local({.host = "127.0.0.1"})
                 .listen(*world.loop, {.listening = {},
                                       .received =
                                           [&](Connection) {
                                             ++received;
                                             listener = {};
                                           },
                                       .failed = {}});
  ASSERT_TRUE(world.run_until([&] { return listener.local().port != 0; }));
  Connection a = world.dial(stack, listener), b = world.dial(stack, listener);
  a.send(slice(a, "x"));
  b.send(slice(b, "x"));
  EXPECT_TRUE(world.run_until([&] { return received > 0; }));
  world.spin();
}

TEST_P(Teardown, CloseThenDestroyStillFlushes) {
  Listener listener = world.listen(stack);
  auto [client, server] = world.pair(stack, listener);
  Connection leaving = std::move(client);
  leaving.send(slice(leaving, "good"));
  leaving.send(slice(leaving, "bye"));
  leaving.close();
  leaving = {};
  Reader reader(server);
  EXPECT_TRUE(world.run_until([&] { return reader.all == "goodbye"; }));
}

// A scripted exchange, cut off after n turns, for every n: under a sanitizer this finds what outlives its owner.
TEST_P(Teardown, AtEveryTurnOfAnExchange) {
  bool finished = false;
  for (int cut = 0; !finished && cut < 200; ++cut) {
    for (const bool client_goes : {true, false}) {
      Listener listener = world.listen(stack);
      Connection client = world.dial(stack, listener);
      client.send(slice(client, "hello"));
      std::unique_ptr<Reader> at_server, at_client;
      int turns = 0;
      finished = false;
      while (turns < cut && !finished) {
        world.loop->run_once(false);
        ++turns;
        if (!world.accepted.empty() && !at_server) {
          at_server = std::make_unique<Reader>(*world.accepted[0]);
          world.accepted[0]->send(slice(*world.accepted[0], "welcome"));
          world.accepted[0]->send(Message{.data = slice(*world.accepted[0], "bye"), .final = true});
          at_client = std::make_unique<Reader>(client);
        }
        if (at_server && at_server->all == "hello") client.close();
        finished = client.state() == ConnectionState::closed && turns > 50;
      }
      if (client_goes)
        client = {};
      else
        world.accepted.clear();
      world.spin(3);
      at_server.reset();
      world.accepted.clear();
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Stacks, Teardown, testing::Values("tcp", "udp", "length-prefix/tcp", "line/tcp"));

TEST(TeardownOfAll, FrameworkBeforeItsLoop) {
  World world;
  Listener listener = world.listen("length-prefix/tcp");
  Connection c = world.dial("length-prefix/tcp", listener);
  world.spin(3);
  c = {};
  listener = {};
  world.accepted.clear();
  world.framework.reset();
  world.spin(3);
}

}  // namespace
}  // namespace trellis::tests
