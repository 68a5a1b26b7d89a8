// TCPLS against TLS over one port of a server that speaks both, under a policy that names them equal or does not.
#include <format>

#include "tcpls_world.h"

namespace trellis::test {
namespace {

constexpr Duration kDelay = 10ms;  // one way
constexpr Duration kRtt = 2 * kDelay;

constexpr const char* kEqual =
    R"(<equivalence><same-security reason="one handshake, one judgement of the peer"><stack name="first"/>)"
    R"(<stack name="second"/></same-security></equivalence>)";

/// A policy with both stacks, in this order, raced by `racing`.
std::string both_stacks(const std::string& first, const std::string& second, const std::string& racing,
                        const std::string& equivalence = kEqual) {
  const std::string anchor = TRELLIS_SOURCE_DIR "/plugins/protocols/tls/test-pki/ca.pem";
  const auto stack = [&](const std::string& name, const std::string& layer) {
    return std::format(R"(<stack name="{}"><layer protocol="{}"><option name="trust" value="{}"/>)"
                       R"(<option name="server-name" value="peer.example"/></layer><layer protocol="tcp"/></stack>)",
                       name, layer, anchor);
  };
  return std::format(
      R"(<policy xmlns="urn:trellis:policy:1" name="race"><requirements face="bytestream"/><stacks>{}{}</stacks>{})"
      R"(<racing><branch on="protocol" policy="{}"/></racing></policy>)",
      stack("first", first), stack("second", second), equivalence, racing);
}

/// A server of TCPLS, which also speaks TLS to whoever does not offer more, and a client that races.
struct RaceWorld : TcplsWorld {
  RaceWorld() : TcplsWorld(1, kDelay) { listen(stack()); }
  Talker& race(const std::string& policy) {
    auto parsed = parse_policy(policy, "race.xml");
    EXPECT_TRUE(parsed) << parsed.error().detail;
    if (auto loaded = framework->core().load({*parsed}); !loaded) ADD_FAILURE() << loaded.error().detail;
    Preconnection to(*framework);
    to.remote({.host = "10.0.0.2", .port = 4433}).connect_timeout(2s);
    to.on_race([this](const RaceReport& told) { report = told; });
    Talker& t = *talkers.emplace_back(std::make_unique<Talker>());
    begun = world.now();
    t.connection = to.initiate(client.loop(), t.on_ready());
    t.listen_to_all();
    EXPECT_TRUE(until([&] { return t.ready.has_value(); }, 10s));
    took = world.now() - begun;
    return t;
  }
  /// What the server got from the n-th TCP connection goes nowhere: it is slower than the others.
  void swallow_data_of(std::size_t n) {
    change = [this, n](SimPacket& packet) {
      if (n < ports.size() && packet.from.port == ports[n]) broken[ports[n]] = Verdict::drop;
    };
  }
  std::size_t attempts() const {
    return static_cast<std::size_t>(std::ranges::count_if(
        report.nodes, [](const RaceNode& n) { return n.attempt && n.started_at != TimePoint{}; }));
  }
  /// That all that is left are the two ends of one connection, and its stack.
  void expect_nothing_else(Talker& t) {
    t.send("hello");
    ASSERT_TRUE(until([&] { return peers.size() == 1 && peers[0]->reader->all == "hello"; }));
    world.run_for(1s);
    EXPECT_EQ(framework->core().turn(client.loop()).members(), 1u + below(t));
    t.close();
    ASSERT_TRUE(until([&] { return t.closed && peers[0]->reader->ended; }));
    peers[0]->close();
    ASSERT_TRUE(until([&] { return peers[0]->closed.has_value(); }));
    talkers.clear();
    peers.clear();
    world.run_for(120s);
    EXPECT_EQ(framework->core().turn(client.loop()).members(), 0u);
    EXPECT_EQ(framework->core().turn(server.loop()).members(), 2u) << "the listener, and the acceptor below it";
  }
  static std::size_t below(const Talker& t) { return t.connection.stack().starts_with("tcpls") ? 3 : 1; }

  RaceReport report;
  TimePoint begun{};
  Duration took{};
};

// RACE-83: the first of the policy is ready in its two round trips, and the other one is not tried.
TEST(RaceWithTls, TcplsIsReadyFirst) {
  RaceWorld w;
  Talker& t = w.race(both_stacks("tcpls", "tls", "staggered"));
  ASSERT_TRUE(*t.ready) << t.ready->error().detail;
  EXPECT_EQ(t.connection.stack(), "tcpls/tcp");
  EXPECT_LE(w.took, 2 * kRtt + 5ms);
  EXPECT_EQ(w.attempts(), 1u);
  w.expect_nothing_else(t);
}

// Where TCPLS gets nowhere TLS takes over after the delay of the policy, and what TCPLS began is gone.
TEST(RaceWithTls, TlsTakesOver) {
  RaceWorld w;
  w.swallow_data_of(0);
  Talker& t = w.race(both_stacks("tcpls", "tls", "staggered"));
  ASSERT_TRUE(*t.ready) << t.ready->error().detail;
  EXPECT_EQ(t.connection.stack(), "tls/tcp");
  EXPECT_EQ(w.attempts(), 2u);
  w.expect_nothing_else(t);
}

// The other way round: TCPLS takes over from TLS.
TEST(RaceWithTls, TcplsTakesOver) {
  RaceWorld w;
  w.swallow_data_of(0);
  Talker& t = w.race(both_stacks("tls", "tcpls", "staggered"));
  ASSERT_TRUE(*t.ready) << t.ready->error().detail;
  EXPECT_EQ(t.connection.stack(), "tcpls/tcp");
  EXPECT_EQ(std::get<bool>(*t.connection.get("tcpls.agreed")), true);
  w.expect_nothing_else(t);
}

// Both at once, by another racing policy: one is kept, and the server is rid of the other one too.
TEST(RaceWithTls, BothAtOnce) {
  for (const char* slow : {"tcpls", "tls"}) {
    SCOPED_TRACE(slow);
    RaceWorld w;
    w.swallow_data_of(std::string(slow) == "tcpls" ? 0 : 1);
    Talker& t = w.race(both_stacks("tcpls", "tls", "simultaneous"));
    ASSERT_TRUE(*t.ready) << t.ready->error().detail;
    EXPECT_EQ(t.connection.stack(), std::string(slow) == "tcpls" ? "tls/tcp" : "tcpls/tcp");
    EXPECT_EQ(w.attempts(), 2u);
    EXPECT_LE(w.took, 2 * kRtt + 5ms);
    w.expect_nothing_else(t);
  }
}

// TLS and TCPLS differ in their security: without a word of the policy neither may stand in for the other.
TEST(RaceWithTls, OnlyByTheWordOfThePolicy) {
  RaceWorld w;
  const auto loaded =
      w.framework->core().load({parse_policy(both_stacks("tcpls", "tls", "staggered", ""), "p").value()});
  ASSERT_FALSE(loaded);
  EXPECT_THAT(loaded.error().detail, testing::HasSubstr("the policy does not declare it equal"));
}

// A peer whom nobody trusts is refused by both, and nothing weaker is tried.
TEST(RaceWithTls, AuthenticationFailureIsTheEnd) {
  RaceWorld w;
  std::string policy = both_stacks("tcpls", "tls", "staggered");
  for (std::size_t at; (at = policy.find("peer.example")) != std::string::npos;) policy.replace(at, 12, "other.test");
  Talker& t = w.race(policy);
  ASSERT_FALSE(*t.ready);
  EXPECT_EQ(t.ready->error().reason, Reason::authentication) << t.ready->error().detail;
}

}  // namespace
}  // namespace trellis::test
