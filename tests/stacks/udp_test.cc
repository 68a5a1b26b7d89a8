// What is special to datagrams: one Connection per peer, soft errors, sizes.
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <set>

#include "world.h"

namespace trellis::tests {
namespace {

struct Udp : testing::Test {
  World world;
};

// IMPL-46, IMPL-129, IMPL-122, IMPL-128, API-85
TEST_F(Udp, OneConnectionPerPeer) {
  Listener listener = world.listen("udp");
  std::vector<Connection> clients;
  for (int i = 0; i < 5; ++i) {
    clients.push_back(world.dial("udp", listener));
    ASSERT_TRUE(world.run_until([&] { return world.dialled == i + 1; }));
    for (int k = 0; k < 3; ++k) clients.back().send(slice(clients.back(), "from " + std::to_string(i)));
  }
  ASSERT_TRUE(world.run_until([&] { return world.accepted.size() == 5; }));
  std::set<std::uint16_t> ports;
  std::vector<std::unique_ptr<Reader>> readers;
  for (auto& c : world.accepted) {
    ports.insert(c->remote().port);
    readers.push_back(std::make_unique<Reader>(*c));
  }
  EXPECT_EQ(ports.size(), 5u);
  for (auto& r : readers) {
    ASSERT_TRUE(world.run_until([&] { return r->messages.size() == 3; }));
    EXPECT_EQ(r->messages[0], r->messages[2]) << "no stranger's datagrams";
  }
}

// IMPL-6, IMPL-123, IMPL-37
// IMPL-36: nobody learns of a Connection over which nothing was sent.
TEST_F(Udp, InitiateSendsNothing) {
  Listener listener = world.listen("udp");
  const Connection c = world.dial("udp", listener);
  ASSERT_TRUE(world.run_until([&] { return world.dialled == 1; }));
  world.spin(100);
  EXPECT_TRUE(world.accepted.empty());
}

// IMPL-124
TEST_F(Udp, TheFirstMessageGoesWhenItIsReady) {
  Listener listener = world.listen("udp");
  Slice hello = world.loop->pool().allocate(0, 5, 0);
  std::memcpy(hello.edit().data(), "hello", 5);
  const Connection c = world.preconnection("udp")
                           .remote({.host = {}, .port = 0, .address = listener.local()})
                           .initiate(*world.loop, [](Result<void>) {}, Message{.data = std::move(hello)});
  ASSERT_TRUE(world.run_until([&] { return !world.accepted.empty(); }));
  Reader reader(*world.accepted[0]);
  EXPECT_TRUE(world.run_until([&] { return reader.all == "hello"; }));
  EXPECT_EQ(reader.messages.size(), 1u);
}

// IMPL-127, IMPL-88, API-89, API-129, API-272
TEST_F(Udp, RefusalIsASoftError) {
  Listener listener = world.listen("udp");
  Connection c = world.dial("udp", listener);
  ASSERT_TRUE(world.run_until([&] { return world.dialled == 1; }));
  EXPECT_TRUE(std::get<bool>(c.get("softErrorNotify").value()));
  listener = {};
  world.spin();
  std::optional<Error> soft;
  c.on_notice([&](Notice n, const Error& e) {
    if (n == Notice::soft_error) soft = e;
  });
  Reader reader(c);
  c.send(slice(c, "anybody?"));
  ASSERT_TRUE(world.run_until([&] { return soft.has_value(); }));
  EXPECT_EQ(c.state(), ConnectionState::established);
  EXPECT_FALSE(reader.error);
}

// IMPL-132, IMPL-49
TEST_F(Udp, LargeAndEmptyDatagramsKeepTheirEdges) {
  Listener listener = world.listen("udp");
  auto [client, server] = world.pair("udp", listener);
  Reader reader(server);
  const std::string large(60000, 'L');
  client.send(slice(client, large));
  client.send(slice(client, ""));
  client.send(slice(client, "end"));
  ASSERT_TRUE(world.run_until([&] { return reader.messages.size() == 3; }));
  EXPECT_EQ(reader.messages[0], large);
  EXPECT_EQ(reader.messages[1], "");
  EXPECT_EQ(reader.messages[2], "end");
}

// IMPL-60, IMPL-168, API-187
TEST_F(Udp, TooLargeDatagramFailsAlone) {
  Listener listener = world.listen("udp");
  auto [client, server] = world.pair("udp", listener);
  std::optional<Fate> fate;
  std::optional<Error> why;
  client.send(Message{.data = slice(client, std::string(70000, 'x'))}, [&](Fate f, const Error* e) {
    fate = f;
    if (e != nullptr) why = *e;
  });
  ASSERT_TRUE(world.run_until([&] { return fate.has_value(); }));
  EXPECT_EQ(*fate, Fate::failed);
  ASSERT_TRUE(why);
  EXPECT_EQ(why->reason, Reason::too_large) << why->detail;
  Reader reader(server);
  client.send(slice(client, "small"));
  EXPECT_TRUE(world.run_until([&] { return reader.all == "small"; }));
}

// A peer that is not read costs a bounded queue and does not stop the others.
TEST_F(Udp, SleepingReaderDoesNotStopTheOthers) {
  Listener listener = world.listen("udp");
  auto [noisy, sleeper] = world.pair("udp", listener);
  auto [other, awake] = world.pair("udp", listener);
  Reader reader(awake);
  for (int i = 0; i < 5000; ++i) {
    noisy.send(slice(noisy, std::string(1000, 'n')));
    if (i % 50 == 0) world.spin(2);
  }
  other.send(slice(other, "me too"));
  EXPECT_TRUE(world.run_until([&] { return reader.all == "me too"; }));
}

}  // namespace
}  // namespace trellis::tests
