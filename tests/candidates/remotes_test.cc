// Several remote endpoints: Preconnection::add_remote() in virtual time and on a real loop.
#include "nat_world.h"

namespace trellis::tests {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

struct Remotes : NatWorld {
  ~Remotes() override {
    connection = {};
    peers.clear();
    listeners.clear();
  }
  void listen(std::uint16_t port) {
    bool listening = false;
    listeners.push_back(Preconnection(*framework)
                            .stack("tcp")
                            .local({.host = {}, .port = port})
                            .listen(server.loop(), {.listening = [&](const Address&) { listening = true; },
                                                    .received = [this](Connection c) { peers.push_back(std::move(c)); },
                                                    .failed = [](const Error& e) { ADD_FAILURE() << e.detail; }}));
    EXPECT_TRUE(world.run_until([&] { return listening; }, 1s));
  }
  Preconnection to(std::vector<Endpoint> remotes) {
    Preconnection preconnection(*framework);
    preconnection.stack("tcp").interface_name("wwan0").add_remote(std::move(remotes));
    preconnection.on_race([this](const RaceReport& told) { report = std::make_unique<RaceReport>(told); });
    return preconnection;
  }
  /// Whom it is connected to, or why not.
  std::string connect(Preconnection preconnection) {
    std::optional<Result<void>> how;
    connection = preconnection.initiate(client.loop(), [&](Result<void> result) { how = std::move(result); });
    EXPECT_TRUE(world.run_until([&] { return how.has_value(); }, 60s));
    if (!how) return "nothing";
    return *how ? to_text(connection.remote()) : how->error().detail;
  }
  /// The addresses that could be tried, in the order of the tree.
  std::vector<std::string> leaves() const {
    std::vector<std::string> all;
    for (const RaceNode& node : report->nodes) {
      if (node.attempt) all.push_back(to_text(node.remote.address));
    }
    return all;
  }

  std::vector<Listener> listeners;
  std::vector<Connection> peers;
  Connection connection;
  std::unique_ptr<RaceReport> report;
};

const Endpoint kNothingThere{.host = "192.0.2.7", .port = 6999};
const Endpoint kFirst{.host = "192.0.2.7", .port = 7000};
const Endpoint kSecond{.host = "192.0.2.7", .port = 7001};

// API-48, API-59, IMPL-23: all are candidates of one race, in the order in which they were given.
TEST_F(Remotes, AreTriedInTheirOrder) {
  listen(7000);
  listen(7001);
  EXPECT_EQ(connect(to({kFirst, kSecond})), "192.0.2.7:7000");
  EXPECT_EQ(connect(to({kSecond, kFirst})), "192.0.2.7:7001");
  EXPECT_THAT(leaves(), ElementsAre("192.0.2.7:7001", "192.0.2.7:7000"));
  EXPECT_EQ(report->remote, "192.0.2.7:7001, 192.0.2.7:7000");
}

// API-48: any may be chosen.
TEST_F(Remotes, AnotherOneIsAsGood) {
  listen(7001);
  EXPECT_EQ(connect(to({kNothingThere, kSecond})), "192.0.2.7:7001");
  EXPECT_THAT(connect(to({kNothingThere, {.host = "192.0.2.7", .port = 6998}})), HasSubstr("refused"));
}

// API-46, API-47, API-48: names and addresses of both families side by side; each name comes to all its addresses.
TEST_F(Remotes, NamesBesideAddresses) {
  listen(7001);
  EXPECT_EQ(connect(to({{.host = "both.example", .port = 7000},
                        {.host = "nobody.example", .port = 7000},
                        {.host = {}, .address = at("2001:db8:9::7", 7001)}})),
            "[2001:db8:9::7]:7001");
  EXPECT_THAT(leaves(),
              testing::UnorderedElementsAre("[2001:db8:9::7]:7001", "[2001:db8:9::7]:7000", "192.0.2.7:7000"));
}

// API-59: those that are known already are ignored; remote() begins anew.
TEST_F(Remotes, KnownOnesAreIgnored) {
  listen(7000);
  auto preconnection = to({kFirst, kSecond, kFirst});
  preconnection.add_remote({kSecond});
  EXPECT_EQ(connect(preconnection), "192.0.2.7:7000");
  EXPECT_THAT(leaves(), SizeIs(2));
  preconnection.remote(kFirst);
  EXPECT_EQ(connect(preconnection), "192.0.2.7:7000");
  EXPECT_THAT(leaves(), SizeIs(1));
}

TEST_F(Remotes, AreBounded) {
  std::vector<Endpoint> many;
  for (std::uint16_t i = 0; i < 33; ++i)
    many.push_back({.host = "192.0.2.7", .port = static_cast<std::uint16_t>(7000 + i)});
  EXPECT_EQ(connect(to(many)), "found 33 remote endpoints, expected at most 32");
  EXPECT_THAT(connect(to({kFirst, {.host = "example.org", .service = "chat", .instance = "*"}})),
              HasSubstr("among several remote endpoints, expected hosts"));
  EXPECT_EQ(connect(to({kFirst, {.host = "peer.example"}})), "the remote endpoint peer.example has no port");
}

// What one of them taught is not taken for the others, and the set is remembered as a set.
TEST_F(Remotes, HistoryKeepsThemApart) {
  listen(7001);
  EXPECT_EQ(connect(to({kNothingThere, kSecond})), "192.0.2.7:7001");
  listen(6999);
  EXPECT_EQ(connect(to({kNothingThere})), "192.0.2.7:6999");
  EXPECT_THAT(report->nodes.back().history, testing::Not(HasSubstr("failed")));
}

// ---- a real loop

struct RealRemotes : testing::Test {
  std::unique_ptr<Loop> loop = make_loop();
  std::unique_ptr<Framework> framework =
      Framework::create({.plugin_directories = {TRELLIS_BUILD_DIR "/plugins"}}).value();
  void until(const std::function<bool()>& done) {
    while (!done()) loop->run_once(true);
  }
};

// API-48, API-59: on loopback, whatever this host's network is.
TEST_F(RealRemotes, ConnectToTheOneThatIsThere) {
  Connection peer;
  std::optional<Address> listening;
  auto listener = Preconnection(*framework)
                      .local({.host = "127.0.0.1"})
                      .listen(*loop, {.listening = [&](const Address& where) { listening = where; },
                                      .received = [&](Connection c) { peer = std::move(c); }});
  until([&] { return listening.has_value(); });
  Address closed;
  {
    auto once = loop->sockets().open({.role = SocketSpec::Role::listen, .local = at("127.0.0.1", 0)});
    ASSERT_TRUE(once);
    closed = (*once)->local();
  }
  std::optional<Result<void>> how;
  Preconnection preconnection(*framework);
  preconnection.add_remote({{.host = {}, .address = closed}, {.host = {}, .address = *listening}});
  Connection connection = preconnection.initiate(*loop, [&](Result<void> result) { how = std::move(result); });
  until([&] { return how.has_value(); });
  ASSERT_TRUE(*how) << how->error().detail;
  EXPECT_EQ(connection.remote(), *listening);
}

// API-58: where the policy finds no paths, routing says what there is: here, what speaks to the server. Its port is
// kept, and taken over by whoever uses the candidate.
TEST_F(RealRemotes, ResolveOnLoopback) {
  MockStun mock(*loop, at("127.0.0.1", 0));
  Preconnection preconnection(*framework);
  preconnection.family(Address::Family::ipv4).stun_server({.endpoint = {.address = mock.address()}});
  preconnection.remote({.host = "127.0.0.1", .port = 7000});
  std::optional<Result<Resolved>> resolved;
  auto resolving = preconnection.resolve(*loop, [&](Result<Resolved> result) { resolved = std::move(result); });
  until([&] { return resolved.has_value(); });
  ASSERT_TRUE(*resolved) << resolved->error().detail;
  ASSERT_THAT((*resolved)->local, SizeIs(1)) << "how the server sees it is what it is";
  const LocalCandidate candidate = (*resolved)->local[0];
  EXPECT_EQ(candidate.address.ip, at("127.0.0.1", 0).ip);
  EXPECT_EQ(mock.peers[0], candidate.address);
  ASSERT_THAT((*resolved)->remote, SizeIs(1));
  EXPECT_EQ((*resolved)->remote[0].address, at("127.0.0.1", 7000));
  const SocketSpec same{
      .kind = SocketSpec::Kind::datagram, .role = SocketSpec::Role::unconnected, .local = candidate.base};
  EXPECT_FALSE(loop->sockets().open(same)) << "the port is kept";
  std::optional<Result<void>> how;
  Connection connection = Preconnection(*framework)
                              .stack("udp")
                              .set("safelyReplayable", true)
                              .local(candidate)
                              .remote({.address = mock.address()})
                              .initiate(*loop, [&](Result<void> result) { how = std::move(result); });
  until([&] { return how.has_value(); });
  ASSERT_TRUE(*how) << how->error().detail;
  EXPECT_EQ(connection.local(), candidate.base);
}

}  // namespace
}  // namespace trellis::tests
