// Our QUIC client at ngtcp2's server, by our own API: what samples/get cannot be asked for. On this host, and over a
// link of the lab that loses packets.
#include "interop/quic_client.h"

#include "interop/ngtcp2_peers.h"
#include "netlab/netlab.h"
#include "trellis/address_text.h"

namespace trellis::test {
namespace {

using namespace std::chrono_literals;
using netlab::ClientServer;
using testing::HasSubstr;

constexpr std::size_t kPageBytes = 1 << 20;
constexpr netlab::Shape kLosses{.delay = 10ms, .loss = 0.05};
constexpr char kPageName[] = "/page.txt";

class OurQuicClient : public Ngtcp2Peers {
 protected:
  void SetUp() override {
    Ngtcp2Peers::SetUp();
    if (!IsSkipped()) text = write_pages(directory, kPageBytes);
  }
  void TearDown() override { stop(); }
  Words at_server(Words words) override { return lab ? lab->server.command(std::move(words)) : words; }
  /// With a lab: the server is there, known by its address.
  void make_lab(const std::vector<netlab::LinkOptions>& paths) {
    lab = std::make_unique<ClientServer>(paths);
    address = ClientServer::address();
    directory.write("server.pem", chain_pem(server_identity = pki.issue({.addresses = {address}})));
    directory.write("server.key", key_pem(server_identity));
  }
  /// Whatever ran before has ended; what runs now is where the clients are.
  void start(const std::string& policy = "default.xml") {
    stop();
    if (lab) inside.emplace(lab->client);
    ours = std::make_unique<QuicProgram>(policy, directory.path() + "/state.sqlite");
  }
  void stop() {
    client.reset();
    ours.reset();
    inside.reset();
  }
  void connect(const std::string& port, std::string_view early = {}, const std::string& options = {}) {
    Preconnection to(*ours->framework);
    to.stack("quic(alpn=h3,server-name=peer.example,trust='" + ca + "',close-code=256" + options + ")/udp");
    to.remote({.host = address, .port = static_cast<std::uint16_t>(std::stoi(port))});
    client = std::make_unique<QuicClient>(*ours, std::move(to), early);
    client->establish();
  }
  bool stored(std::string_view kind) const {
    Process process({program("trellis"), "state", "--state", directory.path() + "/state.sqlite"}, kClosed);
    process.wait();
    return process.output().contains(kind);
  }
  /// A whole connection, which leaves a ticket in the state file.
  void earn_a_ticket(const std::string& port) {
    start();
    connect(port);
    if (HasFatalFailure()) return;
    client->expect(client->ask(kPageName), text);
    EXPECT_FALSE(client->fact<bool>("tls.resumed"));
    EXPECT_TRUE(ours->until([this] { return stored("session-ticket"); }));
    client->close();
    stop();
  }

  /// The server has read the last request before the handshake had come to its end.
  bool asked_early() const {
    const std::string said = server->error();
    return said.rfind("[:path: /page.txt]") < said.rfind("QUIC handshake has completed");
  }

  std::unique_ptr<ClientServer> lab;  // null: on this host
  std::optional<netlab::Inside> inside;
  std::unique_ptr<QuicProgram> ours;
  std::unique_ptr<QuicClient> client;
};

enum class Over : std::uint8_t { loopback, lossy };

class OurQuicClientOver : public OurQuicClient, public testing::WithParamInterface<Over> {
 protected:
  void SetUp() override {
    OurQuicClient::SetUp();
    if (IsSkipped() || GetParam() == Over::loopback) return;
    if (const std::string why = netlab::Lab::why_not(); !why.empty()) GTEST_SKIP() << why;
    make_lab({{.forth = kLosses, .back = kLosses}});
  }
};

// QUIC-22, QUIC-25: the next program goes on with the ticket that the first one has left.
TEST_P(OurQuicClientOver, Resumes) {
  const std::string port = serve_by_theirs({});
  earn_a_ticket(port);
  start();
  connect(port);
  if (HasFatalFailure()) return;
  client->expect(client->ask(kPageName), text);
  EXPECT_TRUE(client->fact<bool>("tls.resumed"));
  client->close();
  EXPECT_FALSE(asked_early()) << "nothing was marked safely replayable";
}

// QUIC-10, QUIC-11, QUIC-17: a request that may be replayed goes with the first packets, and the server takes it.
TEST_P(OurQuicClientOver, SendsEarlyData) {
  const std::string port = serve_by_theirs({});
  earn_a_ticket(port);
  start();
  connect(port, kPageName);
  if (HasFatalFailure()) return;
  client->expect(client->first(), text);
  EXPECT_TRUE(client->fact<bool>("tls.resumed"));
  EXPECT_TRUE(client->noticed(Notice::early_accepted));
  client->close();
  if (GetParam() == Over::lossy) return;  // there it may be lost, and come again when it is late
  EXPECT_TRUE(asked_early());
  EXPECT_THAT(server->error(), HasSubstr("type=0RTT"));
}

// QUIC-16: a server that has forgotten its keys refuses them, and gets the request all the same.
TEST_P(OurQuicClientOver, EarlyDataAreRefused) {
  const std::string port = serve_by_theirs({});
  earn_a_ticket(port);
  server.reset();
  const std::string same = serve_by_theirs({}, port);
  start();
  connect(same, kPageName);
  if (HasFatalFailure()) return;
  client->expect(client->first(), text);
  EXPECT_FALSE(client->fact<bool>("tls.resumed"));
  EXPECT_TRUE(client->noticed(Notice::early_refused));
  client->close();
}

// RFC 9001 section 6: a second update is possible once the server has followed the first one. The library looks at that
// while packets come.
TEST_P(OurQuicClientOver, UpdatesItsKeys) {
  const std::string port = serve_by_theirs({});
  start();
  connect(port);
  if (HasFatalFailure()) return;
  client->expect(client->ask(kPageName), text);
  for (int updates = 0; updates < 2 && !HasFailure();) {
    if (client->control().set("quic.keyUpdate", true)) ++updates;
    client->expect(client->ask_again(kPageName), text);
  }
  client->close();
  server->signal(SIGTERM);
  server->wait();
  const std::string said = server->error();
  const std::size_t first = said.find("type=1RTT k=1");
  EXPECT_NE(first, std::string::npos);
  EXPECT_NE(said.find("type=1RTT k=0", first), std::string::npos) << "the bit has gone back with the second one";
}

std::string name_of_link(const testing::TestParamInfo<Over>& info) {
  return info.param == Over::loopback ? "Loopback" : "Lossy";
}
INSTANTIATE_TEST_SUITE_P(Links, OurQuicClientOver, testing::Values(Over::loopback, Over::lossy), name_of_link);

/// Two paths to the server.
class OurQuicClientMoves : public OurQuicClient {
 protected:
  void SetUp() override {
    if (const std::string why = netlab::Lab::why_not(); !why.empty()) GTEST_SKIP() << why;
    OurQuicClient::SetUp();
  }
  /// In the middle of a page it is asked to go by the other path; it must.
  void move_between(const netlab::Shape& shape) {
    make_lab({{.forth = shape, .back = shape}, {.forth = shape, .back = shape}});
    const std::string port = serve_by_theirs({});
    start("roaming.xml");
    connect(port);
    if (HasFatalFailure()) return;
    QuicFetch& page = client->ask(kPageName);
    ASSERT_TRUE(ours->until([&] { return page.reader->all.size() > kPageBytes / 8; }));
    const std::size_t before = used();
    ASSERT_TRUE(moves()) << client->said;
    EXPECT_THAT(client->said, HasSubstr("goes on by the path net" + std::to_string(1 - before)));
    EXPECT_EQ(used(), 1 - before);
    EXPECT_FALSE(page.over()) << "it moved in the middle";
    lab->path(before).black_hole();
    client->expect(page, text);
    client->expect(client->ask_again(kPageName), text);
    client->close();
    EXPECT_THAT(server->error(), HasSubstr("Path validation against path"));
  }
  /// The number of the link that the connection uses, by its interface.
  std::size_t used() { return client->fact<std::string>("interface") == lab->path(0).interface() ? 0 : 1; }
  /// It is asked to go by each of the other paths, until it does; those of another address family lead nowhere.
  bool moves() {
    const auto own = client->fact<std::uint64_t>("quic.path");
    for (std::uint64_t id = 1; id < 20; ++id) {
      client->notices.clear();
      if (id == own || !client->control().set("quic.path", id)) continue;
      EXPECT_TRUE(ours->until([this] { return !client->notices.empty(); }));
      if (client->noticed(Notice::path_change)) return client->fact<std::uint64_t>("quic.path") == id;
    }
    return false;
  }
};

// QUIC-68, QUIC-71, QUIC-72
TEST_F(OurQuicClientMoves, InTheMiddleOfAPage) { move_between({.delay = 10ms, .bits_per_second = 4'000'000}); }
TEST_F(OurQuicClientMoves, WithLosses) { move_between({.delay = 10ms, .loss = 0.03, .bits_per_second = 4'000'000}); }

}  // namespace
}  // namespace trellis::test
