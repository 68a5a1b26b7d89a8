// Endpoints that are for one protocol alone, and those that a Connection over quic is given while it lives.
#include "quic_pair.h"
#include "stacks/roaming.h"
#include "trellis/address_text.h"
#include "trellis/endpoint_text.h"

namespace trellis::tests {
namespace {

using testing::HasSubstr;

// ---- for one protocol

std::string credentials(const std::string& more = {}) {
  const std::string pki = TEST_PKI;
  return R"(<option name="trust" value=")" + pki + R"(/ca.pem"/><option name="certificate" value=")" + pki +
         R"(/server.pem"/><option name="key" value=")" + pki + R"(/server.key"/>)" +
         R"(<option name="server-name" value="peer.example"/>)" + more;
}

/// A server with TLS at one port and QUIC at another.
struct OfOneProtocol : testing::Test {
  OfOneProtocol() {
    framework = framework_with(
        R"(<policy xmlns="urn:trellis:policy:1" name="both"><requirements face="bytestream"/><stacks>)"
        R"(<stack name="quic"><layer protocol="quic">)" +
        credentials(R"(<option name="alpn" value="test"/>)") + R"(</layer><layer protocol="udp"/></stack>)" +
        R"(<stack name="tls"><layer protocol="tls">)" + credentials() +
        R"(</layer><layer protocol="tcp"/></stack></stacks>)" +
        R"(<equivalence><same-security reason="both are TLS 1.3"><stack name="quic"/><stack name="tls"/>)" +
        R"(</same-security></equivalence></policy>)");
  }
  ~OfOneProtocol() override {
    talker = {};
    peers.clear();
    listeners.clear();
    framework->core().forget(client.loop());
    framework->core().forget(server.loop());
  }
  void listen(Endpoint local) {
    bool listening = false;
    listeners.push_back(Preconnection(*framework)
                            .local(std::move(local))
                            .listen(server.loop(), {.listening = [&](const Address&) { listening = true; },
                                                    .received = [&](Connection c) { peers.push_back(std::move(c)); },
                                                    .failed = [](const Error& e) { ADD_FAILURE() << e.detail; }}));
    ASSERT_TRUE(world.run_until([&] { return listening; }, 1s));
  }
  /// "quic/udp to 10.0.0.2:8443", or why not.
  std::string connect(std::vector<Endpoint> remotes) {
    talker = std::make_unique<Talker>();
    Preconnection preconnection(*framework);
    preconnection.add_remote(std::move(remotes)).on_race([&](const RaceReport& told) { report = told; });
    talker->connection = preconnection.initiate(client.loop(), talker->on_ready());
    EXPECT_TRUE(world.run_until([&] { return talker->ready.has_value(); }, 60s));
    if (!talker->ready || !*talker->ready) return talker->ready ? talker->ready->error().detail : "nothing";
    return std::string(talker->connection.stack()) + " to " + to_text(Endpoint{.address = talker->connection.remote()});
  }
  std::vector<std::string> attempts() const {
    std::vector<std::string> all;
    for (const RaceNode& node : report.nodes) {
      if (node.attempt) all.push_back(node.stack + " " + to_text(node.remote.address));
    }
    return all;
  }

  VirtualWorld world;
  SimNetwork network{world};
  SimHost& client = network.add_host("client");
  SimHost& server = network.add_host("server");
  SimLink& link = network.link(client.add_interface("eth0", {"10.0.0.1"}), server.add_interface("eth0", {"10.0.0.2"}),
                               {.delay = 10ms});
  std::unique_ptr<Framework> framework;
  std::vector<Listener> listeners;
  std::vector<Connection> peers;
  std::unique_ptr<Talker> talker;
  RaceReport report;
};

const Endpoint kAny{.host = "10.0.0.2", .port = 443};
const Endpoint kQuicAlone{.host = "10.0.0.2", .port = 8443, .protocol = "QUIC"};
const Endpoint kTlsAlone{.host = "10.0.0.2", .port = 443, .protocol = "tls"};

// API-41, QUIC-64: TLS at 443 beside QUIC at 8443 of the same host; names of protocols are no matter of case.
TEST_F(OfOneProtocol, QuicAtAnotherPort) {
  listen({.host = "10.0.0.2", .port = 443, .protocol = "tls"});
  listen({.host = "10.0.0.2", .port = 8443, .protocol = "quic"});
  EXPECT_EQ(connect({kTlsAlone, kQuicAlone}), "quic/udp to 10.0.0.2:8443");
  EXPECT_THAT(attempts(), testing::ElementsAre("quic/udp 10.0.0.2:8443"));
  EXPECT_EQ(connect({kAny, kQuicAlone}), "quic/udp to 10.0.0.2:8443");
  EXPECT_THAT(attempts(), testing::ElementsAre("quic/udp 10.0.0.2:443", "quic/udp 10.0.0.2:8443"));
}

// API-41: where nobody answers for the one protocol the other is used, at its own port.
TEST_F(OfOneProtocol, TheOtherOneTakesOver) {
  listen({.host = "10.0.0.2", .port = 443, .protocol = "tls"});
  EXPECT_EQ(connect({kTlsAlone, kQuicAlone}), "tls/tcp to 10.0.0.2:443");
  EXPECT_THAT(attempts(), testing::ElementsAre("quic/udp 10.0.0.2:8443", "tls/tcp 10.0.0.2:443"));
}

// API-41: a single endpoint narrows what is tried.
TEST_F(OfOneProtocol, NothingElseIsTried) {
  listen({.host = "10.0.0.2", .port = 443});
  EXPECT_EQ(connect({kTlsAlone}), "tls/tcp to 10.0.0.2:443");
  EXPECT_THAT(attempts(), testing::ElementsAre("tls/tcp 10.0.0.2:443"));
  EXPECT_EQ(connect({kAny}), "quic/udp to 10.0.0.2:443");
}

// API-41: one clear error, with the word that was probably meant.
TEST_F(OfOneProtocol, UnknownProtocols) {
  EXPECT_THAT(connect({{.host = "10.0.0.2", .port = 8443, .protocol = "quik"}}),
              testing::AllOf(HasSubstr("found the protocol 'quik' of the endpoint 10.0.0.2:8443"),
                             HasSubstr("did you mean \"quic\"?")));
  talker = std::make_unique<Talker>();
  talker->connection =
      Preconnection(*framework).stack("tcp").remote(kQuicAlone).initiate(client.loop(), talker->on_ready());
  ASSERT_TRUE(world.run_until([&] { return talker->ready.has_value(); }, 1s));
  EXPECT_THAT(talker->ready->error().detail, HasSubstr("tcp: no remote endpoint is for it, but for QUIC"));
}

// ---- while a Connection lives

struct MovingQuic : Roaming {
  MovingQuic() : Roaming(quic()) {}
  std::string interface() { return std::get<std::string>(*talker->connection.get("interface")); }
  Result<void> add(std::string_view local) { return talker->connection.add_local({{.host = std::string(local)}}); }
  Result<void> remove(std::string_view local) {
    return talker->connection.remove_local({{.host = std::string(local)}});
  }
};

// API-66, API-90: the Connection moves to the address that is added, and away from one that is removed.
TEST_F(MovingQuic, GoesFromAnotherAddress) {
  connect(to_server());
  world.run_for(1s);
  ASSERT_EQ(interface(), "wlan0");
  ASSERT_TRUE(add("10.1.0.2")) << "known already";
  world.run_for(1s);
  EXPECT_EQ(interface(), "wlan0");
  ASSERT_TRUE(add("10.2.0.2"));
  world.run_for(1s);
  EXPECT_EQ(interface(), "wwan0");
  EXPECT_TRUE(std::ranges::any_of(talker->soft, [](const Error& e) { return e.detail.contains("goes on by"); }));
  arrives(std::string(100'000, 'a'));
  ASSERT_TRUE(remove("10.2.0.2"));
  world.run_for(1s);
  EXPECT_EQ(interface(), "wlan0");
  arrives(std::string(100'000, 'b'));
  EXPECT_FALSE(talker->failed);
}

// API-66: without an elsewhere the Connection ends, and says why.
TEST_F(MovingQuic, EndsWithItsLastAddress) {
  connect(to_server());
  world.run_for(1s);
  ASSERT_TRUE(remove("10.9.9.9")) << "not known";
  ASSERT_TRUE(remove("10.1.0.2"));
  world.run_for(1s);
  EXPECT_EQ(interface(), "wwan0");
  EXPECT_FALSE(talker->failed);
  ASSERT_TRUE(remove("10.2.0.2"));
  ASSERT_TRUE(world.run_until([&] { return talker->failed.has_value(); }, 1s));
  EXPECT_THAT(talker->failed->detail, HasSubstr("removed all local endpoints"));
  EXPECT_EQ(talker->connection.state(), ConnectionState::closed);
}

// API-65, API-66: what cannot be is said, and the Connection lives on.
TEST_F(MovingQuic, SpeaksToOneServer) {
  connect(to_server());
  world.run_for(1s);
  EXPECT_TRUE(talker->connection.add_remote({{.host = "192.0.2.7", .port = 4433}})) << "known already";
  EXPECT_TRUE(talker->connection.add_remote({{.host = "192.0.2.8", .port = 4433, .protocol = "tcp"}})) << "not for it";
  const auto other = talker->connection.add_remote({{.host = "192.0.2.8", .port = 4433}});
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().reason, Reason::unsupported);
  EXPECT_THAT(other.error().detail, HasSubstr("quic/udp has one remote endpoint"));
  const auto by_server = peers[0]->connection.add_local({{.host = "192.0.2.9"}});
  ASSERT_FALSE(by_server);
  EXPECT_EQ(by_server.error().reason, Reason::unsupported);
  EXPECT_THAT(talker->connection.add_local({{.host = "eth0"}}).error().detail,
              HasSubstr("found the local endpoint 'eth0', expected an address"));
  EXPECT_THAT(talker->connection.add_remote({{.host = "192.0.2.8"}}).error().detail, HasSubstr("has no port"));
  arrives("still");
  EXPECT_FALSE(talker->failed);
}
TEST_F(MovingQuic, MayBeForbiddenToMove) {
  connect(to_server().set(kMultipath.name, std::string("Disabled")));
  world.run_for(1s);
  const auto other = add("10.2.0.2");
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().reason, Reason::prohibited) << other.error().detail;
  arrives("still");
  ASSERT_TRUE(remove("10.1.0.2")) << "there is no elsewhere for it";
  EXPECT_TRUE(world.run_until([&] { return talker->failed.has_value(); }, 1s));
}

// API-65: with its only remote endpoint a Connection ends, and with it all that are its streams.
TEST_F(MovingQuic, EndsWithItsServer) {
  connect(to_server());
  Talker other;
  other.connection = talker->connection.clone(other.on_ready());
  other.listen_to_all();
  ASSERT_TRUE(world.run_until([&] { return other.ready.has_value(); }, 5s));
  ASSERT_TRUE(talker->connection.remove_remote({{.host = "192.0.2.7", .port = 4433}}));
  EXPECT_TRUE(world.run_until([&] { return talker->failed && other.failed; }, 1s));
  EXPECT_THAT(other.failed->detail, HasSubstr("removed all remote endpoints"));
}

}  // namespace
}  // namespace trellis::tests
