// A session on a host with two ways out: a connection on each, moving between them, and a way out that goes.
#include "stacks/roaming.h"
#include "tcpls_world.h"

namespace trellis::test {
namespace {

struct RoamingTcpls : tests::Roaming {
  RoamingTcpls() : Roaming(TcplsWorld::stack()) {}
  std::string connections() { return TcplsWorld::connections(*talker); }
};

// TCPLS-78, TCPLS-87, IMPL-92: the connection in reserve is on the other way out.
TEST_F(RoamingTcpls, AConnectionOnEachWayOut) {
  connect(to_server());
  world.run_for(1s);
  EXPECT_THAT(connections(), testing::HasSubstr("0:"));
  EXPECT_THAT(connections(), testing::HasSubstr("wlan0"));
  EXPECT_THAT(connections(), testing::HasSubstr("wwan0"));
}

// TCPLS-81: the streams go on over the path that was asked for.
TEST_F(RoamingTcpls, MovesToAPathOnRequest) {
  connect(to_server());
  world.run_for(1s);
  const std::uint64_t other = move_by("tcpls.path");
  ASSERT_NE(other, 0u) << connections();
  world.run_for(1s);
  EXPECT_EQ(path("tcpls.path"), other) << connections();
  arrives(std::string(100'000, 'm'));
  EXPECT_FALSE(talker->connection.set("tcpls.path", std::uint64_t{4711})) << "there is no such path";
}

// TCPLS-82, TCPLS-85, IMPL-92: an interface that goes takes nothing along, and is not waited for.
TEST_F(RoamingTcpls, AnInterfaceGoesInTheMiddle) {
  connect(to_server());
  world.run_for(1s);
  talker->send(std::string(300'000, 'x'));
  world.run_for(12ms);
  client.interface("wlan0").set_up(false);
  EXPECT_TRUE(world.run_until([&] { return peers[0]->reader->all.size() == 300'005; }, 3s)) << connections();
  EXPECT_FALSE(talker->failed);
  EXPECT_THAT(connections(), testing::Not(testing::HasSubstr("wlan0")));
  client.interface("wlan0").set_up(true);
  EXPECT_TRUE(world.run_until([&] { return connections().contains("wlan0"); }, 10s)) << "it is in reserve again";
}

// Without multipath there is one connection, whatever ways out there are.
TEST_F(RoamingTcpls, WhoProhibitsMultipathHasOneConnection) {
  connect(to_server().prohibit(Feature::multipath));
  world.run_for(2s);
  EXPECT_FALSE(connections().contains(";")) << connections();
}

}  // namespace
}  // namespace trellis::test
