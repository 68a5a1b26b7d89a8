// A session on a host with two ways out: a connection on each, moving between them, and a way out that goes.
#include "stacks/roaming.h"
#include "tcpls_world.h"
#include "trellis/address_text.h"

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

// TCPLS-78: a way out that led nowhere before is not where a session begins, but the one in reserve is there again.
TEST_F(RoamingTcpls, AWayOutThatFailedBeforeIsInReserve) {
  wlan.forth().tap = [](SimPacket&) { return Verdict::drop; };
  connect(to_server());
  EXPECT_THAT(connections(), testing::Not(testing::HasSubstr("wlan0")));
  talker.reset();
  peers.clear();
  wlan.forth().tap = {};
  dial(to_server());
  EXPECT_THAT(connections(), testing::HasSubstr("in use,wwan0")) << "as the history has it";
  world.run_for(1s);
  EXPECT_THAT(connections(), testing::HasSubstr("wlan0"));
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

// TCPLS-82, TCPLS-85, IMPL-92, IMPL-94: an interface that goes takes nothing along, and is not waited for: its
// connection is lost to the session, and the Connection goes on by the other one.
TEST_F(RoamingTcpls, AnInterfaceGoesInTheMiddle) {
  connect(to_server());
  world.run_for(1s);
  talker->send(std::string(300'000, 'x'));
  world.run_for(12ms);
  client.interface("wlan0").set_up(false);
  EXPECT_TRUE(world.run_until([&] { return peers[0]->reader->all.size() == 300'005; }, 3s)) << connections();
  EXPECT_FALSE(talker->failed);
  EXPECT_EQ(talker->connection.state(), ConnectionState::established);
  EXPECT_THAT(connections(), testing::Not(testing::HasSubstr("wlan0")));
  client.interface("wlan0").set_up(true);
  EXPECT_TRUE(world.run_until([&] { return connections().contains("wlan0"); }, 10s)) << "it is in reserve again";
}

std::string property(Talker& t, const char* name) {
  const auto value = t.connection.get(name);
  return value ? std::get<std::string>(*value) : value.error().detail;
}

// Without multipath there is one connection, whatever ways out there are. Disabled also means that it stays where it is
// (API-126, API-267, IMPL-90).
TEST_F(RoamingTcpls, WhoProhibitsMultipathHasOneConnection) {
  connect(to_server().prohibit(Feature::multipath));
  world.run_for(2s);
  EXPECT_FALSE(connections().contains(";")) << connections();
}
TEST_F(RoamingTcpls, MultipathDisabled) {
  connect(to_server(TcplsWorld::stack("standby=1")).set(kMultipath.name, std::string("Disabled")));
  world.run_for(2s);
  EXPECT_FALSE(connections().contains(";")) << connections();
  EXPECT_EQ(move_by("tcpls.path"), 0u);
  arrives(" still");
}

// API-126: with Passive nothing is added by us, but the one connection may move, and the old one leaves then. It is
// replaced when it is lost.
TEST_F(RoamingTcpls, MultipathPassive) {
  connect(to_server(TcplsWorld::stack("standby=1")).set(kMultipath.name, std::string("Passive")));
  world.run_for(2s);
  EXPECT_FALSE(connections().contains(";")) << connections();
  EXPECT_THAT(connections(), testing::HasSubstr("wlan0"));
  EXPECT_NE(move_by("tcpls.path"), 0u);
  world.run_for(1s);
  EXPECT_FALSE(connections().contains(";")) << connections();
  EXPECT_THAT(connections(), testing::HasSubstr("wwan0"));
  arrives(" moved");
  client.interface("wwan0").set_up(false);
  arrives(" and replaced");
  EXPECT_FALSE(connections().contains(";")) << connections();
  EXPECT_THAT(connections(), testing::HasSubstr("wlan0"));
  EXPECT_FALSE(talker->failed);
}

// API-126: a Listener is Passive: it takes what the client adds, and adds nothing.
TEST_F(RoamingTcpls, AListenerTakesWhatTheClientAdds) {
  connect(to_server().set(kMultipath.name, std::string("Active")));
  world.run_for(1s);
  EXPECT_EQ(std::ranges::count(TcplsWorld::connections(*peers[0]), ';'), 1) << TcplsWorld::connections(*peers[0]);
}

// API-126: a Listener whose multipath is Disabled refuses what joins; the session stays whole.
TEST_F(RoamingTcpls, AListenerWithMultipathDisabledTakesNoJoins) {
  server_multipath = "Disabled";
  connect(to_server(TcplsWorld::stack("standby=1")).set(kMultipath.name, std::string("Active")));
  world.run_for(2s);
  EXPECT_FALSE(TcplsWorld::connections(*peers[0]).contains(";")) << TcplsWorld::connections(*peers[0]);
  EXPECT_FALSE(connections().contains("in reserve,wwan0")) << connections();
  arrives(" on one path");
  EXPECT_FALSE(talker->failed);
}

// TCPLS-81: a better way out comes up, and the session moves there: before the one in use is given up.
TEST_F(RoamingTcpls, MovesWhenABetterPathComesUp) {
  client.interface("wlan0").set_up(false);
  connect(to_server());
  world.run_for(1s);
  EXPECT_THAT(connections(), testing::HasSubstr("in use,wwan0"));
  talker->send(std::string(300'000, 'x'));
  world.run_for(20ms);
  client.interface("wlan0").set_up(true);
  EXPECT_TRUE(world.run_until([&] { return connections().contains("in use,wlan0"); }, 5s)) << connections();
  EXPECT_TRUE(world.run_until([&] { return peers[0]->reader->all.size() == 300'005; }, 10s));
  arrives(std::string(100'000, 'm'));
  EXPECT_THAT(connections(), testing::HasSubstr("wwan0")) << "in reserve";
  EXPECT_FALSE(talker->failed);
}

// API-132: the server can link both ways out of a user, though nobody has asked for addresses to be advertised.
TEST_F(RoamingTcpls, MultipathActive) {
  std::set<std::string> seen;  // by the server
  uplink.forth().tap = [&](SimPacket& packet) {
    if (!packet.payload.empty()) seen.insert(to_text(packet.from).substr(0, 8));
    return Verdict::pass;
  };
  connect(to_server().set(kMultipath.name, std::string("Active")));
  world.run_for(1s);
  EXPECT_THAT(connections(), testing::HasSubstr("wwan0"));
  EXPECT_THAT(seen, testing::ElementsAre("10.1.0.2", "10.2.0.2"));
  EXPECT_EQ(peers.size(), 1u) << "one Connection: the server knows that it is the same user";
  uplink.forth().tap = {};
}

// TCPLS-95: what is more than a scheduler needs leaves by a FIN without close_notify, and nothing is lost.
TEST_F(RoamingTcpls, ASurplusConnectionLeaves) {
  SimLink& far = network.link(client.add_interface("eth0", {"10.3.0.2"}), router.add_interface("eth1", {"10.3.0.1"}),
                              {.delay = 40ms});
  connect(to_server().set("multipathPolicy", std::string("Aggregate")));
  world.run_for(2s);
  const auto count = [this] { return 1 + std::ranges::count(connections(), ';'); };
  ASSERT_EQ(count(), 3) << connections();
  constexpr std::size_t kCloseNotify = 5 + 2 + 17;
  std::map<std::uint16_t, std::size_t> last;  // segment with something in it, by the port of the client
  std::vector<std::size_t> before_fins;
  const auto watch = [&](SimPacket& packet) {
    if (!packet.payload.empty()) last[packet.from.port] = packet.payload.size();
    if (packet.tcp.fin) before_fins.push_back(last[packet.from.port]);
    return Verdict::pass;
  };
  for (SimLink* link : {&wlan, &wwan, &far}) link->forth().tap = watch;
  talker->send(std::string(400'000, 'd'));
  world.run_for(20ms);
  ASSERT_TRUE(talker->connection.set("multipathPolicy", std::string("Handover")));
  EXPECT_TRUE(world.run_until([&] { return peers[0]->reader->all.size() == 400'005; }, 20s)) << connections();
  ASSERT_TRUE(world.run_until([&] { return !before_fins.empty(); }, 5s)) << connections();
  EXPECT_THAT(before_fins, testing::Each(testing::Ne(kCloseNotify)));
  EXPECT_EQ(count(), 2) << connections();
  arrives(std::string(50'000, 'e'));
  EXPECT_FALSE(talker->failed);
  EXPECT_FALSE(peers[0]->failed);
  for (SimLink* link : {&wlan, &wwan, &far}) link->forth().tap = {};
}

// An application may stop as soon as its stream is closed: the goodbye does not wait for an answer on the connection in
// reserve.
TEST_F(RoamingTcpls, AnUnansweredPingDoesNotHoldTheEnd) {
  connect(to_server());
  world.run_for(1s);
  bool asked = false;
  std::size_t fins = 0;
  wwan.forth().tap = [&](SimPacket& packet) {
    asked = asked || !packet.payload.empty();
    return Verdict::drop;
  };
  wlan.forth().tap = [&](SimPacket& packet) {
    fins += packet.tcp.fin ? 1 : 0;
    return Verdict::pass;
  };
  ASSERT_TRUE(talker->connection.set("keepAliveTimeout", Duration(1s)));
  ASSERT_TRUE(world.run_until([&] { return asked; }, 5s));
  world.run_for(30ms);  // the other one is answered
  peers[0]->connection.finish();
  talker->close();
  EXPECT_TRUE(world.run_until([&] { return fins == 1; }, 50ms)) << "one round trip, in which the last data arrive";
  ASSERT_TRUE(world.run_until([&] { return talker->closed.has_value(); }, 10s));
  EXPECT_TRUE(*talker->closed);
  EXPECT_FALSE(peers[0]->failed);
}

TEST_F(RoamingTcpls, MultipathHasThreeWords) {
  talker = std::make_unique<Talker>();
  talker->connection =
      to_server().set(kMultipath.name, std::string("Always")).initiate(client.loop(), talker->on_ready());
  ASSERT_TRUE(world.run_until([&] { return talker->ready.has_value(); }, 1s));
  ASSERT_FALSE(*talker->ready);
  EXPECT_EQ(talker->ready->error().reason, Reason::invalid_argument);
  EXPECT_THAT(talker->ready->error().detail, testing::HasSubstr("Passive"));
}

// API-140, TCPLS-88: the words of RFC 9622 choose the scheduler, before the connection and while it lives. What is sent
// then goes out as they say: on the way in use; on the nearer one; on both.
struct PathPolicy : RoamingTcpls {
  /// Bytes that each way out carries while 2 MB go.
  std::pair<std::size_t, std::size_t> carried() {
    std::size_t near = 0, far = 0;
    wlan.forth().tap = [&](SimPacket& packet) { return near += packet.payload.size(), Verdict::pass; };
    wwan.forth().tap = [&](SimPacket& packet) { return far += packet.payload.size(), Verdict::pass; };
    arrives(std::string(2'000'000, 'd'));
    wlan.forth().tap = {};
    wwan.forth().tap = {};
    return {near, far};
  }
};

TEST_F(PathPolicy, Handover) {
  connect(to_server().set("multipathPolicy", std::string("Handover")));
  world.run_for(1s);
  EXPECT_EQ(property(*talker, "tcpls.scheduler"), "pinned");
  const auto [near, far] = carried();
  EXPECT_GT(near, 2'000'000u);
  EXPECT_LT(far, 20'000u) << "in reserve";
}

TEST_F(PathPolicy, Interactive) {
  connect(to_server().set("multipathPolicy", std::string("Interactive")));
  world.run_for(1s);
  EXPECT_EQ(property(*talker, "tcpls.scheduler"), "lowest-rtt");
  arrives(".");  // both have been measured
  const auto [near, far] = carried();
  EXPECT_GT(near, far) << "the nearer one, as far as it takes something";
}

TEST_F(PathPolicy, Aggregate) {
  connect(to_server().set("multipathPolicy", std::string("Aggregate")));
  world.run_for(1s);
  EXPECT_EQ(property(*talker, "tcpls.scheduler"), "aggregate");
  const auto [near, far] = carried();
  EXPECT_GT(near, 400'000u);
  EXPECT_GT(far, 400'000u);
}

TEST_F(PathPolicy, ChangesWhileTheConnectionLives) {
  connect(to_server());
  world.run_for(1s);
  EXPECT_EQ(property(*talker, "multipathPolicy"), "Handover") << "the default of RFC 9622";
  for (const auto& [word, scheduler] :
       {std::pair("Aggregate", "aggregate"), std::pair("Interactive", "lowest-rtt"), std::pair("Handover", "pinned")}) {
    ASSERT_TRUE(talker->connection.set("multipathPolicy", std::string(word)));
    EXPECT_EQ(property(*talker, "multipathPolicy"), word);
    EXPECT_EQ(property(*talker, "tcpls.scheduler"), scheduler);
    arrives(std::string(50'000, 'c'));
  }
  const auto wrong = talker->connection.set("multipathPolicy", std::string("Fastest"));
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().reason, Reason::invalid_argument);
}

}  // namespace
}  // namespace trellis::test
