// Endpoints that a session is given, or loses, while it lives: a server with two addresses.
#include "stacks/roaming.h"
#include "tcpls_world.h"

namespace trellis::test {
namespace {

using testing::HasSubstr;

struct SessionEndpoints : tests::Roaming {
  SessionEndpoints() : Roaming(TcplsWorld::stack()) {
    server.interface("eth0").add_address("192.0.2.8");
    uplink.forth().tap = [this](SimPacket& packet) {
      if (packet.to.port == 4433) bytes[packet.to.ip[3]] += packet.payload.size();
      return Verdict::pass;
    };
  }
  std::string connections() { return TcplsWorld::connections(*talker); }
  std::ptrdiff_t count() { return 1 + std::ranges::count(connections(), ';'); }
  Result<void> add(std::string_view remote) {
    return talker->connection.add_remote({{.host = std::string(remote), .port = 4433}});
  }
  Result<void> remove(std::string_view remote) {
    return talker->connection.remove_remote({{.host = std::string(remote), .port = 4433}});
  }
  bool told(const std::string& what) {
    return std::ranges::any_of(talker->soft, [&](const Error& e) { return e.detail.contains(what); });
  }

  std::map<int, std::size_t> bytes;  // to 192.0.2.7 and 192.0.2.8
};

// API-65, API-90: a further remote endpoint gets a connection of the session, which carries on alone when the first one
// is removed; nothing is lost.
TEST_F(SessionEndpoints, AnotherRemoteJoins) {
  connect(to_server());
  world.run_for(1s);
  ASSERT_EQ(count(), 2) << connections();
  ASSERT_TRUE(add("192.0.2.7")) << "known already";
  world.run_for(1s);
  EXPECT_EQ(count(), 2) << connections();
  ASSERT_TRUE(add("192.0.2.8"));
  ASSERT_TRUE(add("192.0.2.8")) << "once is enough";
  world.run_for(2s);
  EXPECT_EQ(count(), 3) << connections();
  EXPECT_TRUE(told("has joined the session"));
  EXPECT_GT(bytes[8], 0u);
  talker->send(std::string(300'000, 'x'));
  world.run_for(20ms);
  ASSERT_TRUE(remove("192.0.2.7"));
  EXPECT_TRUE(world.run_until([&] { return peers[0]->reader->all.size() == 300'005; }, 20s)) << connections();
  EXPECT_TRUE(told("the application has removed its remote endpoint"));
  bytes.clear();
  arrives(std::string(100'000, 'y'));
  EXPECT_EQ(bytes[7], 0u);
  EXPECT_GT(bytes[8], 100'000u);
  EXPECT_EQ(talker->connection.remote().ip[3], 8);
  EXPECT_FALSE(talker->failed);
}

// API-65: what goes by the endpoint that is removed is taken to another one that is known, connected or not.
TEST_F(SessionEndpoints, RemovingAllAborts) {
  connect(to_server());
  world.run_for(1s);
  ASSERT_TRUE(remove("192.0.2.9")) << "not known";
  ASSERT_TRUE(add("192.0.2.8"));
  ASSERT_TRUE(remove("192.0.2.7")) << "at once: the other one is not connected yet";
  arrives("by the other one");
  EXPECT_FALSE(talker->failed);
  ASSERT_TRUE(remove("192.0.2.8"));
  ASSERT_TRUE(world.run_until([&] { return talker->failed.has_value(); }, 1s));
  EXPECT_THAT(talker->failed->detail, HasSubstr("removed all remote endpoints"));
  EXPECT_FALSE(talker->connection.add_remote({{.host = "192.0.2.7", .port = 4433}})) << "it has ended";
}

// API-65: one that does not answer is told, and changes nothing.
TEST_F(SessionEndpoints, NobodyIsThere) {
  connect(to_server());
  world.run_for(1s);
  ASSERT_TRUE(talker->connection.add_remote({{.host = "192.0.2.8", .port = 4434}}));
  world.run_for(2s);
  EXPECT_TRUE(told("refused"));
  EXPECT_EQ(count(), 2) << connections();
  arrives("still");
  EXPECT_FALSE(talker->failed);
}

// API-66: connections go from addresses that are added, and not from those that are removed.
TEST_F(SessionEndpoints, LocalAddresses) {
  client.interface("wwan0").set_up(false);
  connect(to_server());
  world.run_for(1s);
  ASSERT_EQ(count(), 1) << connections();
  client.interface("wlan0").add_address("10.1.0.3");
  world.run_for(1s);
  ASSERT_TRUE(talker->connection.add_local({{.host = "10.1.0.3"}}));
  world.run_for(1s);
  EXPECT_EQ(count(), 2) << connections();
  ASSERT_TRUE(talker->connection.remove_local({{.host = "10.1.0.2"}}));
  world.run_for(1s);
  EXPECT_EQ(count(), 1) << connections();
  EXPECT_EQ(talker->connection.local().ip[3], 3);
  arrives(std::string(100'000, 'l'));
  EXPECT_FALSE(talker->failed);
}

// API-65: a bytestream over one connection has one peer.
TEST_F(SessionEndpoints, TcpHasOne) {
  connect(to_server("tcp"), "tcp");
  EXPECT_TRUE(add("192.0.2.7")) << "known already";
  const auto other = add("192.0.2.8");
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().reason, Reason::unsupported);
  arrives("still");
  ASSERT_TRUE(remove("192.0.2.8")) << "not known";
  arrives("still");
  ASSERT_TRUE(remove("192.0.2.7"));
  ASSERT_TRUE(world.run_until([&] { return talker->failed.has_value(); }, 1s));
  EXPECT_THAT(talker->failed->detail, HasSubstr("removed all remote endpoints"));
}

}  // namespace
}  // namespace trellis::test
