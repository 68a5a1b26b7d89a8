// An association whose ends have two addresses each: it goes on when a path fails, and comes back when it works again.
#include <set>

#include "stacks/roaming.h"
#include "two_homes.h"

namespace trellis::tests {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string content(std::size_t bytes) {
  std::string made(bytes, ' ');
  for (std::size_t i = 0; i < bytes; ++i) made[i] = static_cast<char>(i * 7 + i / 251);
  return made;
}

// Both ends have confirmed both paths, and use the one of the handshake.
TEST_F(TwoHomes, KnowEachOther) {
  connect();
  EXPECT_EQ(paths(*talker),
            "0: 10.1.0.1 to 10.1.0.2 port 4433, active, primary, in use; "
            "1: 10.2.0.1 to 10.2.0.2 port 4433, active, 40000 us");
  EXPECT_THAT(paths(peer()), HasSubstr("0: 10.1.0.2 to 10.1.0.1 port "));
  EXPECT_THAT(paths(peer()), HasSubstr(", active, primary, in use; 1: 10.2.0.2 to 10.2.0.1 port "));
  EXPECT_THAT(paths(peer()), HasSubstr(", active, 40000 us"));
  EXPECT_TRUE(told(*talker, "path 1 (10.2.0.1 to 10.2.0.2) is confirmed"));
  EXPECT_TRUE(told(peer(), "path 1 (10.2.0.2 to 10.2.0.1) is confirmed"));
  EXPECT_EQ(fact(talker->connection, "multipathPolicy"), "Handover");
}

// IMPL-92: a path is cut in the middle of a transfer: nothing is lost or doubled, both ways, and both sides hear of it.
TEST_F(TwoHomes, APathIsCutInTheMiddle) {
  connect();
  const std::string up = content(3'000'000), down = content(2'000'000);
  talker->send(up);
  talker->send("the end");
  peer().send(down);
  peer().send("the end");
  first.forth().conditions.rate = first.back().conditions.rate = 20'000'000;
  world.run_for(200ms);
  cut(first);
  ASSERT_TRUE(
      world.run_until([&] { return peer().reader->messages.size() == 2 && talker->reader->messages.size() == 2; }, 30s))
      << paths(*talker) << '\n'
      << paths(peer());
  EXPECT_TRUE(peer().reader->messages[0] == up);
  EXPECT_TRUE(talker->reader->messages[0] == down);
  EXPECT_EQ(peer().reader->messages[1], "the end");
  EXPECT_TRUE(told(*talker, "path 0 (10.1.0.1 to 10.1.0.2) does not answer"));
  EXPECT_TRUE(told(*talker, "data go by path 1 (10.2.0.1 to 10.2.0.2)"));
  EXPECT_TRUE(told(peer(), "data go by path 1 (10.2.0.2 to 10.2.0.1)"));
  EXPECT_FALSE(talker->failed);
  world.run_for(100s);
  EXPECT_THAT(paths(*talker), HasSubstr("0: 10.1.0.1 to 10.1.0.2 port 4433, inactive"));
  EXPECT_TRUE(told(*talker, "path 0 (10.1.0.1 to 10.1.0.2) is inactive"));
}

// RFC 9260 section 6.4: the primary path is used again when it works again.
TEST_F(TwoHomes, ComesBackToThePrimary) {
  connect();
  cut(first);
  talker->send("by the other one");
  ASSERT_TRUE(world.run_until([&] { return peer().reader->messages.size() == 1; }, 5s));
  EXPECT_THAT(paths(*talker), HasSubstr("1: 10.2.0.1 to 10.2.0.2 port 4433, active, 40000 us, in use"));
  world.run_for(100s);
  first.unblock();
  ASSERT_TRUE(world.run_until([&] { return told(*talker, "path 0 (10.1.0.1 to 10.1.0.2) works again"); }, 100s));
  const auto bytes = count(second.forth());
  talker->send(content(100'000));
  ASSERT_TRUE(world.run_until([&] { return peer().reader->messages.size() == 2; }, 5s));
  EXPECT_LT(*bytes, 1000u) << "only probes";
}

// While nothing is sent a path that fails is found by its heartbeats (RFC 9260 section 8.3).
TEST_F(TwoHomes, HeartbeatsFindAFailure) {
  listen();
  connect(to_server("heartbeat-ms=2000"));
  world.run_for(10s);
  EXPECT_THAT(paths(*talker), HasSubstr("0: 10.1.0.1 to 10.1.0.2 port 4433, active, 10000 us, primary, in use"));
  cut(first);
  ASSERT_TRUE(world.run_until([&] { return told(*talker, "is inactive"); }, 60s)) << paths(*talker);
  talker->send("hello");
  EXPECT_TRUE(world.run_until([&] { return peer().reader->messages.size() == 1; }, 30ms)) << "at once";
  cut(second);
  ASSERT_TRUE(world.run_until([&] { return talker->failed.has_value(); }, std::chrono::minutes(10)));
  EXPECT_EQ(talker->failed->reason, Reason::timed_out);
}

// IMPL-90, IMPL-92: an interface that goes takes its path along at once, and brings it back. The peer cannot be told.
TEST_F(TwoHomes, AnInterfaceGoesAndComes) {
  listen();
  connect(to_server("dynamic-addresses=false"));
  client.interface("eth0").set_up(false);
  world.run_for(1ms);
  EXPECT_THAT(paths(*talker), HasSubstr("0: 10.1.0.1 to 10.1.0.2 port 4433, inactive"));
  talker->send("hello");
  EXPECT_TRUE(world.run_until([&] { return peer().reader->messages.size() == 1; }, 30ms)) << "at once";
  client.interface("eth0").set_up(true);
  EXPECT_TRUE(world.run_until([&] { return told(*talker, "works again"); }, 1s)) << paths(*talker);
}

// The application chooses the primary path, on either side (RFC 9260 section 11.1.8).
TEST_F(TwoHomes, TheApplicationChooses) {
  connect();
  EXPECT_EQ(fact(talker->connection, "sctp.primary"), "0");
  const std::string own = fact(talker->connection, "sctp.path");
  ASSERT_TRUE(talker->connection.set("sctp.primary", std::uint64_t{1}));
  EXPECT_EQ(fact(talker->connection, "sctp.primary"), "1");
  EXPECT_NE(fact(talker->connection, "sctp.path"), own);
  const auto bytes = count(first.forth());
  talker->send(content(100'000));
  ASSERT_TRUE(world.run_until([&] { return peer().reader->messages.size() == 1; }, 5s));
  EXPECT_LT(*bytes, 1000u);
  ASSERT_TRUE(talker->connection.set("sctp.path", static_cast<std::uint64_t>(std::stoul(own))));
  EXPECT_EQ(fact(talker->connection, "sctp.primary"), "0");
  ASSERT_TRUE(peer().connection.set("sctp.primary", std::uint64_t{1}));
  const auto back = count(first.back());
  peer().send(content(100'000));
  ASSERT_TRUE(world.run_until([&] { return talker->reader->messages.size() == 1; }, 5s));
  EXPECT_LT(*back, 1000u);
  EXPECT_FALSE(talker->connection.set("sctp.primary", std::uint64_t{7}));
  EXPECT_FALSE(talker->connection.set("sctp.path", std::uint64_t{4711}));
}

// The nearest thing to a destination for each message (RFC 6458): a stream has a path of its own while that works.
TEST_F(TwoHomes, StreamsHaveAPathOfTheirOwn) {
  connect();
  Talker other;
  other.connection = talker->connection.clone(other.on_ready());
  ASSERT_TRUE(world.run_until([&] { return other.ready.has_value(); }, 1s));
  ASSERT_TRUE(other.connection.set("sctp.streamPath", std::uint64_t{1}));
  EXPECT_EQ(fact(other.connection, "sctp.streamPath"), "1");
  EXPECT_FALSE(talker->connection.get("sctp.streamPath"));
  EXPECT_FALSE(talker->connection.set("sctp.streamPath", std::uint64_t{2}));
  auto by_first = count(first.forth()), by_second = count(second.forth());
  other.send(content(50'000));
  ASSERT_TRUE(world.run_until([&] { return peers.size() == 2 && peers[1]->reader->messages.size() == 1; }, 5s));
  EXPECT_LT(*by_first, 1000u);
  *by_second = 0;
  talker->send(content(50'000));
  ASSERT_TRUE(world.run_until([&] { return peer().reader->messages.size() == 1; }, 5s));
  EXPECT_LT(*by_second, 1000u);
  cut(second);
  other.send(content(50'000));
  ASSERT_TRUE(world.run_until([&] { return peers[1]->reader->messages.size() == 2; }, 5s));
  EXPECT_THAT(paths(*talker), HasSubstr("1: 10.2.0.1 to 10.2.0.2 port 4433, potentially failed"));
  EXPECT_THAT(paths(*talker), HasSubstr("primary, in use; 1:"));
}

// What answers the peer goes where it has spoken (RFC 9260 section 6.4).
TEST_F(TwoHomes, AnswersGoBackByTheSamePath) {
  connect();
  ASSERT_TRUE(talker->connection.set("sctp.primary", std::uint64_t{1}));
  const auto by_first = count(first.back()), by_second = count(second.back());
  talker->send(content(100'000));
  ASSERT_TRUE(world.run_until([&] { return peer().reader->messages.size() == 1; }, 5s));
  world.run_for(1s);
  EXPECT_EQ(*by_first, 0u);
  EXPECT_GT(*by_second, 1000u);
}

// IMPL-92: paths that lose packets fail one after the other, and come back: all messages arrive, once and in order.
TEST_F(TwoHomes, PathsComeAndGo) {
  first.set({.delay = 5ms, .loss = 0.02});
  second.set({.delay = 20ms, .loss = 0.02});
  listen(std::string(kAddresses) + ",heartbeat-ms=500");
  connect(to_server("heartbeat-ms=500"));
  ASSERT_TRUE(world.run_until([&] { return !paths(*talker).contains("unconfirmed"); }, 10s));
  std::vector<std::string> sent;
  for (int round = 0; round < 10; ++round) {
    SimLink& link = round % 2 == 0 ? first : second;
    cut(link);
    for (int i = 0; i < 50; ++i) {
      sent.push_back(std::to_string(sent.size()) + content(3000));
      talker->send(sent.back());
      peer().send(sent.back());
      world.run_for(20ms);
    }
    link.unblock();
    world.run_for(4s);
  }
  ASSERT_TRUE(world.run_until(
      [&] { return peer().reader->messages.size() >= sent.size() && talker->reader->messages.size() >= sent.size(); },
      60s))
      << paths(*talker) << '\n'
      << paths(peer());
  world.run_for(10s);
  EXPECT_EQ(peer().reader->messages, sent);
  EXPECT_EQ(talker->reader->messages, sent);
}

// Many clients of one listener, of which each has two addresses.
TEST_F(TwoHomes, ManyClients) {
  listen();
  constexpr std::size_t kMany = 50;
  std::vector<std::unique_ptr<Talker>> all;
  for (std::size_t i = 0; i < kMany; ++i) {
    all.push_back(std::make_unique<Talker>());
    all.back()->connection = to_server().initiate(client.loop(), all.back()->on_ready());
  }
  ASSERT_TRUE(world.run_until([&] { return peers.size() == kMany; }, 10s));
  world.run_for(1s);
  cut(first);
  for (std::size_t i = 0; i < kMany; ++i) all[i]->send(std::to_string(i));
  ASSERT_TRUE(world.run_until(
      [&] { return std::ranges::all_of(peers, [](auto& p) { return p->reader->messages.size() == 1; }); }, 10s));
  std::set<std::string> received;
  for (const auto& each : peers) received.insert(each->reader->messages[0]);
  EXPECT_EQ(received.size(), kMany);
}

// A path of each family.
struct TwoFamilies : TwoHomes {
  TwoFamilies() : TwoHomes("2001:db8:2::1", "2001:db8:2::2") {}
};
TEST_F(TwoFamilies, GoOnByTheOther) {
  listen("addresses='10.1.0.2 2001:db8:2::2'");
  connect(to_server());
  EXPECT_THAT(paths(*talker), HasSubstr("1: 2001:db8:2::1 to 2001:db8:2::2 port 4433, active"));
  EXPECT_THAT(paths(peer()), HasSubstr("1: 2001:db8:2::2 to 2001:db8:2::1 port "));
  cut(first);
  talker->send(content(100'000));
  ASSERT_TRUE(world.run_until([&] { return peer().reader->messages.size() == 1; }, 5s));
  EXPECT_TRUE(peer().reader->messages[0] == content(100'000));
}

struct RoamingSctp : Roaming {
  RoamingSctp() : Roaming("sctp/udp") {
    network.link(router.add_interface("eth1", {"10.9.0.1"}), server.add_interface("eth1", {"10.9.0.7"}),
                 {.delay = 5ms});
  }
};

// IMPL-93: a server with one address, and a client that reaches it from two.
TEST_F(RoamingSctp, OnlyTheClientHasTwo) {
  connect(
      Preconnection(*framework).stack(text).remote({.host = "10.9.0.7", .port = 4433}).set("advertisesAltaddr", true));
  world.run_for(1s);
  EXPECT_THAT(TwoHomes::fact(talker->connection, "sctp.paths"), HasSubstr("1: 10.2.0.2 to 10.9.0.7 port 4433, active"));
  wlan.block({.verdict = Verdict::drop});
  arrives("by the other one");
  peers[0]->send("and back");
  EXPECT_TRUE(world.run_until([&] { return talker->reader->all == "and back"; }, 5s));
}

// IMPL-90: an application that wants one path has one, and tells of no other address.
TEST_F(TwoHomes, OnePathWhereTheClientWantsOne) {
  listen();
  std::vector<std::size_t> sizes;
  first.forth().tap = [&](SimPacket& packet) { return sizes.push_back(packet.payload.size()), Verdict::pass; };
  connect(to_server().prohibit(Feature::multipath));
  const std::size_t plain = sizes.front();
  EXPECT_THAT(paths(*talker), HasSubstr("one path"));
  const auto bytes = count(second.forth());
  cut(first);
  talker->send("nobody hears this");
  world.run_for(60s);
  EXPECT_EQ(*bytes, 0u);
  EXPECT_EQ(peer().reader->messages.size(), 0u);
  first.unblock();
  peers.clear();
  sizes.clear();
  first.forth().tap = [&](SimPacket& packet) { return sizes.push_back(packet.payload.size()), Verdict::pass; };
  connect(to_server("dynamic-addresses=false"));
  EXPECT_EQ(sizes.front(), plain + 16) << "two IPv4 addresses";
}
// API-127: the default.
TEST_F(TwoHomes, TheClientsOtherAddressIsNotToldUnasked) {
  const auto tells = [this](Preconnection how) {
    bool told = false;
    first.forth().tap = [&](SimPacket& packet) {
      constexpr std::byte kOther[] = {std::byte{10}, std::byte{2}, std::byte{0}, std::byte{1}};
      told = told || !std::ranges::search(packet.payload, kOther).empty();
      return Verdict::pass;
    };
    peers.clear();
    connect(std::move(how));
    return told;
  };
  listen();
  EXPECT_FALSE(tells(to_server().set("advertisesAltaddr", false)));
  EXPECT_THAT(paths(peer()), Not(HasSubstr("10.2.0.1")));
  EXPECT_TRUE(tells(to_server()));
  EXPECT_TRUE(tells(to_server("advertise-addresses=true").set("advertisesAltaddr", false))) << "the policy wants it";
}
TEST_F(TwoHomes, WhetherAddressesAreToldIsTrueOrFalse) {
  Talker attempt;
  attempt.connection = to_server().set("advertisesAltaddr", "perhaps").initiate(client.loop(), attempt.on_ready());
  ASSERT_TRUE(world.run_until([&] { return attempt.ready.has_value(); }, 1s));
  EXPECT_THAT(attempt.ready->error().detail, HasSubstr("advertisesAltaddr is true or false"));
}
TEST_F(TwoHomes, OnePathWhereTheServersApplicationWantsOne) {
  server_multipath = "Disabled";
  connect();
  EXPECT_THAT(paths(peer()), HasSubstr("one path"));
  EXPECT_THAT(paths(*talker), HasSubstr("unconfirmed"));
}
TEST_F(TwoHomes, OnePathByOption) {
  listen("multihoming=false");
  connect(to_server("multihoming=false"));
  EXPECT_THAT(paths(*talker), HasSubstr("one path"));
  EXPECT_THAT(paths(peer()), HasSubstr("one path"));
}

// Closing and aborting go by the path that works.
TEST_F(TwoHomes, EndsByThePathThatWorks) {
  connect();
  cut(first);
  talker->send(content(10'000));
  talker->close();
  ASSERT_TRUE(world.run_until([&] { return talker->closed.has_value(); }, 30s));
  EXPECT_TRUE(*talker->closed);
  EXPECT_EQ(peer().reader->messages.size(), 1u);
  EXPECT_TRUE(peer().reader->ended);
}
TEST_F(TwoHomes, AbortsByThePathThatWorks) {
  connect();
  cut(first);
  talker->send("hello");
  ASSERT_TRUE(world.run_until([&] { return peer().reader->messages.size() == 1; }, 5s));
  talker->connection.abort(7);
  ASSERT_TRUE(world.run_until([&] { return peer().failed.has_value(); }, 1s));
  EXPECT_EQ(peer().failed->code, 7u);
}

// A SHUTDOWN that gets lost with its path is sent again by the other one.
TEST_F(TwoHomes, AShutdownFailsOverToo) {
  connect();
  talker->send("hello");
  ASSERT_TRUE(world.run_until([&] { return peer().reader->messages.size() == 1; }, 5s));
  world.run_for(1s);
  cut(first);
  talker->close();
  ASSERT_TRUE(world.run_until([&] { return talker->closed.has_value(); }, 10s));
  EXPECT_TRUE(*talker->closed) << talker->closed->error().detail;
}

// RFC 9622 section 7.5: an endpoint that is taken away takes its path along; one that was told can be added again.
TEST_F(TwoHomes, TheApplicationRemovesAndAddsEndpoints) {
  connect();
  const Endpoint own{.address = Address{.family = Address::Family::ipv4, .ip = {10, 1, 0, 1}}};
  ASSERT_TRUE(talker->connection.remove_local({own}));
  world.run_for(10ms);
  EXPECT_THAT(paths(*talker), Not(HasSubstr("0: 10.1.0.1")));
  talker->send("by what is left");
  EXPECT_TRUE(world.run_until([&] { return peer().reader->messages.size() == 1; }, 5s));
  ASSERT_TRUE(talker->connection.add_local({own}));
  world.run_for(1s);
  EXPECT_THAT(paths(*talker), HasSubstr("10.1.0.1 to 10.1.0.2 port 4433, active"));
}

}  // namespace
}  // namespace trellis::tests
