// sctp/udp over the real loopback of this host, on a real loop.
#include <gmock/gmock.h>

#include <set>

#include "stacks/world.h"

namespace trellis::tests {
namespace {

// IMPL-4, IMPL-156, IMPL-164
TEST(SctpLoopback, MessagesBothWaysAndAGoodEnd) {
  for (const char* address : {"127.0.0.1", "::1"}) {
    World world;
    Listener listener = world.listen("sctp/udp", address);
    auto [client, server] = world.pair("sctp/udp", listener);
    Reader at_server(server), at_client(client);
    const std::string large(500'000, 'l');
    client.send(slice(client, large));
    client.send(slice(client, "small"));
    server.send(slice(server, "answer"));
    ASSERT_TRUE(world.run_until([&] { return at_server.messages.size() == 2 && at_client.messages.size() == 1; }))
        << address;
    EXPECT_EQ(at_server.messages[0].size(), large.size());
    std::optional<Result<void>> closed;
    client.close([&](Result<void> how) { closed = std::move(how); });
    ASSERT_TRUE(world.run_until([&] { return closed && at_server.ended; }));
    EXPECT_TRUE(*closed) << closed->error().detail;
  }
}

// IMPL-92: of a listener with two addresses the client learns the other one.
TEST(SctpLoopback, AListenerWithTwoAddresses) {
  World world;
  Listener listener = world.listen("sctp(addresses='127.0.0.1 127.0.0.2')/udp", "0.0.0.0");
  bool ready = false;
  Connection client = world.preconnection("sctp/udp")
                          .remote({.host = "127.0.0.1", .port = listener.local().port})
                          .initiate(*world.loop, [&](Result<void> how) { ready = how.has_value(); });
  ASSERT_TRUE(world.run_until([&] { return ready && !world.accepted.empty(); }));
  const auto paths = [&](Connection& of) {
    const auto value = of.get("sctp.paths");
    return value ? std::get<std::string>(*value) : std::string("unconfirmed");
  };
  ASSERT_TRUE(world.run_until([&] {
    return !paths(client).contains("unconfirmed") && !paths(*world.accepted.front()).contains("unconfirmed");
  })) << paths(client);
  EXPECT_TRUE(paths(client).contains("to 127.0.0.2 port")) << paths(client);
  EXPECT_TRUE(paths(*world.accepted.front()).contains("1: 127.0.0.2 to 127.0.0.1")) << paths(*world.accepted.front());
  Reader at_server(*world.accepted.front());
  ASSERT_TRUE(client.set("sctp.primary", std::uint64_t{1}));
  const std::string large(500'000, 'l');
  client.send(slice(client, large));
  ASSERT_TRUE(world.run_until([&] { return at_server.messages.size() == 1; }));
  EXPECT_TRUE(at_server.messages[0] == large);
}

// Many associations to one listener at once.
TEST(SctpLoopback, ManyAssociations) {
  World world;
  Listener listener = world.listen("sctp/udp");
  constexpr int kMany = 100;
  std::vector<Connection> clients;
  for (int i = 0; i < kMany; ++i) clients.push_back(world.dial("sctp/udp", listener));
  ASSERT_TRUE(world.run_until([&] { return world.dialled == kMany && world.accepted.size() == kMany; }));
  EXPECT_FALSE(world.dial_error);
  std::vector<std::unique_ptr<Reader>> readers;
  for (auto& one : world.accepted) readers.push_back(std::make_unique<Reader>(*one));
  for (int i = 0; i < kMany; ++i) clients[static_cast<std::size_t>(i)].send(slice(clients[0], std::to_string(i)));
  ASSERT_TRUE(world.run_until(
      [&] { return std::ranges::all_of(readers, [](const auto& r) { return r->messages.size() == 1; }); }));
  std::set<std::string> all;
  for (const auto& r : readers) all.insert(r->messages[0]);
  EXPECT_EQ(all.size(), static_cast<std::size_t>(kMany));
}

}  // namespace
}  // namespace trellis::tests
