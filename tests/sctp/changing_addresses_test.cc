// Addresses come and go while an association lives (RFC 5061): both ends use what has come, and leave what goes.
#include "stacks/roaming.h"
#include "two_homes.h"
#include "wire.h"

namespace trellis::tests {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr int kAuth = 15;  // the chunk before an ASCONF or ASCONF-ACK

std::string many_bytes(std::size_t bytes) {
  std::string made(bytes, ' ');
  for (std::size_t i = 0; i < bytes; ++i) made[i] = static_cast<char>(i * 11 + i / 241);
  return made;
}

struct ChangingAddresses : TwoHomes {
  using TwoHomes::TwoHomes;
  SimInterface& eth0 = client.interface("eth0");
  SimInterface& eth1 = client.interface("eth1");
  bool comes(Talker& to, const std::string& path) {
    return world.run_until(
        [&] {
          const std::string all = paths(to);
          const std::size_t at = all.find(path);
          return at != std::string::npos && all.substr(at, all.find(';', at) - at).contains(", active");
        },
        10s);
  }
  bool goes(Talker& from, const std::string& path) {
    return world.run_until([&] { return !paths(from).contains(path); }, 10s);
  }
  void arrives(const std::string& what) {
    const std::size_t before = peer().reader->messages.size();
    talker->send(what);
    ASSERT_TRUE(world.run_until([&] { return peer().reader->messages.size() == before + 1; }, 20s))
        << paths(*talker) << '\n'
        << paths(peer());
    EXPECT_TRUE(peer().reader->messages.back() == what);
  }
};

// IMPL-92: an interface that comes in the middle of a transfer carries it when the other path is cut.
TEST_F(ChangingAddresses, OneComesInTheMiddle) {
  eth1.set_up(false);
  connect();
  EXPECT_THAT(paths(peer()), Not(HasSubstr("10.2.0.1")));
  first.forth().conditions.rate = first.back().conditions.rate = 20'000'000;
  const std::string up = many_bytes(3'000'000), down = many_bytes(2'000'000);
  talker->send(up);
  peer().send(down);
  world.run_for(100ms);
  eth1.set_up(true);
  ASSERT_TRUE(comes(*talker, "10.2.0.1 to 10.2.0.2")) << paths(*talker);
  ASSERT_TRUE(comes(peer(), "10.2.0.2 to 10.2.0.1")) << paths(peer());
  EXPECT_EQ(peer().reader->messages.size(), 0u) << "still in the middle";
  cut(first);
  ASSERT_TRUE(
      world.run_until([&] { return peer().reader->messages.size() == 1 && talker->reader->messages.size() == 1; }, 60s))
      << paths(*talker) << '\n'
      << paths(peer());
  EXPECT_TRUE(peer().reader->messages[0] == up);
  EXPECT_TRUE(talker->reader->messages[0] == down);
  EXPECT_TRUE(told(peer(), "data go by path"));
}

// The same where both had one address: there is a set of paths only from then on.
TEST_F(ChangingAddresses, TheSecondOne) {
  eth1.set_up(false);
  listen("");
  connect(to_server());
  EXPECT_THAT(paths(*talker), HasSubstr("one path"));
  EXPECT_THAT(paths(peer()), HasSubstr("one path"));
  eth0.add_address("10.1.0.9");
  eth0.remove_address("10.1.0.1");
  ASSERT_TRUE(comes(peer(), "10.1.0.2 to 10.1.0.9")) << paths(peer());
  ASSERT_TRUE(goes(peer(), "10.1.0.1 port")) << paths(peer());
  ASSERT_TRUE(goes(*talker, "10.1.0.1 to")) << paths(*talker);
  arrives("from another address");
  peer().send("and back");
  ASSERT_TRUE(world.run_until([&] { return talker->reader->messages.size() == 1; }, 5s));
}

// IMPL-92: the peer hears at once what has gone, and sends nothing more there.
TEST_F(ChangingAddresses, OneGoes) {
  connect();
  eth0.set_up(false);
  ASSERT_TRUE(goes(peer(), "10.1.0.1")) << paths(peer());
  peer().send("hello");
  EXPECT_TRUE(world.run_until([&] { return talker->reader->messages.size() == 1; }, 30ms)) << "at once";
  EXPECT_TRUE(told(peer(), "data go by path 1 (10.2.0.2 to 10.2.0.1)"));
  EXPECT_TRUE(goes(*talker, "10.1.0.1")) << paths(*talker);
  arrives("and forth");
}

// It is the primary one again when it comes back.
TEST_F(ChangingAddresses, OneGoesAndComesBack) {
  connect();
  for (int i = 0; i < 10; ++i) {
    eth0.set_up(false);
    ASSERT_TRUE(goes(peer(), "10.1.0.1")) << paths(peer());
    arrives(std::to_string(i));
    eth0.set_up(true);
    ASSERT_TRUE(comes(*talker, "10.1.0.1 to")) << paths(*talker);
    ASSERT_TRUE(comes(peer(), "to 10.1.0.1")) << paths(peer());
    world.run_for(1s);
    EXPECT_THAT(paths(*talker), testing::ContainsRegex("10.1.0.1 to 10.1.0.2 port 4433, active.*, primary, in use"));
    arrives("back " + std::to_string(i));
  }
  EXPECT_FALSE(told(*talker, "the peer does not")) << "nothing was asked for twice";
}

// Changes that come faster than the peer answers are asked for one after the other.
TEST_F(ChangingAddresses, ManyAtOnce) {
  connect();
  for (int i = 0; i < 20; ++i) {
    eth1.set_up(i % 2 != 0);
    world.run_for(3ms);
  }
  eth1.add_address("10.2.0.5");
  eth1.remove_address("10.2.0.1");
  ASSERT_TRUE(comes(peer(), "10.2.0.2 to 10.2.0.5")) << paths(peer());
  ASSERT_TRUE(goes(peer(), "10.2.0.1 port")) << paths(peer());
  cut(first);
  arrives("by the new one");
}

// The last one is not removed, and the association outlives a time without any (IMPL-91).
TEST_F(ChangingAddresses, NoneIsThereForAWhile) {
  connect();
  eth0.set_up(false);
  eth1.set_up(false);
  world.run_for(100s);
  EXPECT_FALSE(talker->failed);
  EXPECT_FALSE(peer().failed);
  eth1.set_up(true);
  ASSERT_TRUE(comes(*talker, "10.2.0.1 to")) << paths(*talker);
  arrives("again");
  eth0.set_up(true);
  ASSERT_TRUE(comes(peer(), "to 10.1.0.1")) << paths(peer());
}

// RFC 5061 section 4.2.4: where the peer shall send, both ways.
TEST_F(ChangingAddresses, WhereThePeerShallSend) {
  connect();
  EXPECT_FALSE(talker->connection.get("sctp.peerPrimary"));
  ASSERT_TRUE(talker->connection.set("sctp.peerPrimary", std::uint64_t{1}));
  ASSERT_TRUE(world.run_until([&] { return fact(talker->connection, "sctp.peerPrimary") == "1"; }, 1s));
  EXPECT_TRUE(told(peer(), "data go by path 1 (10.2.0.2 to 10.2.0.1) and not by path 0"));
  EXPECT_EQ(fact(talker->connection, "sctp.primary"), "0") << "ours is ours";
  const auto by_first = count(first.back());
  peer().send(many_bytes(100'000));
  ASSERT_TRUE(world.run_until([&] { return talker->reader->messages.size() == 1; }, 5s));
  EXPECT_LT(*by_first, 1000u);
  ASSERT_TRUE(peer().connection.set("sctp.peerPrimary", std::uint64_t{1}));
  ASSERT_TRUE(world.run_until([&] { return fact(talker->connection, "sctp.primary") == "1"; }, 1s));
  EXPECT_TRUE(told(*talker, "data go by path 1"));
  EXPECT_FALSE(talker->connection.set("sctp.peerPrimary", std::uint64_t{9}));
  EXPECT_FALSE(talker->connection.set("sctp.peerPrimary", std::string("first")));
}

struct ChangingFamilies : ChangingAddresses {
  ChangingFamilies() : ChangingAddresses("2001:db8:2::1", "2001:db8:2::2") {}
};
TEST_F(ChangingFamilies, OneOfTheOtherFamilyComes) {
  eth1.set_up(false);
  listen("addresses='10.1.0.2 2001:db8:2::2'");
  connect(to_server());
  eth1.set_up(true);
  ASSERT_TRUE(comes(*talker, "2001:db8:2::1 to 2001:db8:2::2")) << paths(*talker);
  ASSERT_TRUE(comes(peer(), "2001:db8:2::2 to 2001:db8:2::1")) << paths(peer());
  eth0.set_up(false);
  ASSERT_TRUE(goes(peer(), "10.1.0.1")) << paths(peer());
  arrives("by the other one");
}

struct LossyChanges : ChangingAddresses {
  /// Loses the first packets with AUTH in this direction.
  static std::shared_ptr<int> lose(SimLinkDirection& way, int how_many) {
    auto left = std::make_shared<int>(how_many);
    way.tap = [left](SimPacket& packet) {
      return Wire::type(packet) == kAuth && --*left >= 0 ? Verdict::drop : Verdict::pass;
    };
    return left;
  }
};

TEST_F(LossyChanges, TheRequestIsLost) {
  connect();
  const auto left = lose(first.forth(), 2);
  eth1.set_up(false);
  ASSERT_TRUE(goes(peer(), "10.2.0.1")) << paths(peer());
  EXPECT_LT(*left, 0) << "the third got through";
  arrives("hello");
}
TEST_F(LossyChanges, TheAnswerIsLost) {
  connect();
  const auto left = lose(first.back(), 2);
  eth1.set_up(false);
  ASSERT_TRUE(goes(*talker, "10.2.0.1")) << paths(*talker);
  EXPECT_LT(*left, 0);
  eth1.set_up(true);
  ASSERT_TRUE(comes(peer(), "10.2.0.2 to 10.2.0.1")) << "the next request has the next number: " << paths(peer());
}
// By the other path, if there is one (section 5.1 B3).
TEST_F(LossyChanges, ThePathIsLost) {
  connect();
  cut(first);
  ASSERT_TRUE(talker->connection.set("sctp.peerPrimary", std::uint64_t{1}));
  ASSERT_TRUE(world.run_until([&] { return fact(talker->connection, "sctp.peerPrimary") == "1"; }, 2s));
  EXPECT_TRUE(told(peer(), "data go by path 1"));
}
// As long as the peer answers something else the association goes on, and asks.
TEST_F(LossyChanges, TheAnswersAreLostForLong) {
  connect();
  const auto left = lose(first.back(), 1000);
  eth1.set_up(false);
  world.run_for(std::chrono::minutes(5));
  EXPECT_FALSE(talker->failed);
  EXPECT_LT(*left, 980);
  arrives("hello");
  *left = 0;
  ASSERT_TRUE(goes(*talker, "10.2.0.1")) << paths(*talker);
}
TEST_F(LossyChanges, ThePeerIsGone) {
  listen();
  connect(to_server("retransmissions=3,heartbeat-ms=0"));
  cut(first);
  cut(second);
  ASSERT_TRUE(talker->connection.set("sctp.peerPrimary", std::uint64_t{1}));
  ASSERT_TRUE(world.run_until([&] { return talker->failed.has_value(); }, 60s));
  EXPECT_EQ(talker->failed->reason, Reason::timed_out);
}

// Whoever does not want it, on either side, has what was told in the handshake.
TEST_F(ChangingAddresses, AServerThatDoesNotWantIt) {
  eth1.set_up(false);
  listen(std::string(kAddresses) + ",dynamic-addresses=false");
  connect(to_server());
  eth1.set_up(true);
  world.run_for(5s);
  EXPECT_THAT(paths(peer()), Not(HasSubstr("10.2.0.1")));
  EXPECT_FALSE(talker->connection.set("sctp.peerPrimary", std::uint64_t{1}));
  arrives("hello");
}
TEST_F(ChangingAddresses, AClientThatDoesNotWantIt) {
  eth1.set_up(false);
  listen();
  connect(to_server("dynamic-addresses=false"));
  eth1.set_up(true);
  world.run_for(5s);
  EXPECT_THAT(paths(peer()), Not(HasSubstr("10.2.0.1")));
  arrives("hello");
}
// RFC 4895 section 6.2: a peer that wants DATA to be authenticated is offered nothing, in a second INIT.
TEST_F(ChangingAddresses, APeerThatWantsMoreToBeAuthenticated) {
  Wire wire(first);
  std::vector<std::size_t> sizes;
  wire.forth.look = [&](SimPacket& packet) {
    if (Wire::type(packet) == kInit) sizes.push_back(packet.payload.size());
  };
  wire.back.look = [&](SimPacket& packet) {
    constexpr std::byte kChunks[] = {std::byte{0x80}, std::byte{3}, std::byte{0}, std::byte{6}};
    const auto found = std::ranges::find_end(packet.payload, kChunks);  // behind the cookie, which has ours
    if (Wire::type(packet) != kInitAck || found.empty()) return;
    found[3] = std::byte{7};  // the padding that follows is DATA
    Wire::seal(packet);
  };
  eth1.set_up(false);
  connect();
  ASSERT_EQ(sizes.size(), 2u);
  EXPECT_LT(sizes[1], sizes[0]);
  eth1.set_up(true);
  world.run_for(2s);
  EXPECT_THAT(paths(peer()), Not(HasSubstr("10.2.0.1")));
  arrives("hello");
}
// The listener's application wants one path, after the handshake has offered more.
TEST_F(ChangingAddresses, AServersApplicationThatWantsOnePath) {
  server_multipath = "Disabled";
  eth1.set_up(false);
  connect();
  eth1.set_up(true);
  ASSERT_TRUE(world.run_until([&] { return told(*talker, "the peer does not add the address 10.2.0.1"); }, 5s));
  EXPECT_THAT(paths(peer()), HasSubstr("one path"));
  world.run_for(10s);
  arrives("hello");
}

// API-127: unasked, another address is told only when the one in use has gone.
TEST_F(ChangingAddresses, NoneIsAddedUnaskedUntilItIsNeeded) {
  eth1.set_up(false);
  listen();
  connect(to_server().set("advertisesAltaddr", false));
  eth1.set_up(true);
  world.run_for(5s);
  EXPECT_THAT(paths(peer()), Not(HasSubstr("10.2.0.1")));
  eth0.set_up(false);
  EXPECT_TRUE(comes(peer(), "10.2.0.2 to 10.2.0.1")) << paths(peer());
  arrives("from the other one");
}

// Nobody tells of addresses there, so nothing is offered for them, and nothing asked.
TEST_F(Sctp, NothingChangesWhereRoutingDecides) {
  Wire wire(pair.link);
  std::size_t offers = 0;
  for (Wire::Way* const way : {&wire.forth, &wire.back}) {
    way->look = [&](SimPacket& packet) {
      constexpr std::byte kRandomParameter[] = {std::byte{0x80}, std::byte{2}, std::byte{0}, std::byte{36}};
      offers += std::ranges::search(packet.payload, kRandomParameter).empty() ? 0 : 1;
    };
  }
  connected().send("hello");
  ASSERT_TRUE(pair.until([&] { return received().size() == 1; }));
  EXPECT_EQ(offers, 0u);
  for (const Wire::Way* const way : {&wire.forth, &wire.back}) EXPECT_THAT(way->types, Not(testing::Contains(kAuth)));
}

struct RoamingChanges : Roaming {
  RoamingChanges() : Roaming("sctp/udp") {}
  std::string paths_of(Talker& of) { return TwoHomes::fact(of.connection, "sctp.paths"); }
};

// IMPL-93: the only interface goes, another one comes: the peer is asked from there.
TEST_F(RoamingChanges, ToAnotherNetwork) {
  network.link(router.add_interface("eth1", {"10.9.0.1"}), server.add_interface("eth1", {"10.9.0.7"}), {.delay = 5ms});
  client.interface("wwan0").set_up(false);
  connect(Preconnection(*framework).stack(text).remote({.host = "10.9.0.7", .port = 4433}));
  EXPECT_THAT(paths_of(*talker), HasSubstr("one path"));
  for (int i = 0; i < 3; ++i) {
    client.interface("wlan0").set_up(false);
    world.run_for(2s);
    client.interface("wwan0").set_up(true);
    arrives("from the mobile network");
    EXPECT_THAT(paths_of(*peers[0]), HasSubstr("to 10.2.0.2 port"));
    EXPECT_THAT(paths_of(*peers[0]), Not(HasSubstr("to 10.1.0.2 port")));
    client.interface("wwan0").set_up(false);
    client.interface("wlan0").set_up(true);
    arrives("at home");
    peers[0]->send("and back");
    EXPECT_TRUE(world.run_until([&] { return talker->reader->all.ends_with("and back"); }, 5s));
  }
  EXPECT_FALSE(TwoHomes::told(*talker, "the peer does not")) << "nothing was asked for twice";
}

// Behind a NAT, which hides both addresses, so that the peer sees another port.
TEST_F(RoamingChanges, ToAnotherNetworkBehindANat) {
  router.add_nat(router.interface("eth0"));
  client.interface("wwan0").set_up(false);
  connect(to_server());
  for (int i = 0; i < 3; ++i) {
    client.interface("wlan0").set_up(false);
    world.run_for(2s);
    client.interface("wwan0").set_up(true);
    arrives("from the mobile network");
    world.run_for(2s);
    EXPECT_THAT(paths_of(*talker), HasSubstr("10.2.0.2 to 192.0.2.7 port 4433, active"));
    client.interface("wwan0").set_up(false);
    client.interface("wlan0").set_up(true);
    arrives("at home");
    peers[0]->send("and back");
    EXPECT_TRUE(world.run_until([&] { return talker->reader->all.ends_with("and back"); }, 5s));
  }
  EXPECT_FALSE(TwoHomes::told(*talker, "the peer does not"));
}

// RFC 9622 section 7.5: what the application adds itself is told.
TEST_F(RoamingChanges, OneIsAddedByTheApplication) {
  network.link(router.add_interface("eth1", {"10.9.0.1"}), server.add_interface("eth1", {"10.9.0.7"}), {.delay = 5ms});
  connect(Preconnection(*framework).stack(text).remote({.host = "10.9.0.7", .port = 4433}));
  world.run_for(1s);
  EXPECT_THAT(paths_of(*peers[0]), Not(HasSubstr("10.2.0.2")));
  ASSERT_TRUE(talker->connection.add_local({{.address = {.family = Address::Family::ipv4, .ip = {10, 2, 0, 2}}}}));
  world.run_for(1s);
  EXPECT_THAT(paths_of(*peers[0]), testing::ContainsRegex("to 10.2.0.2 port [0-9]+, active"));
  wlan.block({.verdict = Verdict::drop});
  arrives("from the other one");
}

// The same in the middle of a transfer, with a while without any network.
TEST_F(RoamingChanges, ToAnotherNetworkInTheMiddle) {
  network.link(router.add_interface("eth1", {"10.9.0.1"}), server.add_interface("eth1", {"10.9.0.7"}), {.delay = 5ms});
  client.interface("wwan0").set_up(false);
  connect(Preconnection(*framework).stack(text).remote({.host = "10.9.0.7", .port = 4433}));
  wlan.forth().conditions.rate = wlan.back().conditions.rate = 20'000'000;
  const std::string up = many_bytes(3'000'000);
  talker->send(up);
  world.run_for(200ms);
  client.interface("wlan0").set_up(false);
  world.run_for(300ms);
  client.interface("wwan0").set_up(true);
  ASSERT_TRUE(world.run_until([&] { return peers[0]->reader->all.size() == 5 + up.size(); }, 60s))
      << paths_of(*talker) << '\n'
      << paths_of(*peers[0]);
  EXPECT_TRUE(peers[0]->reader->all.ends_with(up));
}

}  // namespace
}  // namespace trellis::tests
