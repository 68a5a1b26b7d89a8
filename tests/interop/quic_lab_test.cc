// The programs that come with ngtcp2, and ours, over bad links of the lab: scenarios of the QUIC interop runner.
#include <gmock/gmock.h>

#include "interop/ngtcp2_peers.h"
#include "netlab/netlab.h"

namespace trellis::test {
namespace {

using namespace std::chrono_literals;
using netlab::ClientServer;
using netlab::End;
using netlab::Shape;
using netlab::Way;
using testing::ContainsRegex;
using testing::HasSubstr;

constexpr std::size_t kPage = 1 << 20, kSmallPage = 1000;
constexpr Shape kLossy{.delay = 10ms, .loss = 0.05};
constexpr Shape kSlow{.delay = 10ms, .bits_per_second = 4'000'000};  // two seconds for a page

class QuicLab : public Ngtcp2Peers {
 protected:
  void SetUp() override {
    if (const std::string why = netlab::Lab::why_not(); !why.empty()) GTEST_SKIP() << why;
    Ngtcp2Peers::SetUp();
    if (IsSkipped()) return;
    text = write_pages(directory, kPage);
  }
  Words at_server(Words words) override { return server_host->command(std::move(words)); }
  Words at_client(Words words) override { return client_host->command(std::move(words)); }
  /// Where the server is, and what it is known by.
  void begin(const netlab::Host& client, const netlab::Host& at, const std::string& at_address) {
    client_host = &client;
    server_host = &at;
    address = at_address;
    directory.write("server.pem", chain_pem(server_identity = pki.issue({.addresses = {address}})));
    directory.write("server.key", key_pem(server_identity));
  }
  /// Until the link has carried so much to the client.
  static void wait_for(const netlab::Link& link, std::uint64_t bytes) {
    const auto end = Clock::now() + kDeadline;
    while (link.counters(Way::back).bytes < bytes && Clock::now() < end) std::this_thread::sleep_for(1ms);
  }

  const netlab::Host *client_host = nullptr, *server_host = nullptr;
};

/// One link, the same in both directions.
class QuicLink : public QuicLab {
 protected:
  void begin(const Shape& shape, netlab::Family family = netlab::Family::ipv4) {
    lab = std::make_unique<ClientServer>(std::vector<netlab::LinkOptions>{{.forth = shape, .back = shape}});
    QuicLab::begin(lab->client, lab->server, ClientServer::address(family));
  }
  netlab::Link& link() { return lab->path(0); }
  std::uint64_t count(std::uint64_t netlab::Counters::* what) {
    return link().counters(Way::forth).*what + link().counters(Way::back).*what;
  }
  std::unique_ptr<ClientServer> lab;
};

struct NamedShape {
  std::string name;
  Shape shape;
};
std::string name_of(const testing::TestParamInfo<NamedShape>& info) { return info.param.name; }
void PrintTo(const NamedShape& named, std::ostream* out) { *out << named.name; }  // its bytes hold addresses

/// transferloss, transfercorruption, longrtt, goodput, and more.
class QuicTransfer : public QuicLink, public testing::WithParamInterface<NamedShape> {
 protected:
  void begin() { QuicLink::begin(GetParam().shape); }
  /// What the link was asked to do it has done.
  void expect_trouble() {
    const Shape& shape = GetParam().shape;
    EXPECT_EQ(count(&netlab::Counters::lost) > 0, shape.loss > 0);
    EXPECT_EQ(count(&netlab::Counters::corrupted) > 0, shape.corruption > 0);
    EXPECT_EQ(count(&netlab::Counters::doubled) > 0, shape.duplication > 0);
  }
};

// QUIC-26
TEST_P(QuicTransfer, TheirClientAtOurServer) {
  begin();
  download(serve(), {});
  expect_trouble();
}

TEST_P(QuicTransfer, OurClientAtTheirServer) {
  begin();
  get(serve_by_theirs({}));
  expect_trouble();
}

INSTANTIATE_TEST_SUITE_P(
    Links, QuicTransfer,
    testing::Values(NamedShape{"Loss1", {.delay = 25ms, .loss = 0.01}}, NamedShape{"Loss5", kLossy},
                    NamedShape{"Loss10", {.delay = 10ms, .loss = 0.1}},
                    NamedShape{"Reordering", {.delay = 10ms, .jitter = 10ms}},
                    NamedShape{"Duplication", {.delay = 10ms, .duplication = 0.1}},
                    NamedShape{"Corruption", {.delay = 10ms, .corruption = 0.05}},
                    NamedShape{"LongRoundTrip", {.delay = 750ms}},
                    NamedShape{"ShortQueue", {.delay = 15ms, .bits_per_second = 10'000'000, .queue_bytes = 25 * 1500}},
                    NamedShape{"Everything",
                               {.delay = 20ms, .jitter = 5ms, .loss = 0.01, .corruption = 0.01, .duplication = 0.01}}),
    name_of);

/// Scenarios on one kind of link.
class QuicScenarios : public QuicLink {
 protected:
  /// Some in each direction, with little behind them.
  void handshakes() {
    text = write_pages(directory, kSmallPage);
    const std::string ours = serve();
    for (int i = 0; i < kHandshakes; ++i) download(ours, {});
    const std::string theirs = serve_by_theirs({});
    for (int i = 0; i < kHandshakes; ++i) get(theirs, kPatient);
  }
  /// Two seconds of it, in the middle of a transfer.
  void black_hole() {
    wait_for(link(), kPage / 4);
    link().black_hole();
    std::this_thread::sleep_for(2s);
    EXPECT_GT(count(&netlab::Counters::lost), 0u);
    link().black_hole(false);
  }
  static constexpr int kHandshakes = 5;
  // Without a round trip to go by, a second try comes after a second, a third one after two more, and so on.
  static constexpr char kPatient[] = ",handshake-timeout-ms=30000";
};

// handshakeloss
TEST_F(QuicScenarios, HandshakesWithLosses) {
  begin({.delay = 5ms, .loss = 0.1});
  handshakes();
}

// handshakecorruption
TEST_F(QuicScenarios, HandshakesThatAreCorrupted) {
  begin({.delay = 5ms, .corruption = 0.3});
  handshakes();
}

// blackhole
TEST_F(QuicScenarios, TheirClientLivesThroughABlackHole) {
  begin(kSlow);
  const auto client = start_download(serve(), {});
  black_hole();
  finish_download(*client);
}

TEST_F(QuicScenarios, OurClientLivesThroughABlackHole) {
  begin(kSlow);
  const auto client = start_get(serve_by_theirs({}));
  black_hole();
  finish_get(*client);
}

// QUIC-86
TEST_F(QuicScenarios, RetryWithLosses) {
  begin(kLossy);
  EXPECT_THAT(download(serve({"--retry"}), {}), HasSubstr("type=Retry"));
  get(serve_by_theirs({"--validate-addr"}));
  EXPECT_THAT(server->error(), HasSubstr("Sending Retry"));
}

TEST_F(QuicScenarios, Version2WithLosses) {
  begin(kLossy);
  EXPECT_THAT(download(serve(), {"--version=v2"}), HasSubstr("the negotiated version is 0x6b3343cf"));
  get(serve_by_theirs({"--preferred-versions=v2,v1"}));
  EXPECT_THAT(server->error(), HasSubstr("the negotiated version is 0x6b3343cf"));
}

TEST_F(QuicScenarios, Ipv6WithLosses) {
  begin(kLossy, netlab::Family::ipv6);
  download(serve(), {});
  get(serve_by_theirs({}));
}

TEST_F(QuicScenarios, TheirClientUpdatesKeysWithLosses) {
  begin(kLossy);
  EXPECT_THAT(download(serve(), {"--key-update=50ms"}), HasSubstr("Initiate key update"));
}

// QUIC-17
TEST_F(QuicScenarios, TheirClientResumesWithLosses) {
  begin(kLossy);
  const Words keep{"--session-file=" + directory.path() + "/session", "--tp-file=" + directory.path() + "/tp"};
  Words first = keep;
  first.push_back("--wait-for-ticket");
  const std::string port = serve();
  download(port, first);
  EXPECT_THAT(download(port, keep), HasSubstr("type=0RTT"));
}

// QUIC-71. Without losses: the server knows of a rebinding by one small packet, and thrice its size (RFC 9000 section
// 8.1) is an acknowledgement and one PATH_CHALLENGE. Where that is lost, a client that only waits hears nothing more.
TEST_F(QuicScenarios, TheirClientMoves) {
  begin(kSlow);
  const std::string port = serve();
  EXPECT_THAT(download(port, {"--change-local-addr=100ms"}), HasSubstr("path has been validated"));
  download(port, {"--change-local-addr=100ms", "--nat-rebinding"});
}

/// A client behind a NAT.
struct NatLab : netlab::Lab {
  NatLab() {
    client.ip("route add default via " + inside.address(End::second));
    nat.forward();
    nat.nft("table ip nat {\n chain out {\n type nat hook postrouting priority 100\n }\n}\n");
    translate("40000-40999");
  }
  /// Which ports it uses for those who come now.
  void translate(const std::string& ports) const {
    nat.nft(std::format("flush chain ip nat out\nadd rule ip nat out oifname {} meta l4proto udp masquerade to :{}\n",
                        outside.interface(), ports));
  }
  /// It forgets whom it knows, as its address goes, and has `now` from then on.
  void rebind(const std::string& now) const {
    translate("41000-41999");
    const std::string device = "/24 dev " + outside.interface() + '\n';
    nat.ip("addr del " + outside.address(End::first) + device + "addr add " + now + device);
  }
  /// Whom it knows, as the kernel writes it.
  std::string flows() const {
    const netlab::Inside there(nat);
    std::ifstream file("/proc/thread-self/net/nf_conntrack");
    return {std::istreambuf_iterator<char>(file), {}};
  }
  netlab::Host &client = add_host("client"), &nat = add_host("nat"), &server = add_host("server");
  netlab::Link &inside = connect(client, nat), &outside = connect(nat, server, {.forth = kSlow, .back = kSlow});
};

/// The NAT forgets the client in the middle of a transfer: rebind-addr and rebind-port. QUIC-20
class QuicNat : public QuicLab {
 protected:
  void SetUp() override {
    QuicLab::SetUp();
    if (IsSkipped()) return;
    if (!installed("nft")) GTEST_SKIP() << "nft is not installed: run sdk/setup interop";
    lab = std::make_unique<NatLab>();
    same = lab->outside.address(End::first);
    begin(lab->client, lab->server, lab->outside.address(End::second));
  }
  void their_client_becomes(const std::string& now) {
    const auto process = start_download(serve(), {});
    rebind(now);
    finish_download(*process);
    expect_moved(now);
  }
  void our_client_becomes(const std::string& now) {
    const auto process = start_get(serve_by_theirs({}));
    rebind(now);
    finish_get(*process);
    expect_moved(now);
  }
  void rebind(const std::string& now) const {
    wait_for(lab->outside, kPage / 4);
    lab->rebind(now);
  }
  /// The server has answered the client as `now`, at one of the later ports.
  void expect_moved(const std::string& now) const {
    EXPECT_THAT(lab->flows(), ContainsRegex("dport=[0-9]+ src=[0-9.]+ dst=" + now + " sport=[0-9]+ dport=41"));
  }
  static constexpr char kOther[] = "10.77.1.9";
  std::unique_ptr<NatLab> lab;
  std::string same;  // its address at first
};

TEST_F(QuicNat, TheirClientGetsAnotherAddress) { their_client_becomes(kOther); }
TEST_F(QuicNat, TheirClientGetsAnotherPort) { their_client_becomes(same); }
TEST_F(QuicNat, OurClientGetsAnotherAddress) { our_client_becomes(kOther); }
TEST_F(QuicNat, OurClientGetsAnotherPort) { our_client_becomes(same); }

}  // namespace
}  // namespace trellis::test
