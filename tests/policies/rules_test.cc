// Which policy is used: <applies-to>, and what rules can never do.
#include "policy_world.h"
#include "trellis/address_text.h"

namespace trellis {
namespace {

std::string refusal(std::string_view prefix) {
  const auto parsed = parse_prefix(prefix);
  return parsed ? "accepted" : parsed.error().detail;
}

bool contains(std::string_view prefix, std::string_view address) {
  return parse_prefix(prefix).value().contains(*parse_address(address, 443));
}

TEST(Rules, Prefixes) {
  EXPECT_TRUE(contains("192.0.2.0/24", "192.0.2.255"));
  EXPECT_FALSE(contains("192.0.2.0/24", "192.0.3.0"));
  EXPECT_TRUE(contains("192.0.2.128/25", "192.0.2.129"));
  EXPECT_FALSE(contains("192.0.2.128/25", "192.0.2.127"));
  EXPECT_TRUE(contains("192.0.2.1", "192.0.2.1"));
  EXPECT_FALSE(contains("192.0.2.1", "192.0.2.2"));
  EXPECT_TRUE(contains("0.0.0.0/0", "203.0.113.9"));
  EXPECT_FALSE(contains("0.0.0.0/0", "2001:db8::1")) << "families do not mix";
  EXPECT_TRUE(contains("2001:db8::/33", "2001:db8:7fff::1"));
  EXPECT_FALSE(contains("2001:db8::/33", "2001:db8:8000::1"));
  EXPECT_TRUE(contains("192.0.2.0/24", "::ffff:192.0.2.7")) << "the same address, written in another way";
  EXPECT_TRUE(contains("::ffff:192.0.2.0/120", "192.0.2.7"));
  EXPECT_FALSE(AddressPrefix{}.contains(*parse_address("192.0.2.1", 1)));
  EXPECT_EQ(refusal("192.0.2.1/24"), "found \"192.0.2.1/24\", expected 192.0.2.0/24, whose last bits are zero");
  EXPECT_EQ(refusal("2001:db8::1/32"), "found \"2001:db8::1/32\", expected 2001:db8::/32, whose last bits are zero");
  for (const char* wrong : {"192.0.2.0/33", "192.0.2.0/-1", "192.0.2.0/", "192.0.2.0/x"}) {
    EXPECT_TRUE(refusal(wrong).ends_with("expected a number of bits from 0 to 32 behind the /")) << refusal(wrong);
  }
  for (const char* wrong : {"", "/", "example.net", "[::1]", "fe80::1%1", "192.0.2/24"}) {
    EXPECT_TRUE(refusal(wrong).contains("expected an address like 192.0.2.1 or a prefix like")) << refusal(wrong);
  }
}

TEST(Rules, Patterns) {
  EXPECT_TRUE(matches("*.example.net", "www.example.net"));
  EXPECT_FALSE(matches("*.example.net", "example.net"));
  EXPECT_FALSE(matches("*.example.net", "www.example.net.evil.com"));
  EXPECT_TRUE(matches("*", ""));
  EXPECT_TRUE(matches("", ""));
  EXPECT_FALSE(matches("", "a"));
  EXPECT_TRUE(matches("a*b*c", "a-b-b-c"));
  EXPECT_FALSE(matches("a*b*c", "a-b-b"));
  EXPECT_TRUE(matches("wlan*", "wlan"));
  EXPECT_FALSE(matches("wlan", "wlan0"));
  const std::string evil(1000, 'a');  // no pattern takes long
  EXPECT_FALSE(matches("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", evil));
}

struct RulesTest : PolicyWorld {
  std::string chosen(const Preconnection::Wishes& wishes) {
    const auto plan = core.plan(wishes);
    return plan ? plan->profile->policy.name : plan.error().detail;
  }
  std::string chosen_for(std::string host, std::uint16_t port) { return chosen({.remote = {std::move(host), port}}); }
};

std::string rules(const std::string& inner) { return "<applies-to>" + inner + "</applies-to>" + kTcp; }

TEST_F(RulesTest, EndpointsSelect) {
  ASSERT_TRUE(load({{"plain", kTcp},
                    {"web", rules("<endpoint host='*.example.net' port='443'/><endpoint host='example.org'/>")},
                    {"lab", rules("<endpoint address='192.0.2.0/24'/><endpoint address='2001:db8::/32' port='7'/>")},
                    {"port", rules("<endpoint port='7000'/>")}}));
  EXPECT_EQ(chosen_for("www.example.net", 443), "web");
  EXPECT_EQ(chosen_for("WWW.Example.NET.", 443), "web");
  EXPECT_EQ(chosen_for("www.example.net", 80), "plain");
  EXPECT_EQ(chosen_for("example.net", 443), "plain");
  EXPECT_EQ(chosen_for("example.org", 1), "web");
  EXPECT_EQ(chosen_for("192.0.2.77", 1), "lab");
  EXPECT_EQ(chosen_for("192.0.3.77", 7000), "port");
  EXPECT_EQ(chosen_for("2001:db8::1", 7), "lab");
  EXPECT_EQ(chosen_for("2001:db8::1", 8), "plain");
  EXPECT_EQ(chosen({.remote = {.address = *parse_address("192.0.2.77", 9)}}), "lab");
  EXPECT_EQ(chosen({.remote = {.address = *parse_address("192.0.3.77", 7000)}}), "port");
  EXPECT_EQ(chosen({.local = {.port = 7000}}), "port") << "listening has the same rules";
  EXPECT_EQ(chosen({.local = {.port = 7001}}), "plain");
}

TEST_F(RulesTest, ApplicationsPathsAndDomainsSelect) {
  ASSERT_TRUE(load({{"plain", kTcp},
                    {"wlan", rules("<path interface='wlan*'/>")},
                    {"vpn", rules("<pvd name='tun*'/><pvd name='corp'/>")},
                    {"backup", rules("<application name='backup-*'/><endpoint port='873'/>")}}));
  EXPECT_EQ(chosen({.remote = {"a", 1}, .interface_name = "wlan0"}), "wlan");
  EXPECT_EQ(chosen({.remote = {"a", 1}, .interface_name = "eth0"}), "plain");
  EXPECT_EQ(chosen({.remote = {"a", 1}, .interface_name = "tun3"}), "vpn") << "an interface is a domain of its own";
  EXPECT_EQ(chosen_for("a", 873), "backup");
  EXPECT_EQ(chosen_for("a", 874), "plain") << "of each kind of rule one must fit";
  core.options.application = "restore";
  EXPECT_EQ(chosen_for("a", 873), "plain");
}

TEST_F(RulesTest, DomainsThatAreKnownCount) {
  AppliesTo rules;
  rules.provisioning_domains = {"corp*"};
  const Endpoint endpoint{"a", 1};
  Path path{.interface_name = "eth0", .provisioning_domain = "corp.example"};
  EXPECT_TRUE(rules.fits({&endpoint, "app", &path}));
  path.provisioning_domain = "home";
  EXPECT_FALSE(rules.fits({&endpoint, "app", &path}));
  path = {.interface_name = "corp0", .provisioning_domain = "home"};
  EXPECT_FALSE(rules.fits({&endpoint, "app", &path}));
  rules.provisioning_domains = {"*"};
  path = {};
  EXPECT_FALSE(rules.fits({&endpoint, "app", &path})) << "routing decides: nothing is known";
}

TEST_F(RulesTest, FirstThatFitsAndThenTheFirstWithoutRules) {
  ASSERT_TRUE(load({{"first", rules("<endpoint port='1'/>")},
                    {"second", rules("<endpoint port='1'/><endpoint port='2'/>")},
                    {"otherwise", kTcp},
                    {"never", kTcp}}));
  EXPECT_EQ(chosen_for("a", 1), "first");
  EXPECT_EQ(chosen_for("a", 2), "second");
  EXPECT_EQ(chosen_for("a", 3), "otherwise");
  EXPECT_EQ(chosen({.remote = {"a", 1}, .profile = "never"}), "never") << "rules are asked only when none is named";
}

TEST_F(RulesTest, AProfileThatIsNotLoaded) {
  ASSERT_TRUE(load({{"default", kTcp}, {"secure", kTls}}));
  EXPECT_EQ(chosen({.remote = {"a", 1}, .profile = "secrue"}),
            "found profile \"secrue\", which is not loaded, expected default or secure: did you mean \"secure\"?");
}

TEST_F(RulesTest, NoneFits) {
  ASSERT_TRUE(load({{"one", rules("<endpoint port='1'/>")}}));
  EXPECT_EQ(chosen_for("a.example", 2),
            "found no policy for a.example:2: every loaded one has rules that do not fit; expected one without "
            "<applies-to>, or that the application names one");
}

// RACE-95, API-255, IMPL-11, IMPL-12: a rule cannot weaken what was asked for, and no other policy stands in for the
// one that it chose.
TEST_F(RulesTest, NeverWeakenWhatTheApplicationAskedFor) {
  ASSERT_TRUE(load({{"secure", kTls}, {"plain", rules("<endpoint port='80'/>")}}));
  const FeatureSet secret = {Feature::confidentiality};
  EXPECT_EQ(chosen({.remote = {"a", 443}, .require = secret}), "secure");
  EXPECT_EQ(chosen({.remote = {"a", 80}, .require = secret}),
            "no stack of the policy 'plain' does what is required: tcp: lacks what is required: confidentiality");
  EXPECT_EQ(chosen({.remote = {"a", 80}, .profile = "secure"}), "secure");
}

// IMPL-16: what is prohibited or lacks what is required is not there; then what is preferred counts, and what is to be
// avoided only among equals.
TEST_F(RulesTest, WishesOrderTheStacks) {
  ASSERT_TRUE(load({{"both",
                     "<stacks><stack name='tls'><layer protocol='tls'/><layer protocol='tcp'/></stack>"
                     "<stack name='quic'><layer protocol='quic'/><layer protocol='udp'/></stack></stacks>"
                     "<equivalence><same-security reason='because'><stack name='tls'/><stack name='quic'/>"
                     "</same-security></equivalence>"}}));
  const auto order = [this](Preconnection::Wishes wishes) {
    wishes.remote = {"a", 443};
    const auto plan = core.plan(wishes);
    if (!plan) return plan.error().detail;
    std::string all;
    for (const auto& stack : plan->stacks) all += (all.empty() ? "" : " ") + stack->text;
    return all;
  };
  const FeatureSet only_quic = {Feature::multistreaming}, only_tls = {Feature::keepalive},
                   both = {Feature::confidentiality};
  EXPECT_EQ(order({}), "tls/tcp quic/udp") << "the policy's order";
  EXPECT_EQ(order({.prefer = only_quic}), "quic/udp tls/tcp");
  EXPECT_EQ(order({.avoid = only_tls}), "quic/udp tls/tcp");
  EXPECT_EQ(order({.prefer = both, .avoid = only_tls}), "quic/udp tls/tcp") << "equals otherwise";
  EXPECT_EQ(order({.prefer = only_quic, .avoid = only_quic}), "quic/udp tls/tcp") << "preferring weighs more";
  EXPECT_EQ(order({.prohibit = only_quic, .prefer = only_quic}), "tls/tcp");
  EXPECT_EQ(order({.require = only_quic, .avoid = only_quic}), "quic/udp");
}

TEST_F(RulesTest, NamesAreGivenOnce) {
  const auto loaded = load({{"same", kTcp}, {"same", kTls}});
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().detail,
            "same.xml:1: found the name \"same\", which the policy at same.xml:1 has, expected another");
}

TEST(Rules, ApplicationsAreCalledAsTheirProgram) {
  EXPECT_EQ(FrameworkCore({}, {}).options.application, "policies_tests");
  EXPECT_EQ(FrameworkCore({.application = "mine"}, {}).options.application, "mine");
}

}  // namespace
}  // namespace trellis
