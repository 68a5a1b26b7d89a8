// Stacks whose layers are a proxy's client: the proxy is resolved and reached, the layers above keep whom they were
// asked for; several alternatives are tried in succession.
#include <fstream>
#include <iterator>

#include "phone.h"

namespace trellis::tests {
namespace {

std::vector<std::string>& heard() {
  static std::vector<std::string> names;
  return names;
}

/// Does as if it had asked a proxy.
class Relay final : public Protocol {
 public:
  explicit Relay(std::string proxy) : proxy_(std::move(proxy)) {}
  static Result<std::unique_ptr<Protocol>> make(const Options& options) {
    return std::make_unique<Relay>(std::string(options.text("proxy")));
  }
  LayerTraits traits(Face above) const noexcept override {
    return {.above = above == Face::bytestream ? above : Face::none, .below = Face::bytestream};
  }
  Endpoint remote_below(const Endpoint&, const Path& path) const override {
    if (!proxy_.empty()) return {.host = proxy_, .port = 1080};
    const auto& offered = path.provisioned().proxies;
    return offered.empty() ? Endpoint{} : Endpoint{.host = offered.front(), .port = 1080};
  }
  Result<std::unique_ptr<ProtocolInstance>> connect(const Seat& seat) const noexcept override {
    struct Instance final : ProtocolInstance {
      explicit Instance(const Seat& place) : seat(place) {}
      void open(const OpenArgs& args) noexcept override {
        heard().push_back(args.remote.host + ":" + std::to_string(args.remote.port));
        seat.host.ready();
      }
      void close(const CloseArgs&) noexcept override { seat.host.closed(); }
      void on_up(LowerPort, Batch&) noexcept override {}
      void on_down(UpperPort, Batch&) noexcept override {}
      Seat seat;
    };
    return std::make_unique<Instance>(seat);
  }

 private:
  std::string proxy_;
};
constexpr OptionSpec kOptions[] = {{"proxy", std::string_view(), "whom to ask; empty: what the path offers"}};

struct Proxies : Phone {
  Proxies() {
    heard().clear();
    EXPECT_TRUE(framework->core().registry.link(
        "relay", [](Registrar& registrar) { registrar.add(kind<Relay>("relay", kOptions)); }));
    names->serve([this](const Query& query) {
      asked.push_back(query.host);
      if (query.host == "proxy.example") return SimAnswers{{}, {.addresses = {ip("192.0.2.7")}}};
      return SimAnswers{};
    });
  }
  void load(const std::string& stacks) {
    auto policy =
        parse_policy(R"(<policy xmlns="urn:trellis:policy:1" name="phone"><names><resolver name="simulated"/></names>
           <paths provider="simulated"/><stacks>)" +
                         stacks + "</stacks></policy>",
                     "proxies.xml");
    ASSERT_TRUE(policy) << policy.error().detail;
    auto loaded = framework->core().load({*policy});
    ASSERT_TRUE(loaded) << loaded.error().detail;
  }
};

const std::string kByProxy =
    R"(<stack name="proxied"><layer protocol="relay"><option name="proxy" value="proxy.example"/></layer>
       <layer protocol="tcp"/></stack>)";
const std::string kByPath = R"(<stack name="by-path"><layer protocol="relay"/><layer protocol="tcp"/></stack>)";
const std::string kDirect = R"(<stack name="direct"><layer protocol="tcp"/></stack>)";

// RACE-5, RACE-25: the endpoint below a proxy's client is the proxy's.
TEST_F(Proxies, AreResolvedInsteadOfThePeer) {
  load(kByProxy);
  listen(1080);
  ASSERT_EQ(connect(to("www.example.net")), "wlan0");
  EXPECT_EQ(asked, std::vector<std::string>{"proxy.example"}) << "the peer's name is the proxy's business";
  EXPECT_EQ(heard(), std::vector<std::string>{"www.example.net:443"});
  EXPECT_EQ(to_text(connection.remote()), "192.0.2.7:1080");
}

// RACE-27 (b), RACE-37, RACE-38, RACE-62, RACE-63, IMPL-33: direct is tried when the proxy has failed, and not before.
TEST_F(Proxies, DirectFollowsWhenTheProxyHasFailed) {
  load(kByProxy + kDirect);
  EXPECT_EQ(framework->core().profiles().front()->racing[1].policy->name(), "failover");
  connect(to("192.0.2.7").interface_name("wlan0"));
  EXPECT_EQ(connection.stack(), "tcp") << "nobody listens where the proxy should be";
  ASSERT_EQ(report->nodes.size(), 5u);
  const auto& direct = *std::ranges::find(report->nodes, "1.1.2", &RaceNode::id);
  const auto& proxied = *std::ranges::find(report->nodes, "1.1.1", &RaceNode::id);
  EXPECT_EQ(proxied.state, Child::State::failed);
  EXPECT_EQ(direct.started_at, proxied.ended_at);
}

// API-110, IMPL-27: the path that goes first goes with what is possible there, although a stack that goes first is
// possible elsewhere.
TEST_F(Proxies, APathGoesBeforeAStack) {
  paths->add = [](Path& path) {
    if (path.interface_name == "wwan0")
      path.provisioning = std::make_shared<const Provisioning>(Provisioning{.proxies = {"proxy.example"}});
  };
  load(kByPath + kDirect);
  listen(1080);
  swallow(*wifi);
  ASSERT_EQ(connect(to("192.0.2.7").path({.preference = Preference::prefer, .interface_name = "wlan0"})), "wwan0");
  std::vector<std::string> order, waiting;
  for (const RaceNode& node : report->nodes) {
    if (!node.attempt) continue;
    (node.started_at != TimePoint{} ? order : waiting).push_back(node.path + " " + node.stack);
  }
  EXPECT_EQ(order, (std::vector<std::string>{"wlan0 tcp", "wwan0 relay/tcp"}));
  EXPECT_EQ(waiting, std::vector<std::string>{"wwan0 tcp"});
}

TEST_F(Proxies, WhatAPathDoesNotOfferIsNotTriedThere) {
  load(kByPath + kDirect);
  ASSERT_EQ(connect(to("192.0.2.7")), "wlan0");
  EXPECT_EQ(connection.stack(), "tcp");
  EXPECT_TRUE(std::ranges::any_of(report->steps, [](const RaceStep& step) {
    return step.why == "the path has no proxy for it" && step.detail == "relay/tcp";
  }));
  paths->add = [](Path& path) {
    if (path.interface_name == "wwan0")
      path.provisioning = std::make_shared<const Provisioning>(Provisioning{.proxies = {"proxy.example"}});
  };
  load(kByPath);
  listen(1080);
  EXPECT_EQ(connect(to("192.0.2.7")), "wwan0") << "the path that offers one";
  EXPECT_EQ(to_text(connection.remote()), "192.0.2.7:1080");
  paths->add = {};
  load(kByPath);
  EXPECT_EQ(connect(to("192.0.2.7")), "no stack of the policy can be used on this path");
}

// RACE-37, RACE-38: several proxies of one kind on one path are tried one after the other, then what is next.
TEST_F(Proxies, SeveralOfOneKindFollowEachOther) {
  paths->add = [](Path& path) {
    path.provisioning = std::make_shared<const Provisioning>(
        Provisioning{.proxies = {"away.example", "silent.example", "proxy.example"}});
  };
  names->serve([](const Query& query) {
    if (query.host == "proxy.example") return SimAnswers{{}, {.addresses = {ip("192.0.2.7")}}};
    if (query.host == "silent.example") return SimAnswers{{}, {.addresses = {ip("192.0.2.9")}}};
    return SimAnswers{};
  });
  load(kByPath + kDirect);
  listen(1080);
  ASSERT_EQ(connect(to("192.0.2.7").interface_name("wlan0")), "wlan0");
  EXPECT_EQ(connection.stack(), "relay/tcp");
  EXPECT_EQ(heard(), std::vector<std::string>{"192.0.2.7:443"});
  std::vector<std::string> tried;
  for (const std::string id : {"1.1.1", "1.1.2", "1.1.3", "1.1.4"})
    tried.push_back(std::ranges::find(report->nodes, id, &RaceNode::id)->text());
  EXPECT_EQ(tried, (std::vector<std::string>{"[away.example:1080, wlan0, relay/tcp]",
                                             "[silent.example:1080, wlan0, relay/tcp]",
                                             "[proxy.example:1080, wlan0, relay/tcp]", "[192.0.2.7:443, wlan0, tcp]"}));
  EXPECT_EQ(std::ranges::find(report->nodes, "1.1.4", &RaceNode::id)->started_at, TimePoint{});
}

// The shipped policy with the real plugins; the proxies are those of the server.
struct ShippedProxies : Phone {
  ShippedProxies() {
    std::ifstream in(TRELLIS_SOURCE_DIR "/policies/proxy.xml");
    std::string text{std::istreambuf_iterator<char>(in), {}};
    for (std::size_t at = 0; (at = text.find("\"localhost\"", at)) != std::string::npos;)
      text.replace(at, 11, "\"192.0.2.7\"");
    auto policy = parse_policy(text, "proxy.xml");
    EXPECT_TRUE(policy) << policy.error().detail;
    auto loaded = framework->core().load({*policy});
    EXPECT_TRUE(loaded) << loaded.error().detail;
  }
  /// A proxy at the server, which says whom it was asked for.
  void proxy(const std::string& stack, std::uint16_t port) {
    bool there = false;
    listeners.push_back(Preconnection(*framework)
                            .stack(stack)
                            .local({.host = {}, .port = port})
                            .listen(server.loop(), {.listening = [&there](const Address&) { there = true; },
                                                    .received =
                                                        [this](Connection c) {
                                                          wanted.push_back(
                                                              std::string(c.stack().substr(0, c.stack().find('/'))) +
                                                              " " + target_of(c));
                                                          peers.push_back(std::move(c));
                                                        },
                                                    .failed = [](const Error& e) { ADD_FAILURE() << e.detail; }}));
    ASSERT_TRUE(world.run_until([&] { return there; }, 1s));
  }
  static std::string target_of(const Connection& connection) {
    for (const char* property : {"socks5.target", "http-connect.target"}) {
      if (const auto target = connection.get(property)) return std::get<std::string>(*target);
    }
    return "nobody";
  }
  std::vector<std::string> wanted;
};

TEST_F(ShippedProxies, TheFirstThatIsThereCarries) {
  proxy("socks5/tcp", 1080);
  proxy("http-connect/tcp", 8080);
  connect(to());
  EXPECT_EQ(connection.stack(), "socks5/tcp");
  EXPECT_EQ(wanted, std::vector<std::string>{"socks5 192.0.2.7:443"}) << "no other was asked";
}

TEST_F(ShippedProxies, TheNextFollowsOneThatIsAway) {
  proxy("http-connect/tcp", 8080);
  connect(to());
  EXPECT_EQ(connection.stack(), "http-connect/tcp");
  EXPECT_EQ(wanted, std::vector<std::string>{"http-connect 192.0.2.7:443"});
}

// RACE-63: a proxy that is slow is not passed over before it has had its time.
TEST_F(ShippedProxies, DirectFollowsAProxyThatSaysNothing) {
  listen(1080);
  connect(to());
  EXPECT_EQ(connection.stack(), "tcp");
  const auto& silent = *std::ranges::find(report->nodes, "1.1.1", &RaceNode::id);
  const auto& http = *std::ranges::find(report->nodes, "1.1.2", &RaceNode::id);
  const auto& direct = *std::ranges::find(report->nodes, "1.1.3", &RaceNode::id);
  EXPECT_GE(silent.ended_at - silent.started_at, 5s);
  EXPECT_EQ(http.started_at, silent.ended_at);
  EXPECT_EQ(direct.started_at, http.ended_at);
}

}  // namespace
}  // namespace trellis::tests
