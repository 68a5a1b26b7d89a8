// What answers do to a race: services order stacks and endpoints, RFC 6724 addresses; resolvers follow each other.
// The stacks are nothing but their traits, so every attempt fails at once and all that could be tried is tried.
#include <gmock/gmock.h>

#include <filesystem>
#include <format>

#include "core/fake_protocols.h"
#include "core/framework_core.h"
#include "names_world.h"
#include "support/process.h"
#include "tool/replay.h"
#include "tool/trace.h"
#include "trellis/preconnection.h"

namespace trellis::tests {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

class SteeringTest : public NamesWorld {
 protected:
  SteeringTest() {
    server.on("A", "a.example").records = {"192.0.2.54"};
    server.on("AAAA", "a.example").records = {"2001:db8::53"};
  }
  ~SteeringTest() override {
    connection = {};
    if (framework) framework->core().forget(client.loop());
    framework.reset();
  }
  void load(
      const std::string& names = R"(<resolver name="dns"><option name="servers" value="192.0.2.53"/></resolver>)") {
    auto policy = parse_policy(
        std::format(
            R"(<policy xmlns="urn:trellis:policy:1" name="p"><names>{}</names><stacks>)"
            R"(<stack name="tls"><layer protocol="tls"/><layer protocol="tcp"/></stack>)"
            R"(<stack name="quic"><layer protocol="quic"/><layer protocol="udp"/></stack></stacks>)"
            R"(<equivalence><same-security reason="test"><stack name="tls"/><stack name="quic"/></same-security>)"
            R"(</equivalence></policy>)",
            names),
        "p.xml");
    ASSERT_TRUE(policy) << policy.error().detail;
    FrameworkOptions given;
    given.plugin_directories = {TRELLIS_BUILD_DIR "/plugins"};
    given.log = [this](Severity, std::string_view who, std::string_view text) {
      log.push_back(std::string(who) + ": " + std::string(text));
    };
    auto core = std::make_unique<FrameworkCore>(std::move(given), std::vector<PluginRules>{});
    ASSERT_TRUE(core->registry.link("fakes", fakes::add_all));
    ASSERT_TRUE(core->registry.link("dns-here",
                                    [](Registrar& registrar) { registrar.add(std::make_unique<dns::DnsResolver>()); }));
    const auto loaded = core->load({std::move(*policy)});
    ASSERT_TRUE(loaded) << loaded.error().detail;
    framework = std::make_unique<Framework>(std::move(core));
  }
  /// "tls 192.0.2.54:443", each attempt in the order of starting.
  std::vector<std::string> race(std::vector<std::string> alpn, Endpoint remote = {.host = "a.example", .port = 443}) {
    auto security = std::make_shared<Security>();
    security->alpn = std::move(alpn);
    std::vector<std::string> order;
    steps.clear();
    Preconnection to(*framework);
    to.remote(std::move(remote)).security(security).on_race([&](const RaceReport& report) {
      reordered = std::ranges::count(report.steps, RaceStep::Kind::moved, &RaceStep::kind);
      replays(report);
      tree.clear();
      for (const RaceNode& node : report.nodes) tree.push_back(node.id + " " + node.text());
      for (const RaceStep& step : report.steps) {
        const RaceNode& node = report.nodes[step.node];
        steps.push_back(node.id + " " + std::string(to_string(step.kind)) + " " + step.text());
        if (step.kind == RaceStep::Kind::started && node.attempt && order.empty()) first = step.at - report.begun_at;
        if (step.kind == RaceStep::Kind::started && node.attempt)
          order.push_back(node.stack.substr(0, node.stack.find('/')) + " " + to_text(node.remote.address));
      }
    });
    std::optional<Result<void>> ready;
    connection = to.initiate(client.loop(), [&](Result<void> how) { ready = std::move(how); });
    EXPECT_TRUE(world.run_until([&] { return ready.has_value(); }, 60s));
    error = ready && !*ready ? ready->error().detail : "";
    return order;
  }
  /// The race was written down such that it can be repeated, whatever answers ordered anew meanwhile.
  void replays(const RaceReport& report) {
    const auto read = tool::parse_trace(tool::to_trace(report), "trace");
    ASSERT_TRUE(read) << read.error().detail;
    const auto repeated = tool::replay(*read, framework->core().registry);
    ASSERT_TRUE(repeated) << repeated.error().detail;
    EXPECT_FALSE(repeated->difference) << *repeated->difference;
  }
  std::unique_ptr<Framework> framework;
  Connection connection;
  std::vector<std::string> steps, tree, log;
  std::string error;
  Duration first{};              // attempt
  std::ptrdiff_t reordered = 0;  // candidates
};

// RACE-147, RACE-148, RACE-151, RACE-152: what the peer speaks decides which stack goes first.
TEST_F(SteeringTest, AlpnH3PutsQuicFirst) {
  load();
  EXPECT_THAT(race({"h3", "h2"}), ElementsAre("tls [2001:db8::53]:443", "tls 192.0.2.54:443", "quic [2001:db8::53]:443",
                                              "quic 192.0.2.54:443"))
      << "without service records the policy's order holds";
  world.run_for(61s);
  server.on("HTTPS", "a.example").records = {"1 . alpn=h3,h2"};
  EXPECT_THAT(race({"h3", "h2"}), ElementsAre("quic [2001:db8::53]:443", "quic 192.0.2.54:443",
                                              "tls [2001:db8::53]:443", "tls 192.0.2.54:443"));
  EXPECT_THAT(race({"h2", "h3"}).front(), "tls [2001:db8::53]:443") << "of one service the application's order counts";
  EXPECT_THAT(race({}).front(), "tls [2001:db8::53]:443") << "and nothing does for whom it makes no difference";
}

// RACE-153: endpoints that speak nothing of ours are not tried.
TEST_F(SteeringTest, WhatThePeerDoesNotSpeakIsNotTried) {
  load();
  server.on("HTTPS", "a.example").records = {"1 . alpn=h2"};
  EXPECT_THAT(race({"h3", "h2"}), ElementsAre("tls [2001:db8::53]:443", "tls 192.0.2.54:443"));
  world.run_for(61s);
  server.on("HTTPS", "a.example").records = {"1 . alpn=h3 no-default-alpn"};
  EXPECT_THAT(race({"h2"}), ElementsAre()) << "h3 only, and we speak h2 only";
  EXPECT_THAT(error, HasSubstr("no service of a.example speaks what the application speaks over"));
}

// RACE-25, RACE-150, IMPL-22: port, target and priority make the endpoints; those without a service go last.
TEST_F(SteeringTest, PortTargetAndPriorityMakeTheEndpoints) {
  load();
  server.on("HTTPS", "a.example").records = {"2 . alpn=h2", "1 alt.example. alpn=h3,h2 port=8443"};
  server.on("A", "alt.example").records = {"203.0.113.9"};
  EXPECT_THAT(race({"h3", "h2"}), ElementsAre("quic 203.0.113.9:8443", "tls 203.0.113.9:8443", "tls [2001:db8::53]:443",
                                              "tls 192.0.2.54:443"));
}

// RACE-141, RACE-154: an answer that does not come holds the race up for the resolution delay only.
TEST_F(SteeringTest, ALostServiceAnswerCostsTheResolutionDelay) {
  load();
  server.on("HTTPS", "a.example") = {.ignore = 100};
  race({"h3", "h2"});
  EXPECT_EQ(first / 1ms, 50);
}

// RACE-135, RACE-46: services that come late order what has not started.
TEST_F(SteeringTest, LateServicesOrderWhatHasNotStarted) {
  load();
  server.on("HTTPS", "a.example") = {.records = {"1 . alpn=h2 port=8443"}, .after = 80ms};
  server.on("A", "a.example").after = 40ms;
  server.on("AAAA", "a.example").after = 100ms;
  const auto order = race({"h2"});
  EXPECT_THAT(order.front(), testing::AnyOf("tls 192.0.2.54:443", "tls 192.0.2.54:8443"));
  EXPECT_THAT(order, testing::Contains("tls [2001:db8::53]:8443"));
  EXPECT_GT(reordered, 0);
}

// API-37, IMPL-22: a service by name has SRV records.
TEST_F(SteeringTest, SrvRecordsMakeTheEndpoints) {
  load();
  server.on("SRV", "_chat._tcp.a.example").records = {"1 0 5222 one.example."};
  server.on("A", "one.example").records = {"203.0.113.1"};
  EXPECT_THAT(race({}, {.host = "a.example", .port = 1, .service = "chat"}),
              ElementsAre("tls 203.0.113.1:5222", "quic 203.0.113.1:5222"));
  EXPECT_THAT(race({}, {.host = "a.example", .port = 9, .service = "other"}).front(), "tls [2001:db8::53]:9");
}

// RACE-26, RACE-32, RACE-2: a service is derived to hosts, and each of them to addresses of its own.
TEST_F(SteeringTest, ServicesOfTheLinkBecomeHostsAndThenAddresses) {
  load();
  DnsServer neighbour(far.loop(), {.family = Address::Family::ipv4, .port = 5353});
  neighbour.on("PTR", "_ipp._tcp.local").records = {"Office._ipp._tcp.local", "Hall._ipp._tcp.local"};
  neighbour.on("SRV", "office._ipp._tcp.local").records = {"0 0 631 one.local"};
  neighbour.on("SRV", "hall._ipp._tcp.local").records = {"0 0 8631 two.local"};
  neighbour.on("A", "one.local").records = {"192.0.2.54"};
  neighbour.on("AAAA", "one.local").records = {"2001:db8::53"};
  neighbour.on("A", "two.local").records = {"192.0.2.53"};
  neighbour.on("AAAA", "two.local").records = {"2001:db8::53"};
  const auto order = race({}, {.host = "local", .service = "ipp", .instance = "*"});
  EXPECT_THAT(order, testing::IsSupersetOf({"tls [2001:db8::53]:631", "tls 192.0.2.54:631", "tls [2001:db8::53]:8631",
                                            "tls 192.0.2.53:8631", "quic 192.0.2.54:631"}));
  EXPECT_THAT(
      tree, testing::IsSupersetOf({"1 [*._ipp._tcp.local, any, any]", "1.1.1 [*._ipp._tcp.local, any, tls/tcp]",
                                   "1.1.1.1 [one.local:631, any, tls/tcp]", "1.1.1.2 [two.local:8631, any, tls/tcp]"}));
  EXPECT_THAT(tree, testing::Contains(testing::MatchesRegex(R"(1\.1\.1\.1\.[12] \[192.0.2.54:631, any, tls/tcp\])")));
  EXPECT_THAT(tree, testing::Contains(testing::MatchesRegex(R"(1\.1\.1\.2\.[12] \[192.0.2.53:8631, any, tls/tcp\])")));
  EXPECT_EQ(neighbour.asked("PTR", "_ipp._tcp.local"), 3u) << "for both stacks: at once, and again twice";
  EXPECT_TRUE(race({}, {.host = "local", .service = "none", .instance = "*"}).empty());
  EXPECT_EQ(error, "nobody offers *._none._tcp.local: nobody on the link has answered");
  connection = {};
  framework->core().forget(client.loop());
  load(R"(<resolver name="hosts"/>)");
  race({}, {.host = "local", .service = "ipp", .instance = "*"});
  EXPECT_EQ(
      error,
      "nobody offers *._ipp._tcp.local: no resolver of the policy looks for services, expected one in <names>: dns");
}

// RACE-136, RACE-166: an IPv4 address where routing leads to IPv6 only is translated, without a word about paths.
TEST_F(SteeringTest, Ipv4AddressesBehindNat64WhereRoutingDecides) {
  client.interface("eth0").remove_address("192.0.2.1");
  DnsServer v6(far.loop(), at("2001:db8::53"));
  v6.on("AAAA", "ipv4only.arpa").records = {"2001:db8:64::c000:aa"};
  far.interface("eth0").add_address("2001:db8:64::c633:6407");
  far.interface("eth0").add_address("64:ff9b::");  // there is a way to everywhere
  load(R"(<resolver name="dns"><option name="servers" value="2001:db8::53"/></resolver>)");
  EXPECT_THAT(race({}, {.address = at("198.51.100.7", 443)}),
              ElementsAre("tls 198.51.100.7:443", "quic 198.51.100.7:443", "tls [2001:db8:64::c633:6407]:443",
                          "quic [2001:db8:64::c633:6407]:443"))
      << "what fails at once for want of a route has another way then";
  EXPECT_EQ(first, Duration{});
  client.interface("eth0").add_address("192.0.2.1");
  const std::size_t asked = v6.log.size();
  EXPECT_THAT(race({}, {.address = at("192.0.2.54", 443)}), ElementsAre("tls 192.0.2.54:443", "quic 192.0.2.54:443"));
  EXPECT_EQ(v6.log.size(), asked) << "there is IPv4 now";
}

// RACE-45, RACE-127: addresses are ordered by RFC 6724, with the table of the policy.
TEST_F(SteeringTest, AddressesAreOrderedWithThePolicysTable) {
  load(R"(<resolver name="dns"><option name="servers" value="192.0.2.53"/></resolver>)"
       R"(<prefix address="::/0" precedence="40" label="1"/>)"
       R"(<prefix address="::ffff:0:0/96" precedence="100" label="4"/>)");
  server.on("AAAA", "a.example").after = 20ms;  // the first answer does not wait, the second one does
  EXPECT_EQ(race({}).front(), "tls 192.0.2.54:443");
}

// RACE-138, RACE-167: what NAT64 shows is an IPv4 address to the order of addresses and to the policy.
TEST_F(SteeringTest, TranslatedAddressesAreOrderedAsIpv4) {
  client.interface("eth0").remove_address("192.0.2.1");
  DnsServer v6(far.loop(), at("2001:db8::53"));
  v6.on("AAAA", "ipv4only.arpa").records = {"2001:db8:64::c000:aa"};
  v6.on("AAAA", "old.example").records = {};
  v6.on("A", "old.example").records = {"198.51.100.7"};
  v6.on("AAAA", "both.example").records = {"2001:db8:64::c633:6408", "2001:db8::54"};
  v6.on("A", "both.example").records = {"198.51.100.8"};
  for (const char* there : {"2001:db8:64::c633:6407", "2001:db8:64::c633:6408", "2001:db8::54", "64:ff9b::"})
    far.interface("eth0").add_address(there);
  load(R"(<resolver name="dns"><option name="servers" value="2001:db8::53"/></resolver>)"
       R"(<prefix address="2001:db8::/32" precedence="40" label="1"/>)"
       R"(<prefix address="::ffff:0:0/96" precedence="35" label="4"/>)");
  race({}, {.host = "old.example", .port = 80});  // the prefix is known from now on
  const auto order = race({}, {.host = "both.example", .port = 80});
  EXPECT_EQ(order.front(), "tls [2001:db8::54]:80") << "although the answer has it last";
  EXPECT_THAT(order, testing::Contains("tls [2001:db8:64::c633:6408]:80"));
}

// RACE-178, RACE-190: addresses without a source go last; a connected socket says what the source is.
TEST_F(SteeringTest, AddressesThatCannotBeReachedGoLast) {
  load();
  client.interface("eth0").remove_address("2001:db8::1");
  server.on("AAAA", "a.example").after = 20ms;
  EXPECT_EQ(race({}).front(), "tls 192.0.2.54:443");
}

// The next resolver is asked when one does not know the name, and the trace says who said what.
TEST_F(SteeringTest, ResolversFollowEachOther) {
  const test::TemporaryDirectory folder;
  const std::string file = folder.write("hosts", "192.0.2.99 b.example # by hand\n");
  load(R"(<resolver name="hosts"><option name="file" value=")" + file +
       R"("/></resolver>)"
       R"(<resolver name="dns"><option name="servers" value="192.0.2.53"/></resolver>)");
  EXPECT_THAT(race({}, {.host = "b.example", .port = 80}), ElementsAre("tls 192.0.2.99:80", "quic 192.0.2.99:80"));
  EXPECT_EQ(server.log.size(), 0u);
  EXPECT_THAT(steps, testing::Contains(HasSubstr("by " + file)));
  EXPECT_EQ(race({}).front(), "tls [2001:db8::53]:443");
  EXPECT_THAT(steps, testing::Contains(HasSubstr("by 192.0.2.53:53")));
  race({}, {.host = "nowhere.example", .port = 80});
  EXPECT_EQ(error, "no address was found for nowhere.example: the name does not exist");
}

// A hosts file that was edited, replaced or taken away counts from the next question on.
TEST_F(SteeringTest, AHostsFileIsReadAgain) {
  const test::TemporaryDirectory folder;
  const std::string file = folder.write("hosts", "192.0.2.99 b.example\n");
  load(R"(<resolver name="hosts"><option name="file" value=")" + file + R"("/></resolver>)");
  const auto where = [this] { return race({}, {.host = "b.example", .port = 80}).front(); };
  EXPECT_EQ(where(), "tls 192.0.2.99:80");
  folder.write("hosts", "# edited\n192.0.2.98 b.example\n");
  EXPECT_EQ(where(), "tls 192.0.2.98:80");
  std::filesystem::rename(folder.write("new", "# edited\n192.0.2.97 b.example\n"), file);
  EXPECT_EQ(where(), "tls 192.0.2.97:80") << "of the same size, in the place of the other";
  std::filesystem::remove(file);
  race({}, {.host = "b.example", .port = 80});
  EXPECT_THAT(error, HasSubstr(file + " cannot be read: No such file or directory"));
  folder.write("hosts", "192.0.2.96 b.example\n");
  EXPECT_EQ(where(), "tls 192.0.2.96:80");
}

// Wrong lines are named in the log once for each version of the file, although the name is found.
TEST_F(SteeringTest, WrongLinesOfAHostsFileAreNamed) {
  const test::TemporaryDirectory folder;
  const std::string file = folder.write("hosts", "192.0.2.99 b.example\n192.0.2.300 c.example\n");
  load(R"(<resolver name="hosts"><option name="file" value=")" + file + R"("/></resolver>)");
  EXPECT_EQ(race({}, {.host = "b.example", .port = 80}).front(), "tls 192.0.2.99:80");
  race({}, {.host = "b.example", .port = 80});
  EXPECT_THAT(log, ElementsAre("hosts: " + file +
                               ":2: found \"192.0.2.300\", expected an address like 192.0.2.1 or 2001:db8::1: it is "
                               "left out"));
  folder.write("hosts", "192.0.2.99 b.example\n\nx.y c.example # edited\n");
  race({}, {.host = "b.example", .port = 80});
  EXPECT_THAT(log, SizeIs(2));
}

// RACE-92: a node has so many children at most.
TEST_F(SteeringTest, ManyAddressesAreBounded) {
  load();
  DnsRule& rule = server.on("A", "many.example");
  rule.truncate = true;
  for (int i = 0; i < 1000; ++i) rule.records.push_back("192.0.2." + std::to_string(100 + i % 100));
  for (int i = 0; i < 1000; ++i)
    rule.records.push_back("10.0." + std::to_string(i / 250) + "." + std::to_string(i % 250));
  EXPECT_LE(race({}, {.host = "many.example", .port = 80}).size(), 64u);
}

}  // namespace
}  // namespace trellis::tests
