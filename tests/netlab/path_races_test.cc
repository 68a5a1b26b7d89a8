// Races over paths that fail and names that are slow.
#include "path_races.h"

#include <net/if.h>

namespace trellis::netlab {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// A is there at once and AAAA is not: IPv4 begins after the resolution delay and wins.
TEST_F(PathRaces, SlowAaaa) {
  begin({kNear}, policy({}, R"(<branch on="endpoint" policy="staggered"/>)",
                        std::format(R"(<names><resolver name="dns"><option name="servers" value="{}:{}"/>)"
                                    R"(</resolver></names>)",
                                    ClientServer::address(), kDnsPort)));
  names->on("A", "slow.example").records = {ClientServer::address()};
  names->on("AAAA", "slow.example").records = {ClientServer::address(Family::ipv6)};
  names->on("AAAA", "slow.example").ignore = 1000;
  const Inside inside(lab->client);
  connect("slow.example");
  finish();
  EXPECT_EQ(to_text(connection.remote()), ClientServer::address() + ":7000");
  EXPECT_EQ(names->asked("AAAA", "slow.example"), 1u) << "it was asked, and asked again only after a while";
  const RaceNode& winner = node(report.winner);
  const auto known = std::ranges::find(report.steps, RaceStep::Kind::changed, &RaceStep::kind);
  ASSERT_NE(known, report.steps.end());
  EXPECT_GE(winner.started_at - known->at, 50ms) << "the resolution delay";
}

// Its DNS answers for IPv6 come while IPv4 is being tried and lost: they join the race.
TEST_F(PathRaces, LateAaaaJoinsTheRace) {
  begin({kNear}, policy({}, R"(<branch on="endpoint" policy="staggered"/>)",
                        std::format(R"(<names><resolver name="dns"><option name="servers" value="{}:{}"/>)"
                                    R"(</resolver></names>)",
                                    ClientServer::address(), kDnsPort)));
  const Block block(
      lab->server,
      {.answer = Rule::Answer::none, .protocol = Rule::Protocol::tcp, .family = Rule::Family::ipv4, .port = kPort});
  names->on("A", "slow.example").records = {ClientServer::address()};
  names->on("AAAA", "slow.example").records = {ClientServer::address(Family::ipv6)};
  names->on("AAAA", "slow.example").after = 400ms;
  const Inside inside(lab->client);
  connect("slow.example");
  finish();
  EXPECT_EQ(to_text(connection.remote()), "[" + ClientServer::address(Family::ipv6) + "]:7000");
  EXPECT_EQ(std::ranges::count_if(report.nodes, [](const RaceNode& n) { return n.attempt; }), 2);
}

// Each path asks the name servers that the host's services keep for its interface, and no path those of another one.
TEST_F(PathRaces, EachPathHasItsOwnNameServers) {
  begin({kNear, kNear}, policy(R"(<paths provider="interfaces"><option name="resolved-links" value=")" + files.path() +
                                   R"("/></paths>)",
                               R"(<branch on="path" policy="staggered"><option name="attempt-delay-ms" value="100"/>)"
                               R"(</branch>)",
                               R"(<names><resolver name="dns"/></names>)"));
  names.reset();
  std::vector<std::unique_ptr<tests::DnsServer>> servers;
  {
    const Inside inside(lab->server);
    for (const std::size_t n : {0, 1})
      servers.push_back(std::make_unique<tests::DnsServer>(
          *loop, parse_address(lab->path(n).address(End::second), kDnsPort).value()));
  }
  servers[0]->on("A", "a.example").ignore = servers[0]->on("AAAA", "a.example").ignore = 1000;
  servers[1]->on("A", "a.example").records = {lab->path(1).address(End::second)};
  const Inside inside(lab->client);
  for (const std::size_t n : {0, 1})
    files.write(std::to_string(if_nametoindex(std::format("net{}", n).c_str())),
                std::format("SERVERS={}:{}\n", lab->path(n).address(End::second), kDnsPort));
  connect("a.example");
  finish();
  EXPECT_EQ(connection.interface_name(), "net1");
  EXPECT_EQ(to_text(connection.remote()), lab->path(1).address(End::second) + ":7000");
  for (const std::size_t n : {0, 1}) EXPECT_EQ(servers[n]->asked("A", "a.example"), 1u) << "the servers of net" << n;
}

// Multicast DNS and DNS-SD over a real link: whoever offers the service is found, and connected to.
TEST_F(PathRaces, ServicesOfTheLink) {
  begin({kNear},
        policy(R"(<paths provider="interfaces"/>)", kOneAfterTheOther, R"(<names><resolver name="dns"/></names>)"));
  names.reset();
  std::unique_ptr<tests::DnsServer> neighbour;
  {
    const Inside inside(lab->server);
    neighbour = std::make_unique<tests::DnsServer>(
        *loop, Address{.family = Address::Family::ipv4, .port = kDnsPort});  // the port of multicast DNS
    neighbour->join(if_nametoindex("net0"));
  }
  neighbour->on("PTR", "_lab._tcp.local").records = {"First._lab._tcp.local"};
  neighbour->on("SRV", "first._lab._tcp.local").records = {std::format("0 0 {} host.local", kPort)};
  neighbour->on("A", "host.local").records = {lab->path(0).address(End::second)};
  const Inside inside(lab->client);
  connect({.host = "local", .service = "lab", .instance = "*"});
  finish();
  EXPECT_EQ(to_text(connection.remote()), lab->path(0).address(End::second) + ":7000");
  EXPECT_EQ(node(report.winner).id, "1.1.1.1.1") << "path, stack, host, address";
}

// The shipped policy for hosts with several ways out: the first one swallows everything.
TEST_F(PathRaces, DeadFirstPath) {
  begin({kNear, kNear}, TRELLIS_SOURCE_DIR "/policies/roaming.xml");
  lab->path(0).black_hole();
  const Inside inside(lab->client);
  connect(ClientServer::address());
  finish();
  EXPECT_EQ(connection.interface_name(), "net1");
  EXPECT_EQ(to_text(connection.local()).substr(0, 10), lab->path(1).address(End::first) + ":");
  EXPECT_EQ(node("1.1").path, "net0");
  EXPECT_EQ(node("1.2").path, "net1");
  EXPECT_GE(node("1.2").started_at - node("1.1").started_at, 1s) << "its delay between paths";
  EXPECT_GT(lab->path(0).counters(Way::forth).lost, 0u) << "what was bound to the path went nowhere else";
}

TEST_F(PathRaces, PathGoingDownWhileConnecting) {
  begin({kNear, kNear}, policy(R"(<paths provider="interfaces"/>)", kOneAfterTheOther));
  lab->path(0).black_hole();
  const Inside inside(lab->client);
  connect(ClientServer::address());
  wait_for_loss(lab->path(0));
  EXPECT_FALSE(over());
  lab->path(0).take_down(End::first);
  finish();
  EXPECT_EQ(connection.interface_name(), "net1");
  const RaceNode& gone = node("1.1");
  ASSERT_TRUE(gone.failure);
  EXPECT_EQ(gone.failure->detail, "the path net0 went away");
  EXPECT_EQ(node("1.2").started_at, gone.ended_at);
}

TEST_F(PathRaces, PathComingUpLate) {
  LinkOptions later = kNear;
  later.up = false;
  begin({kNear, later},
        policy(R"(<paths provider="interfaces"/>)", R"(<branch on="path" policy="staggered">)"
                                                    R"(<option name="attempt-delay-ms" value="100"/></branch>)"));
  lab->path(0).black_hole();
  const Inside inside(lab->client);
  connect(ClientServer::address());
  wait_for_loss(lab->path(0));
  EXPECT_FALSE(over());
  lab->path(1).bring_up(End::second);
  lab->path(1).bring_up(End::first);
  finish();
  EXPECT_EQ(connection.interface_name(), "net1");
}

// A live Connection hears that its path goes and comes back, and carries on.
// API-90, IMPL-91
TEST_F(PathRaces, APathThatComesBackCarriesOn) {
  begin({kNear, kNear}, policy(R"(<paths provider="interfaces"/>)", kOneAfterTheOther));
  std::vector<std::string> news;
  const Inside inside(lab->client);
  connect(ClientServer::address());
  finish();
  connection.on_notice([&](Notice notice, const Error& error) {
    if (notice == Notice::path_change) news.push_back(error.detail);
  });
  ASSERT_TRUE(until([this] { return peers.size() == 1; }));
  lab->path(0).take_down(End::first);
  ASSERT_TRUE(until([&] { return news.size() == 1; }));
  lab->path(0).bring_up(End::first);
  ASSERT_TRUE(until([&] { return news.size() >= 2; }));
  EXPECT_EQ(news.front(), "the path net0 went away");
  EXPECT_EQ(news[1], "the path net0 is there again");
  EXPECT_EQ(connection.state(), ConnectionState::established);
}

}  // namespace
}  // namespace trellis::netlab
