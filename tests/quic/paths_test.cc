// Connections that go on by another path: a client that moves, and one whose NAT gives it another address.
#include <set>

#include "quic_pair.h"
#include "stacks/roaming.h"

namespace trellis::tests {
namespace {

struct RoamingQuic : Roaming {
  RoamingQuic() : Roaming(quic()) {}
  std::string interface() { return std::get<std::string>(*talker->connection.get("interface")); }
  bool told(const Talker& t, const std::string& what) {
    return std::ranges::any_of(
        t.soft, [&](const Error& e) { return std::string_view(e.layer) == "quic" && e.detail.contains(what); });
  }
};

// QUIC-56, QUIC-68, QUIC-71, QUIC-72, API-90, IMPL-93: the streams go on by the path that was asked for, and the
// application hears of it.
TEST_F(RoamingQuic, MovesToAPathOnRequest) {
  connect(to_server());
  EXPECT_EQ(interface(), "wlan0");
  world.run_for(1s);
  std::size_t probe = 0;
  wwan.forth().tap = [&](SimPacket& packet) {
    if (probe == 0) probe = packet.payload.size();
    return Verdict::pass;
  };
  const std::uint64_t other = move_by("quic.path");
  ASSERT_NE(other, 0u);
  EXPECT_EQ(interface(), "wlan0") << "what is in use stays until the peer has answered on the other";
  world.run_for(1s);
  EXPECT_EQ(path("quic.path"), other);
  EXPECT_EQ(interface(), "wwan0");
  EXPECT_TRUE(told(*talker, "goes on by the path wwan0"));
  EXPECT_GE(probe, 1200u) << "a probe must show that the path carries datagrams of this size";
  EXPECT_TRUE(told(*peers[0], "goes on from 10.2.0.2"));
  EXPECT_EQ(peers[0]->connection.remote().ip[1], 2) << "10.2.0.2";
  std::size_t by_wlan = 0;
  wlan.forth().tap = [&](SimPacket& packet) { return by_wlan += packet.payload.size(), Verdict::pass; };
  arrives(std::string(300'000, 'm'));
  EXPECT_LE(by_wlan, 2 * 1200u) << "but for answers to probes of the path that was left (RFC 9000 section 9.3.3)";
  EXPECT_FALSE(talker->connection.set("quic.path", std::uint64_t{4711})) << "there is no such path";
  EXPECT_FALSE(peers[0]->connection.set("quic.path", std::uint64_t{1})) << "only a client moves";
}

// From the moment of the move on, while what was left is still kept for what is on its way there.
TEST_F(RoamingQuic, ItsAddressesAreThoseOfThePathInUse) {
  connect(to_server());
  world.run_for(1s);
  const auto expect_at = [this](const std::string& name, std::uint8_t network) {
    const Connection& c = talker->connection;
    EXPECT_EQ(c.interface_name(), name);
    EXPECT_EQ(interface(), name);
    EXPECT_EQ(std::get<std::uint64_t>(*c.get(kPath.name)), path("quic.path"));
    EXPECT_EQ(c.local().ip[1], network) << "10.1.0.2 or 10.2.0.2";
    EXPECT_EQ(c.remote().ip[0], 192);
  };
  expect_at("wlan0", 1);
  const std::uint64_t own = path("quic.path"), other = move_by("quic.path");
  ASSERT_NE(other, 0u);
  expect_at("wlan0", 1);
  ASSERT_TRUE(world.run_until([&] { return path("quic.path") == other; }, 5s));
  expect_at("wwan0", 2);
  ASSERT_TRUE(talker->connection.set("quic.path", own));
  expect_at("wwan0", 2);
  ASSERT_TRUE(world.run_until([&] { return path("quic.path") == own; }, 5s));
  expect_at("wlan0", 1);
  world.run_for(10s);
  expect_at("wlan0", 1);
  arrives("back again");
}

// QUIC-73, QUIC-75, QUIC-85: an observer of both paths sees no id twice.
TEST_F(RoamingQuic, EachPathHasItsOwnIds) {
  std::set<std::string> ids[2];
  const auto collect = [](std::set<std::string>& into) {
    return [&into](SimPacket& packet) {
      const auto& bytes = packet.payload;
      if (bytes.size() > 17 && (std::to_integer<int>(bytes[0]) & 0x80) == 0)
        into.emplace(reinterpret_cast<const char*>(bytes.data()) + 1, 16);
      return Verdict::pass;
    };
  };
  wlan.forth().tap = collect(ids[0]);
  wwan.forth().tap = collect(ids[1]);
  connect(to_server());
  world.run_for(1s);
  ASSERT_NE(move_by("quic.path"), 0u);
  world.run_for(1s);
  arrives("elsewhere");
  EXPECT_FALSE(ids[0].empty());
  EXPECT_FALSE(ids[1].empty());
  for (const std::string& id : ids[1]) EXPECT_FALSE(ids[0].contains(id));
}

// QUIC-71, IMPL-90, IMPL-93: an interface that goes in the middle of a transfer takes nothing along.
TEST_F(RoamingQuic, AnInterfaceGoesInTheMiddle) {
  connect(to_server());
  world.run_for(1s);
  talker->send(std::string(300'000, 'x'));
  world.run_for(12ms);
  client.interface("wlan0").set_up(false);
  EXPECT_TRUE(world.run_until([&] { return peers[0]->reader->all.size() == 300'005; }, 5s));
  EXPECT_FALSE(talker->failed);
  EXPECT_EQ(interface(), "wwan0");
}

// A better path is used when it comes, and left again when it goes.
TEST_F(RoamingQuic, FollowsTheBestPath) {
  connect(to_server());
  const std::string best = interface(), other = best == "wlan0" ? "wwan0" : "wlan0";
  world.run_for(1s);
  for (int round = 0; round < 3; ++round) {
    client.interface(best).set_up(false);
    EXPECT_TRUE(world.run_until([&] { return interface() == other; }, 5s)) << round;
    arrives("by the other");
    client.interface(best).set_up(true);
    EXPECT_TRUE(world.run_until([&] { return interface() == best; }, 5s)) << round;
    arrives("by the best");
  }
}

// QUIC-71: a path on which the peer does not answer is not used.
TEST_F(RoamingQuic, APathThatLeadsNowhere) {
  wwan.block({.verdict = Verdict::drop});
  connect(to_server());
  world.run_for(1s);
  ASSERT_NE(move_by("quic.path"), 0u);
  arrives(std::string(100'000, 'm'));
  world.run_for(20s);
  EXPECT_EQ(interface(), "wlan0");
  EXPECT_TRUE(told(*talker, "cannot be used"));
  arrives("still here");
}

// QUIC-74, IMPL-90
TEST_F(RoamingQuic, StaysWhereItIsWithoutMultipath) {
  connect(to_server().prohibit(Feature::multipath));
  world.run_for(1s);
  EXPECT_EQ(move_by("quic.path"), 0u);
  client.interface("wlan0").set_up(false);
  world.run_for(5s);
  EXPECT_EQ(interface(), "wlan0");
}

// QUIC-74: either end can forbid it.
TEST_F(RoamingQuic, StaysWhereItIsWithoutMigration) {
  connect(to_server(quic("migration=false")));
  world.run_for(1s);
  const auto refused = talker->connection.set("quic.path", std::uint64_t{2});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, Reason::prohibited) << refused.error().detail;
}
TEST_F(RoamingQuic, StaysWhereTheServerForbidsToMove) {
  connect(to_server(), quic("migration=false"));
  world.run_for(1s);
  const auto refused = talker->connection.set("quic.path", std::uint64_t{2});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, Reason::prohibited) << refused.error().detail;
  arrives("still here");
}

// QUIC-74: the server's application wants one path, and so its clients are told to stay; they are not called elsewhere.
TEST_F(RoamingQuic, StaysWhereTheServersApplicationWantsOnePath) {
  server_multipath = "Disabled";
  connect(to_server(), quic("preferred-address=198.51.100.7:4433"));
  world.run_for(1s);
  const auto refused = talker->connection.set("quic.path", std::uint64_t{2});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, Reason::prohibited) << refused.error().detail;
  EXPECT_THAT(refused.error().detail, testing::HasSubstr("the server forbids"));
  client.interface("wlan0").set_up(false);
  world.run_for(5s);
  EXPECT_EQ(interface(), "wlan0");
  EXPECT_FALSE(told(*talker, "cannot be used")) << "the preferred address has not been tried";
}
TEST_F(RoamingQuic, MovesWhereTheServersApplicationIsPassive) {
  server_multipath = "Passive";
  connect(to_server());
  world.run_for(1s);
  ASSERT_NE(move_by("quic.path"), 0u);
  EXPECT_TRUE(world.run_until([&] { return interface() == "wwan0"; }, 5s));
}

// QUIC-69, QUIC-70, QUIC-20: packets find their connection by its id, so a client whose NAT forgets it goes on.
TEST_F(RoamingQuic, ANatThatRebinds) {
  SimNat& nat = router.add_nat(router.interface("eth0"));
  connect(to_server());
  world.run_for(1s);
  const std::uint16_t before = peers[0]->connection.remote().port;
  for (int i = 0; i < 3; ++i) {
    nat.rebind();
    arrives(std::string(100'000, 'n'));
    peers[0]->send("answer");
    EXPECT_TRUE(world.run_until([&] { return talker->reader->all.ends_with("answer"); }, 5s)) << i;
    talker->reader->all.clear();
  }
  EXPECT_TRUE(told(*peers[0], "goes on from 192.0.2.1"));
  EXPECT_NE(peers[0]->connection.remote().port, before);
  EXPECT_EQ(peers.size(), 1u);
  EXPECT_FALSE(talker->failed);
}

// QUIC-18, QUIC-20: a binding that times out hides the client from its server until it speaks again.
TEST_F(RoamingQuic, ANatThatForgets) {
  router.add_nat(router.interface("eth0"), {.datagram_timeout = 10s});
  connect(to_server());
  world.run_for(20s);
  peers[0]->send("are you there?");
  world.run_for(2s);
  EXPECT_EQ(talker->reader->all, "");
  arrives("yes");
  EXPECT_TRUE(world.run_until([&] { return talker->reader->all == "are you there?"; }, 10s));
}

// QUIC-68: a server that would rather be spoken to elsewhere is tried there, and followed if it answers.
TEST_F(RoamingQuic, FollowsAServerToItsPreferredAddress) {
  network.link(router.add_interface("eth1", {"198.51.100.1"}), server.add_interface("eth1", {"198.51.100.7"}),
               {.delay = 5ms});
  connect(to_server(), quic("preferred-address='198.51.100.7:4433 [2001:db8::7]:4433'"));
  EXPECT_TRUE(world.run_until([&] { return told(*talker, "goes on by the path"); }, 5s));
  EXPECT_EQ(talker->connection.remote().ip[0], 198);
  uplink.block({.verdict = Verdict::drop});
  arrives(std::string(100'000, 'p'));
  EXPECT_FALSE(talker->failed);
}

TEST_F(RoamingQuic, AServerThatIsNotWhereItAsksFor) {
  connect(to_server(), quic("preferred-address=198.51.100.7:4433"));
  world.run_for(10s);
  EXPECT_EQ(talker->connection.remote().ip[0], 192);
  EXPECT_TRUE(told(*talker, "cannot be used"));
  arrives("still here");
}

}  // namespace
}  // namespace trellis::tests
