// Races over paths and with TLS in shipped worlds.
#include <gtest/gtest.h>

#include "simulation/race_statistics.h"

namespace trellis::simulation {
namespace {

Result<RaceStatistics> race(const std::string& policy, const std::string& world, int runs) {
  RaceSetting setting;
  setting.policy = TRELLIS_SOURCE_DIR "/policies/" + policy + ".xml";
  setting.world = load_world(TRELLIS_SOURCE_DIR "/policies/worlds/" + world + ".xml").value();
  setting.plugin_directories = {TRELLIS_BUILD_DIR "/plugins"};
  auto simulation = RaceSimulation::open(std::move(setting));
  if (!simulation) return fail(std::move(simulation));
  RaceStatistics all;
  for (int n = 1; n <= runs; ++n) {
    auto run = (*simulation)->run(1, static_cast<std::uint64_t>(n));
    if (!run) return fail(std::move(run));
    all.add(*run);
  }
  return all;
}

// RACE-34, RACE-35: a phone that leaves the house connects by the mobile network when Wi-Fi fades.
TEST(Paths, ThePhoneIsRacedOverBoth) {
  const auto one = race("default", "dual-homed-phone", 300), both = race("roaming", "dual-homed-phone", 300);
  ASSERT_TRUE(one) << one.error().detail;
  ASSERT_TRUE(both) << both.error().detail;
  EXPECT_GT(both->paths().at("wlan0"), 150u) << "Wi-Fi goes first";
  EXPECT_GT(both->paths().at("wwan0"), 0u);
  EXPECT_EQ(both->connected(), 300u);
  EXPECT_LE(one->connected(), both->connected());
  EXPECT_LT(both->quantile(0.99), one->quantile(0.99)) << "the worst of one path is better over two";
}

TEST(Paths, TlsIsRacedWithAnAuthorityOfTheWorld) {
  const auto secure = race("secure", "healthy", 20);
  ASSERT_TRUE(secure) << secure.error().detail;
  EXPECT_EQ(secure->connected(), 20u) << secure->failures().size();
  EXPECT_EQ(secure->stacks().at("tls/tcp"), 20u);
  const auto again = race("secure", "healthy", 20);
  ASSERT_TRUE(again);
  for (const double share : {0.0, 0.25, 0.5, 0.75, 1.0})
    EXPECT_EQ(again->quantile(share), secure->quantile(share)) << "same seed, same result";
}

// Each world does what its name says to the policies that it is made for.
TEST(Worlds, AreWhatTheyAreCalled) {
  const auto runs = [](const char* policy, const char* world) {
    auto done = race(policy, world, 100);
    EXPECT_TRUE(done) << done.error().detail;
    return done.value_or(RaceStatistics());
  };
  const RaceStatistics healthy = runs("default", "healthy");
  EXPECT_EQ(healthy.connected(), 100u);
  EXPECT_EQ(healthy.attempts_most(), 1u) << "what is not needed is not tried";
  EXPECT_EQ(runs("quic-or-tls", "healthy").stacks(), (Counts{{"quic/udp", 100}}));

  const RaceStatistics blackhole = runs("default", "ipv6-blackhole");
  EXPECT_EQ(blackhole.families(), (Counts{{"ipv4", 100}}));
  EXPECT_GE(blackhole.quantile(0), std::chrono::milliseconds(250));

  EXPECT_EQ(runs("quic-or-tls", "udp-blocked").stacks(), (Counts{{"tls/tcp", 100}}));

  const RaceStatistics lossy = runs("default", "lossy-wifi");
  EXPECT_GT(lossy.quantile(0.95), healthy.quantile(1)) << "what is lost is sent again";
  EXPECT_GT(lossy.attempts(), 100u);

  const RaceStatistics slow = runs("default", "slow-dns");
  EXPECT_GT(slow.quantile(0.5), healthy.quantile(1));
  EXPECT_GT(slow.families().at("ipv4"), 50u) << "answers for IPv6 come too late";
  EXPECT_GT(slow.families().at("ipv6"), 0u) << "but for some";

  const RaceStatistics captive = runs("secure", "captive-network");
  EXPECT_EQ(captive.connected(), 0u) << "the portal answers, and cannot prove to be somebody else";
  EXPECT_EQ(runs("default", "captive-network").families().size(), 1u) << "it has no IPv6";
}

// Names are resolved by the plugin `dns` itself: with packets, to a server on each path.
TEST(Names, AreResolvedByTheRealPlugin) {
  const auto run = [](const std::string& policy, const std::string& names, const std::string& path) {
    RaceSetting setting;
    setting.policy = TRELLIS_SOURCE_DIR "/policies/" + policy + ".xml";
    setting.world =
        parse_world(R"(<world xmlns="urn:trellis:world:1" name="w"><connect host="www.example.net" port="80"/>)" +
                        names + R"(<path interface="eth0" delay-ms="10" lookup-ms="30">)" + path +
                        R"(</path><host name="www.example.net"><records family="ipv6" after-ms="20"/>)" +
                        R"(<address ip="2001:db8::80"/><address ip="192.0.2.80"/></host></world>)",
                    "w.xml")
            .value();
    setting.plugin_directories = {TRELLIS_BUILD_DIR "/plugins"};
    std::vector<std::string> packets;
    setting.observe = [&](const TraceEvent& event) {
      if (event.to.port == 53 && event.who == "router") packets.emplace_back(event.what);
    };
    auto simulation = RaceSimulation::open(std::move(setting)).value();
    auto first = simulation->run(1, 1).value(), again = simulation->run(1, 1).value();
    EXPECT_EQ(first.time, again.time) << "the same seed gives the same race";
    EXPECT_EQ(packets.empty(), names.empty());
    return first;
  };
  constexpr auto kRtt = std::chrono::milliseconds(20);
  for (const std::string policy : {"default", "roaming"}) {
    const RaceRun told = run(policy, "", ""), asked = run(policy, R"(<names resolver="dns"/>)", "");
    EXPECT_FALSE(told.failure || asked.failure);
    EXPECT_EQ(asked.family, Address::Family::ipv6) << "which comes 20 ms after IPv4";
    EXPECT_NEAR(std::chrono::duration<double>(asked.time - told.time).count(),
                std::chrono::duration<double>(kRtt).count(), 0.001)
        << "questions travel";
  }
  const RaceRun lost =
      run("default", R"(<names resolver="dns"/>)", R"(<block does="drop" protocol="udp" until-ms="900"/>)");
  EXPECT_FALSE(lost.failure);
  EXPECT_GT(lost.time, std::chrono::seconds(1)) << "lost questions are asked again";
}

}  // namespace
}  // namespace trellis::simulation
