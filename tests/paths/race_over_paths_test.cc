// Racing over the ways out of a simulated host: which are tried, which one wins, what happens when they come and go,
// and what a Connection hears of its own.
#include "phone.h"

namespace trellis::tests {
namespace {

struct PhoneThatPrefersMobile : Phone {
  PhoneThatPrefersMobile() : Phone(R"(<prefer interface="wwan*"/>)") {}
};
struct PhoneWithoutWifi : Phone {
  PhoneWithoutWifi() : Phone(R"(<prohibit interface="wlan0"/>)") {}
};

// API-9, API-11: what was selected can be read, under names of its own where it is ours, and not be changed.
TEST_F(Phone, GoesOutByTheFirstPathAndSaysSo) {
  EXPECT_EQ(connect(to()), "wlan0");
  EXPECT_EQ(tried(), "wlan0@0");
  EXPECT_EQ(connection.node(), "1.1.1") << "an address over one stack is a leaf";  // RACE-42
  EXPECT_EQ(to_text(connection.local()).substr(0, 9), "10.1.0.2:");
  EXPECT_EQ(std::get<std::string>(connection.get("interface").value()), "wlan0");
  EXPECT_EQ(std::get<std::string>(connection.get("pvd").value()), "wlan0") << "a domain of its own (RFC 7556)";
  EXPECT_NE(std::get<std::uint64_t>(connection.get(kPath.name).value()), 0u);
  EXPECT_FALSE(connection.set("interface", std::string("wwan0")));
}

// RACE-34, RACE-35, RACE-23: a path that swallows everything costs the delay of the path branch.
TEST_F(Phone, TriesTheNextPathAfterADelay) {
  swallow(*wifi);
  EXPECT_EQ(connect(to()), "wwan0");
  EXPECT_EQ(tried(), "wlan0@0 wwan0@500");
  EXPECT_EQ(to_text(connection.local()).substr(0, 9), "10.2.0.2:");
  EXPECT_EQ(report->nodes[0].branch, Branch::path);
}

// RACE-24, RACE-41, IMPL-22: a name is resolved on each path, when the path is tried. RACE-11, RACE-10
TEST_F(Phone, ResolvesNamesOnEachPath) {
  swallow(*wifi);
  EXPECT_EQ(connect(to("www.example.net")), "wwan0");
  EXPECT_EQ(asked, (std::vector<std::string>{"wlan0", "wwan0"}));
  // The mobile network has no IPv6 address, so no IPv6 address is reached by it.
  EXPECT_EQ(tried(), "wlan0@0 wlan0@250 wwan0@500");
  EXPECT_TRUE(std::ranges::any_of(report->steps, [](const RaceStep& step) {
    return step.kind == RaceStep::Kind::dropped && step.why == "the path does not lead to it";
  }));
}

// RACE-55, RACE-56, RACE-88: the next path waits twice as long as the one before should need, within bounds.
TEST_F(Phone, WaitsForWhatIsExpectedOfAPath) {
  paths->add = [](Path& path) { path.smoothed_rtt = path.interface_name == "wlan0" ? 300ms : 400ms; };
  swallow(*wifi);
  EXPECT_EQ(connect(to()), "wwan0");
  EXPECT_EQ(tried(), "wlan0@0 wwan0@600");
}

// RACE-7, RACE-24, API-124: two provisioning domains on one interface are two paths.
TEST_F(Phone, DomainsOfOneInterfaceAreRacedEachForItself) {
  client.interface("wlan0").add_address("10.1.0.9");
  paths->add = [](Path& path) {
    if (path.local == ip("10.1.0.9")) path.provisioning_domain = "corp.example";
  };
  begin(to("www.example.net").interface_name("wlan0").family(Address::Family::ipv4).connect_timeout(3s));
  swallow(*wifi);
  finish();
  EXPECT_EQ(tried(), "wlan0@0 wlan0 (corp.example)@500");
  EXPECT_EQ(asked.size(), 2u);
}

// API-124
TEST_F(Phone, ADomainCanBeAskedFor) {
  client.interface("wlan0").add_address("10.1.0.9");
  paths->add = [](Path& path) {
    if (path.local == ip("10.1.0.9")) path.provisioning_domain = "corp.example";
  };
  ASSERT_EQ(connect(to().path({.preference = Preference::require, .provisioning_domain = "corp.*"})), "wlan0");
  EXPECT_EQ(std::get<std::string>(connection.get("pvd").value()), "corp.example");
  EXPECT_EQ(to_text(connection.local()).substr(0, 9), "10.1.0.9:");
}

// API-125: by the property's name too; the later word counts.
TEST_F(Phone, TemporaryAddressesCanBeAskedFor) {
  paths->add = [](Path& path) { path.temporary = path.interface_name == "wwan0"; };
  const auto asking = [this](std::string word) { return to().set("useTemporaryLocalAddress", std::move(word)); };
  EXPECT_EQ(connect(asking("Require")), "wwan0");
  EXPECT_EQ(connect(asking("Prefer")), "wwan0");
  EXPECT_EQ(connect(asking("Avoid")), "wlan0");
  EXPECT_EQ(connect(asking("Require").set("useTemporaryLocalAddress", "No Preference")), "wlan0");
  EXPECT_THAT(connect(asking("Perhaps")), testing::StartsWith("useTemporaryLocalAddress is Require, Prefer, "));
}

// API-255: where nobody has said anything, what is known of the path decides.
TEST_F(Phone, WhatCostsGoesLast) {
  paths->add = [](Path& path) { path.metered = path.interface_name == "wlan0"; };
  EXPECT_EQ(connect(to()), "wwan0");
}

// API-255, IMPL-28
TEST_F(PhoneThatPrefersMobile, FollowsThePolicy) {
  EXPECT_EQ(connect(to()), "wwan0");
  EXPECT_EQ(tried(), "wwan0@0");
}

// IMPL-17, IMPL-28
TEST_F(PhoneThatPrefersMobile, TheApplicationWeighsMore) {
  EXPECT_EQ(connect(to().path({.preference = Preference::prefer, .interface_name = "wlan0"})), "wlan0");
}

// RACE-36: what is forbidden is not in the list at all, whoever forbids it.
TEST_F(PhoneWithoutWifi, NeverTriesWhatIsForbidden) {
  swallow(*mobile);
  EXPECT_EQ(connect(to().connect_timeout(5s)), "tcp to 192.0.2.7:443 was not established within 5000 ms");
  EXPECT_EQ(tried(), "wwan0@0");
}

// IMPL-11, IMPL-12: a path must suit both the application and the policy; the error says whom it does not suit.
// API-297, IMPL-12: PolicyProhibited.
TEST_F(PhoneWithoutWifi, SaysWhyNothingIsLeft) {
  EXPECT_EQ(connect(to().path({.preference = Preference::prohibit, .interface_name = "wwan0"})),
            "no path may be used to 192.0.2.7: wwan0: the application prohibits interface=wwan0; wlan0: the policy "
            "prohibits interface=wlan0");
  EXPECT_EQ(how->error().reason, Reason::prohibited);
}

TEST_F(Phone, FailsAtOnceWithoutAnyPath) {
  client.interface("wlan0").set_up(false);
  client.interface("wwan0").set_up(false);
  EXPECT_EQ(connect(to()), "no path may be used to 192.0.2.7: this host has none that is up");
  EXPECT_LT(world.now() - begun, 1ms);
}

// API-39
TEST_F(Phone, WhoIsBoundToAnInterfaceUsesNoOther) {
  swallow(*wifi);
  EXPECT_EQ(connect(to().interface_name("wlan0").connect_timeout(5s)),
            "tcp to 192.0.2.7:443 was not established within 5000 ms");
  EXPECT_EQ(tried(), "wlan0@0");
}

// RACE-46: what comes while the race runs joins it; what goes away fails, and the next one starts at once.
TEST_F(Phone, APathThatGoesAwayLeavesTheRace) {
  swallow(*wifi);
  world.after(100ms, [&] { client.interface("wlan0").set_up(false); });
  EXPECT_EQ(connect(to()), "wwan0");
  EXPECT_EQ(tried(), "wlan0@0 wwan0@100");
  const auto gone = std::ranges::find(report->nodes, "1.1", &RaceNode::id);
  ASSERT_NE(gone, report->nodes.end());
  EXPECT_EQ(gone->state, Child::State::failed);
  EXPECT_EQ(gone->failure->detail, "the path wlan0 went away");
}

TEST_F(Phone, APathThatComesUpLateJoinsTheRace) {
  swallow(*wifi);
  client.interface("wwan0").set_up(false);
  world.after(3s, [&] { client.interface("wwan0").set_up(true); });
  EXPECT_EQ(connect(to()), "wwan0");
  EXPECT_EQ(tried(), "wlan0@0 wwan0@3000");
}

TEST_F(Phone, AnAddressThatIsReplacedKeepsItsPath) {
  client.interface("wwan0").set_up(false);
  swallow(*wifi);
  world.after(100ms, [&] {
    client.interface("wlan0").remove_address("10.1.0.2");
    client.interface("wlan0").add_address("10.1.0.3");
  });
  begin(to().connect_timeout(5s));
  finish();
  ASSERT_TRUE(how && !*how);
  EXPECT_EQ(how->error().detail, "the address 10.1.0.2:0 on wlan0, from which it went out, went away");
}

TEST_F(Phone, AnAddressThatComesMakesNamesReachable) {
  client.interface("wlan0").set_up(false);
  world.after(100ms, [&] { client.interface("wwan0").add_address("2001:db8:1::9"); });
  swallow(*mobile);
  begin(to("www.example.net").connect_timeout(2s));
  finish();
  EXPECT_EQ(std::ranges::count_if(report->nodes, [](const RaceNode& node) { return node.attempt; }), 2);
}

// RACE-90: another network may be behind the interface that comes back; what was learnt of the old one is forgotten.
TEST_F(Phone, AnotherNetworkIsLearntAnew) {
  server.interface("eth0").add_address("192.0.2.8");
  wifi->block({.to = ip("192.0.2.7")});
  names->serve([](const Query&) { return SimAnswers{{}, {.addresses = {ip("192.0.2.7"), ip("192.0.2.8")}}}; });
  const auto took = [&] {
    begin(to("www.example.net").interface_name("wlan0"));
    return finish();
  };
  EXPECT_GE(took(), 250ms) << "the first address is a black hole";
  EXPECT_LE(took(), 50ms) << "which is known";
  client.interface("wlan0").set_up(false);
  world.run_for(1s);
  client.interface("wlan0").set_up(true);
  world.run_for(1s);
  EXPECT_GE(took(), 250ms);
}

// RACE-92: whoever answers, so many addresses of a name are taken, and the trace says so.
TEST_F(Phone, AnyResolversAnswersAreBounded) {
  names->serve([](const Query&) {
    SimAnswers many{{}, {.addresses = {ip("192.0.2.7")}}};
    for (int i = 0; i < 299; ++i)
      many.ipv4.addresses.push_back(ip("10.9." + std::to_string(i / 200) + "." + std::to_string(i % 200 + 1)));
    return many;
  });
  begin(to("www.example.net").interface_name("wlan0"));
  finish();
  EXPECT_EQ(
      std::ranges::count(report->steps, std::string("more answers than are taken from the network"), &RaceStep::why),
      236);
  EXPECT_LE(report->nodes.size(), 3u + 16u);
}

// RACE-144: where IPv6 leads to some networks only, IPv4 is the family whose answers are waited for.
TEST_F(Phone, TheFamilyWithADefaultRouteIsPreferred) {
  names->serve([](const Query&) {
    return SimAnswers{{.after = 30ms, .addresses = {ip("2001:db8:9::7")}},
                      {.after = 10ms, .addresses = {ip("192.0.2.7")}}};
  });
  begin(to("www.example.net").interface_name("wlan0"));
  finish();
  EXPECT_EQ(tried(), "wlan0@30") << "both lead everywhere";
  paths->add = [](Path& path) {
    if (path.local.family != Address::Family::ipv6) return;
    path.routes = std::make_shared<const std::vector<PathRoute>>(std::vector<PathRoute>{{ip("2001:db8:9::"), 48, 0}});
  };
  client.interface("wlan0").set_up(false);
  world.run_for(1s);
  client.interface("wlan0").set_up(true);
  world.run_for(1s);
  begin(to("www.example.net").interface_name("wlan0"));
  finish();
  EXPECT_EQ(tried(), "wlan0@10");
  EXPECT_EQ(to_text(connection.remote()), "192.0.2.7:443");
}

// RACE-136, RACE-166: an IPv4 address on a path without IPv4 is a question to its resolvers, who know NAT64.
TEST_F(Phone, Ipv4AddressesOverIpv6Only) {
  client.interface("wlan0").remove_address("10.1.0.2");
  std::vector<std::string> hosts;
  names->serve([&](const Query& query) {
    hosts.push_back(query.path->interface_name + " " + query.host);
    return SimAnswers{{}, {.addresses = {ip("2001:db8:9::7")}}};
  });
  EXPECT_EQ(connect(to()), "wwan0") << "a path with IPv4 goes first";
  EXPECT_TRUE(hosts.empty());
  swallow(*mobile);
  EXPECT_EQ(connect(to()), "wlan0");
  client.interface("wwan0").set_up(false);
  ASSERT_EQ(connect(to()), "wlan0");
  EXPECT_EQ(hosts, (std::vector<std::string>{"wlan0 192.0.2.7", "wlan0 192.0.2.7"}));
  EXPECT_EQ(to_text(connection.remote()), "[2001:db8:9::7]:443");
  names->serve([&](const Query&) { return SimAnswers{}; });
  EXPECT_EQ(connect(to()), "no address was found for 192.0.2.7");
}

// Path changes reach live Connections as events.
// API-90, API-262, IMPL-91: it is informed, and goes on.
TEST_F(Phone, AConnectionHearsOfItsPath) {
  ASSERT_EQ(connect(to()), "wlan0");
  client.interface("wwan0").set_up(false);
  world.run_for(1s);
  EXPECT_TRUE(news.empty()) << "it is not its path";
  client.interface("wlan0").set_up(false);
  world.run_for(1s);
  client.interface("wlan0").set_up(true);
  world.run_for(1s);
  EXPECT_EQ(news, (std::vector<std::string>{"the path wlan0 went away", "the path wlan0 is there again"}));
  EXPECT_EQ(connection.state(), ConnectionState::established);
}

// A domain that the application insists on may have a policy of its own.
TEST_F(Phone, APolicyCanBeForADomain) {
  std::vector<Policy> policies;
  for (const std::string rule : {"<pvd name='corp.*'/>", "<path interface='wwan0'/>", ""}) {
    const std::string rules = rule.empty() ? "" : "<applies-to>" + rule + "</applies-to>";
    auto policy =
        parse_policy("<policy xmlns='urn:trellis:policy:1' name='p" + std::to_string(policies.size()) + "'>" + rules +
                         "<paths provider='simulated'/><stacks><stack name='tcp'><layer protocol='tcp'/>"
                         "</stack></stacks></policy>",
                     "rules.xml");
    ASSERT_TRUE(policy) << policy.error().detail;
    policies.push_back(std::move(*policy));
  }
  ASSERT_TRUE(framework->core().load(std::move(policies)));
  paths->add = [](Path& path) {
    if (path.interface_name == "wlan0") path.provisioning_domain = "corp.example";
  };
  const auto profile = [&](PathRule rule) {
    connect(to().path(std::move(rule)));
    return report->profile;
  };
  EXPECT_EQ(profile({.preference = Preference::require, .provisioning_domain = "corp.example"}), "p0");
  EXPECT_EQ(connection.interface_name(), "wlan0");
  EXPECT_EQ(profile({.preference = Preference::require, .interface_name = "wwan0"}), "p1");
  EXPECT_EQ(profile({.preference = Preference::prefer, .interface_name = "wwan0"}), "p2") << "it does not insist";
}

TEST_F(Phone, WishesAboutPathsNeedAPolicyThatFindsThem) {
  auto policy = parse_policy(
      R"(<policy xmlns="urn:trellis:policy:1" name="plain"><stacks><stack name="tcp"><layer protocol="tcp"/></stack>
         </stacks></policy>)",
      "plain.xml");
  ASSERT_TRUE(policy);
  ASSERT_TRUE(framework->core().load({*policy}));
  EXPECT_EQ(connect(to().path({.preference = Preference::prefer, .interface_name = "wlan0"})),
            "the policy 'plain' does not say how paths are found, expected <paths> in it: the application wants to "
            "choose among them");
  connect(to());
  EXPECT_EQ(to_text(connection.local()).substr(0, 9), "10.1.0.2:") << "routing decides";
}

}  // namespace
}  // namespace trellis::tests
