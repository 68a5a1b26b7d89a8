// Preconnection::resolve() in virtual time: candidates behind a NAT, and everything that can go wrong with a server.
#include "nat_world.h"

namespace trellis::tests {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

using Resolve = NatWorld;

// IMPL-19, IMPL-20, IMPL-23, API-40, API-58, API-107: one candidate for each path, and what the server adds; how it
// sees an address that is not translated is no candidate of its own (RFC 8445 section 5.1.3).
TEST_F(Resolve, HostAndReflexiveCandidates) {
  resolve(ask());
  EXPECT_THAT(candidates(), ElementsAre("host wlan0 10.0.0.2", "host wwan0 203.0.113.2", "host wwan0 [2001:db8:2::2]",
                                        "srflx wlan0 198.51.100.1"));
  EXPECT_THAT((*resolved)->trouble, IsEmpty());
  EXPECT_THAT(mock->log, ElementsAre("binding", "binding"));
  const LocalCandidate& reflexive = candidate(CandidateKind::server_reflexive);
  EXPECT_EQ(reflexive.address, mock->peers[0]);
  EXPECT_EQ(reflexive.base, (*resolved)->local[0].address);
  EXPECT_EQ(reflexive.server, at("192.0.2.7", 3478));
  EXPECT_EQ(round<std::chrono::milliseconds>(mock->times[1] - mock->times[0]), 50ms + 10ms)
      << "paced; the second way is longer";
}

// API-58, API-107, IMPL-21, IMPL-22: remote endpoints come with their addresses; nobody speaks to them.
TEST_F(Resolve, RemoteEndpointsAreResolved) {
  Preconnection preconnection(*framework);
  preconnection.add_remote({{.host = "peer.example", .port = 7000}, {.host = "192.0.2.9", .port = 7001}});
  resolve(preconnection);
  ASSERT_TRUE(*resolved) << resolved->error().detail;
  const auto& remote = (*resolved)->remote;
  ASSERT_EQ(remote.size(), 2u);
  EXPECT_EQ(remote[0].host, "peer.example");
  EXPECT_EQ(remote[0].address, at("192.0.2.7", 7000));
  EXPECT_EQ(remote[1].address, at("192.0.2.9", 7001));
  EXPECT_EQ(to_server->forth().packets(), 0u) << "not even the STUN server was asked for";
}

// API-49: a name without an address is an error; what is local would be of no use.
TEST_F(Resolve, ANameWithoutAddress) {
  Preconnection preconnection(*framework);
  preconnection.remote({.host = "nobody.example", .port = 7000});
  resolve(preconnection);
  ASSERT_FALSE(*resolved);
  EXPECT_EQ(resolved->error().reason, Reason::unresolved);
  EXPECT_EQ(client.sockets(), 0u);
}

TEST_F(Resolve, TheServerMayHaveAName) {
  auto preconnection = ask();
  preconnection.stun_server({.endpoint = {.host = "stun.example"}});
  resolve(preconnection);
  EXPECT_THAT(candidates(), testing::Contains("srflx wlan0 198.51.100.1"));
  preconnection.stun_server({.endpoint = {.host = "nobody.example"}});
  resolve(preconnection);
  EXPECT_THAT(candidates(), Not(testing::Contains("srflx wlan0 198.51.100.1")));
  EXPECT_THAT(trouble(), HasSubstr("the STUN server was not found"));
}

// IMPL-19, IMPL-20: a server with addresses of both families is asked over both, and relays for each.
TEST_F(Resolve, BothFamiliesOfAServer) {
  MockStun other(server.loop(), at("2001:db8:9::7", 3478));
  for (MockStun* one : {mock.get(), &other}) {
    one->username = "ann";
    one->password = "secret";
    one->relay = at(one == &other ? "2001:db8:9::7" : "192.0.2.7", 50000);
  }
  auto preconnection = ask().interface_name("wwan0");
  preconnection.stun_server({.endpoint = {.host = "both.example"}, .username = "ann", .password = "secret"});
  resolve(preconnection);
  EXPECT_THAT(candidates(), ElementsAre("host wwan0 203.0.113.2", "host wwan0 [2001:db8:2::2]", "relay wwan0 192.0.2.7",
                                        "relay wwan0 [2001:db8:9::7]"));
  resolved.reset();
  world.run_for(1s);
  EXPECT_THAT(other.allocations, IsEmpty());
}

// IMPL-19: what the application wants of paths and families holds for candidates too.
TEST_F(Resolve, WishesHoldForCandidates) {
  resolve(ask().interface_name("wwan0"));
  EXPECT_THAT(candidates(), ElementsAre("host wwan0 203.0.113.2", "host wwan0 [2001:db8:2::2]"));
  resolve(ask().family(Address::Family::ipv6));
  EXPECT_THAT(candidates(), ElementsAre("host wwan0 [2001:db8:2::2]"));
  resolve(ask().local({.host = "10.0.0.2", .port = 5000}));
  EXPECT_THAT(candidates(), ElementsAre("host wlan0 10.0.0.2", "srflx wlan0 198.51.100.1"));
  EXPECT_EQ((*resolved)->local[0].address.port, 5000);
}

// ---- packets that are lost, and servers that say nothing (RFC 8489 section 6.2.1)

TEST_F(Resolve, RequestsAreRepeated) {
  mock->ignore = 3;
  resolve(ask().interface_name("wlan0"));
  EXPECT_THAT(candidates(), ElementsAre("host wlan0 10.0.0.2", "srflx wlan0 198.51.100.1"));
  ASSERT_EQ(mock->times.size(), 4u);
  EXPECT_EQ(mock->times[1] - mock->times[0], 500ms);
  EXPECT_EQ(mock->times[2] - mock->times[1], 1s);
  EXPECT_EQ(mock->times[3] - mock->times[2], 2s);
}

TEST_F(Resolve, AServerThatDoesNotAnswer) {
  mock->ignore = 1000;
  EXPECT_EQ(round<std::chrono::milliseconds>(resolve(ask().interface_name("wlan0"))), 39500ms);
  EXPECT_EQ(mock->log.size(), 7u);
  EXPECT_THAT(candidates(), ElementsAre("host wlan0 10.0.0.2"));
  EXPECT_EQ(trouble(), "the STUN server 192.0.2.7:3478 does not answer: 7 requests were sent");
  EXPECT_EQ((*resolved)->trouble[0].reason, Reason::timed_out);
}

TEST_F(Resolve, NobodyThere) {
  mock.reset();
  EXPECT_LT(resolve(ask().interface_name("wlan0")), 1s) << "ICMP says so";
  EXPECT_THAT(trouble(), HasSubstr("the STUN server 192.0.2.7:3478 cannot be reached"));
}

// Destroying the handle ends it: no callback, no socket, no more packets.
TEST_F(Resolve, Canceling) {
  mock->ignore = 1000;
  begin(ask());
  world.run_for(2s);
  EXPECT_GT(client.sockets(), 0u);
  resolving = {};
  EXPECT_EQ(client.sockets(), 0u);
  const std::size_t asked = mock->log.size();
  world.run_for(60s);
  EXPECT_EQ(mock->log.size(), asked);
  EXPECT_FALSE(resolved);
}

TEST_F(Resolve, TheCallbackMayDestroyTheHandle) {
  bool told = false;
  resolving = ask().resolve(client.loop(), [&](Result<Resolved> result) {
    told = result.has_value();
    resolving = {};
  });
  EXPECT_TRUE(world.run_until([&] { return told; }, 5s));
  EXPECT_EQ(client.sockets(), 0u) << "nobody keeps the candidates";
}

// ---- answers that are none

TEST_F(Resolve, ARefusalIsTold) {
  mock->refuse = 500;
  resolve(ask().interface_name("wlan0"));
  EXPECT_EQ(trouble(), "the STUN server 192.0.2.7:3478 refuses: 500 Server Error");
  EXPECT_EQ((*resolved)->trouble[0].code, 500u);
}

TEST_F(Resolve, MalformedAnswers) {
  using Bytes = MockStun::Bytes;
  mock->damage = [](Bytes bytes) { return bytes[25] = std::byte{3}, bytes; };
  resolve(ask().interface_name("wlan0"));
  EXPECT_EQ(trouble(),
            "the answer of the STUN server 192.0.2.7:3478 is malformed: found an address of family 3 in 8 bytes, "
            "expected 1 in 8 or 2 in 20");
  mock->damage = [](Bytes bytes) { return bytes[20] = std::byte{0x7f}, bytes; };
  resolve(ask().interface_name("wlan0"));
  EXPECT_THAT(trouble(), HasSubstr("malformed: found an attribute 0x7f20"));
  mock->damage = [](Bytes bytes) { return bytes[10] ^= std::byte{1}, bytes; };  // of another request
  resolve(ask().interface_name("wlan0"));
  EXPECT_THAT(trouble(), HasSubstr("was no answer: found a message that belongs to no request of ours"));
  mock->damage = [](Bytes bytes) { return bytes.resize(bytes.size() - 3), bytes; };
  resolve(ask().interface_name("wlan0"));
  EXPECT_THAT(trouble(), HasSubstr("was no answer: found a length of 12 in a datagram of 29 bytes, expected 9"));
}

// ---- long-term credentials (RFC 8489 section 9.2)

struct Login : NatWorld {
  Login() {
    mock->username = "ann";
    mock->password = "secret";
    mock->relay = at("192.0.2.7", 50000);
  }
  ~Login() override { resolved.reset(); }
  Preconnection as(const std::string& password, const std::string& user = "ann") {
    return ask(user, password).interface_name("wlan0");
  }
};

// IMPL-20, API-107: with credentials a relayed candidate comes too; each request is signed once the server asks.
TEST_F(Login, RelayedCandidates) {
  resolve(as("secret"));
  EXPECT_THAT(candidates(), ElementsAre("host wlan0 10.0.0.2", "srflx wlan0 198.51.100.1", "relay wlan0 192.0.2.7"));
  EXPECT_THAT(mock->log, ElementsAre("binding", "binding (signed)", "allocate", "allocate (signed)"));
  EXPECT_EQ(candidate(CandidateKind::relayed).address, at("192.0.2.7", 50000));
  EXPECT_THAT((*resolved)->trouble, IsEmpty());
}

TEST_F(Login, Sha256WhereTheServerOffersIt) {
  mock->modern = true;
  resolve(as("secret"));
  EXPECT_EQ(candidates().size(), 3u) << trouble();
}

TEST_F(Login, ANonceThatIsTooOld) {
  mock->stale = 2;
  resolve(as("secret"));
  EXPECT_EQ(candidates().size(), 3u) << trouble();
}

// The password is in no error and on no wire.
TEST_F(Login, WrongPassword) {
  resolve(as("sesame"));
  EXPECT_THAT(candidates(), ElementsAre("host wlan0 10.0.0.2"));
  EXPECT_EQ(trouble(), "the STUN server 192.0.2.7:3478 refuses: 401 Unauthorized; username or password are wrong");
  EXPECT_EQ((*resolved)->trouble[0].reason, Reason::authentication);
  EXPECT_THAT(trouble(1), Not(HasSubstr("sesame")));
  EXPECT_EQ(mock->log.size(), 4u);
}

TEST_F(Login, NoPassword) {
  resolve(ask().interface_name("wlan0"));
  EXPECT_THAT(trouble(), HasSubstr("refuses: 401 Unauthorized; it wants a username and a password"));
}

TEST_F(Login, AnAnswerOfSomebodyElse) {
  mock->forged = true;
  resolve(as("secret"));
  EXPECT_THAT(candidates(), ElementsAre("host wlan0 10.0.0.2"));
  EXPECT_THAT(trouble(), HasSubstr("was no answer: found an answer that is not signed with the password"));
}

TEST_F(Login, NoTurnServer) {
  mock->relay = {};
  resolve(as("secret"));
  EXPECT_EQ(candidates().size(), 2u);
  EXPECT_THAT(trouble(), HasSubstr("refuses: 400 Bad Request"));
}

// IMPL-20: an allocation lives as long as its candidate, and no longer.
TEST_F(Login, AllocationsAreRefreshedAndGivenBack) {
  resolve(as("secret"));
  EXPECT_EQ(mock->allocations.size(), 1u);
  mock->log.clear();
  world.run_for(541s);
  EXPECT_THAT(mock->log, testing::Contains("refresh 600 (signed)"));
  EXPECT_THAT(logged, IsEmpty());
  resolved.reset();
  world.run_for(1s);
  EXPECT_EQ(mock->log.back(), "refresh 0 (signed)");
  EXPECT_THAT(mock->allocations, IsEmpty());
  EXPECT_EQ(client.sockets(), 0u);
}

TEST_F(Login, AnAllocationThatIsLostIsLogged) {
  resolve(as("secret"));
  mock->allocations.clear();
  world.run_for(541s);
  ASSERT_EQ(logged.size(), 1u);
  EXPECT_THAT(logged[0], HasSubstr("the relayed address 192.0.2.7:50000 is lost: the STUN server"));
}

TEST_F(Login, AnAllocationIsGivenBackWhenItIsCanceled) {
  begin(as("secret"));
  ASSERT_TRUE(world.run_until([&] { return mock->allocations.size() == 1; }, 5s));
  resolving = {};
  world.run_for(1s);
  EXPECT_THAT(mock->allocations, IsEmpty());
}

// ---- the port that was kept

// IMPL-20: what goes out from a reflexive candidate's base is seen as that candidate, also after a while: the NAT's
// binding is kept alive (RFC 8445 section 5.1.1.4).
TEST_F(Resolve, AConnectionGoesOutFromTheCandidate) {
  std::optional<Address> seen;
  Connection peer;
  auto listener =
      Preconnection(*framework).local({.host = {}, .port = 7000}).listen(server.loop(), {.received = [&](Connection c) {
                                                                           seen = c.remote();
                                                                           peer = std::move(c);
                                                                         }});
  resolve(ask().interface_name("wlan0"));
  const LocalCandidate reflexive = candidate(CandidateKind::server_reflexive);
  resolved.reset();
  world.run_for(120s);
  EXPECT_GE(mock->log.size(), 8u) << "every 15 s";
  auto preconnection = ask().local(reflexive).remote({.host = "192.0.2.7", .port = 7000});
  bool ready = false;
  Connection connection = preconnection.initiate(client.loop(), [&](Result<void> how) { ready = how.has_value(); });
  ASSERT_TRUE(world.run_until([&] { return ready; }, 5s));
  EXPECT_EQ(connection.local(), reflexive.base);
  connection.send(slice(connection, "hello"));
  ASSERT_TRUE(world.run_until([&] { return seen.has_value(); }, 5s));
  EXPECT_EQ(*seen, reflexive.address);
}

// IMPL-23, API-58, API-59: each side finds its set and is told that of the other before anything is opened.
TEST_F(Resolve, BothSidesTellEachOther) {
  std::optional<Result<Resolved>> theirs;
  Preconnection callee(*framework);
  callee.family(Address::Family::ipv4);
  auto finding = callee.resolve(server.loop(), [&](Result<Resolved> found) { theirs = std::move(found); });
  resolve(ask().interface_name("wlan0"));
  ASSERT_TRUE(theirs && *theirs);
  ASSERT_EQ((*theirs)->local.size(), 1u);
  std::optional<Address> caller;
  Connection answering;
  auto listener = callee.local((*theirs)->local[0]).listen(server.loop(), {.received = [&](Connection c) {
                                                             caller = c.remote();
                                                             answering = std::move(c);
                                                           }});
  std::vector<Endpoint> told;
  for (const LocalCandidate& candidate : (*theirs)->local) told.push_back({.address = candidate.address});
  auto calling = ask().local(candidate(CandidateKind::server_reflexive)).add_remote(told);
  bool ready = false;
  Connection connection = calling.initiate(client.loop(), [&](Result<void> how) { ready = how.has_value(); });
  ASSERT_TRUE(world.run_until([&] { return ready; }, 5s));
  connection.send(slice(connection, "hello"));
  ASSERT_TRUE(world.run_until([&] { return caller.has_value(); }, 5s));
  EXPECT_EQ(*caller, candidate(CandidateKind::server_reflexive).address);
}

// API-48: several attempts go out from the one port.
TEST_F(Resolve, SeveralConnectionsShareTheCandidate) {
  resolve(ask().interface_name("wlan0"));
  auto preconnection = ask().local(candidate(CandidateKind::host));
  int ready = 0;
  preconnection.remote({.host = "192.0.2.7", .port = 7000});
  const auto heard = [&](Result<void> how) { ready += how.has_value(); };
  Connection first = preconnection.initiate(client.loop(), heard);
  preconnection.remote({.host = "192.0.2.7", .port = 7001});
  Connection second = preconnection.initiate(client.loop(), heard);
  EXPECT_TRUE(world.run_until([&] { return ready == 2; }, 5s));
  EXPECT_EQ(first.local(), second.local());
}

TEST_F(Resolve, AListenerTakesThePortOver) {
  resolve(ask().interface_name("wlan0"));
  const Address base = candidate(CandidateKind::server_reflexive).base;
  std::optional<Address> listening;
  auto listener = ask()
                      .local(candidate(CandidateKind::server_reflexive))
                      .listen(client.loop(), {.listening = [&](const Address& where) { listening = where; },
                                              .failed = [](const Error& e) { ADD_FAILURE() << e.detail; }});
  ASSERT_TRUE(world.run_until([&] { return listening.has_value(); }, 5s));
  EXPECT_EQ(*listening, base);
}

// No stack speaks TURN, and whoever tries it is told.
TEST_F(Login, ARelayedCandidateIsInformation) {
  resolve(as("secret"));
  auto preconnection = ask().local(candidate(CandidateKind::relayed)).remote({.host = "192.0.2.7", .port = 7000});
  std::optional<Result<void>> how;
  Connection connection = preconnection.initiate(client.loop(), [&](Result<void> result) { how = std::move(result); });
  ASSERT_TRUE(world.run_until([&] { return how.has_value(); }, 5s));
  ASSERT_FALSE(*how);
  EXPECT_THAT(how->error().detail, HasSubstr("192.0.2.7:50000 is a relayed one, and no stack speaks TURN"));
}

}  // namespace
}  // namespace trellis::tests
