// Which path a capacity profile puts first, by what is known of the paths; and how that is learnt from data that came.
#include "core/path_ranking.h"

#include "phone.h"

namespace trellis::tests {
namespace {

using Properties = std::vector<std::pair<std::string, PropertyValue>>;

Properties profile(const char* name) { return {{"connCapacityProfile", std::string(name)}}; }

// The order of the paths, "b a c".
std::string ranked(const Properties& properties, std::vector<std::pair<std::string, PathQuality>> paths) {
  const PathRanking ranking(properties);
  std::ranges::stable_sort(paths, {}, [&](const auto& path) { return ranking.place(path.second); });
  std::string order;
  for (const auto& [name, quality] : paths) order += (order.empty() ? "" : " ") + name;
  return order;
}

const std::vector<std::pair<std::string, PathQuality>> kPaths = {
    {"unknown", {}},
    {"slow", {.rtt = 90ms, .throughput = 2'000'000}},
    {"wide", {.rtt = 21ms, .throughput = 80'000'000}},
    {"quick", {.rtt = 17ms, .throughput = 9'000'000}},
};

// IMPL-29
TEST(PathRanking, LowLatencyInteractiveTakesTheShortestRoundTrip) {
  EXPECT_EQ(ranked(profile("Low Latency/Interactive"), kPaths), "quick wide slow unknown");
  EXPECT_EQ(ranked(profile("low latency/interactive"), kPaths), "quick wide slow unknown");
}

// IMPL-29: variation is tolerated, so within a doubling the order of the policy stays.
TEST(PathRanking, LowLatencyNonInteractiveToleratesVariation) {
  EXPECT_EQ(ranked(profile("Low Latency/Non-Interactive"), kPaths), "wide quick slow unknown");
}

// IMPL-29, API-141, API-142: what is known to be too slow comes last.
TEST(PathRanking, ConstantRateTakesWhatCarriesTheRate) {
  Properties stream = profile("Constant-Rate Streaming");
  EXPECT_EQ(ranked(stream, kPaths), "unknown slow wide quick") << "no rate was asked for";
  stream.emplace_back("minRecvRate", std::uint64_t{8'000'000});
  EXPECT_EQ(ranked(stream, kPaths), "wide quick unknown slow");
  stream.emplace_back("minSendRate", std::uint64_t{10'000'000});
  EXPECT_EQ(ranked(stream, kPaths), "wide unknown slow quick");
}

// IMPL-29
TEST(PathRanking, CapacitySeekingTakesTheHighestThroughput) {
  EXPECT_EQ(ranked(profile("Capacity-Seeking"), kPaths), "wide quick slow unknown");
}

TEST(PathRanking, OtherProfilesSayNothing) {
  EXPECT_EQ(ranked({}, kPaths), "unknown slow wide quick");
  EXPECT_EQ(ranked(profile("Scavenger"), kPaths), "unknown slow wide quick");
  EXPECT_EQ(PathRanking(profile("Default")).text(kPaths[1].second), "");
}

TEST(PathRanking, SaysWhy) {
  const PathRanking quick(profile("Low Latency/Interactive")), wide(profile("Capacity-Seeking"));
  EXPECT_EQ(quick.text(kPaths[1].second), "Low Latency/Interactive: round trip 90.0 ms");
  EXPECT_EQ(quick.text({}), "Low Latency/Interactive: its round trip is not known");
  EXPECT_EQ(wide.text(kPaths[1].second), "Capacity-Seeking: 2.0 Mbit/s");
  EXPECT_EQ(wide.text({}), "Capacity-Seeking: its throughput is not known");
}

constexpr TimePoint kBegin{std::chrono::hours(1)};

// 10 kB each 10 ms from a moment on: 8 Mbit/s.
void stream(ThroughputMeter& meter, TimePoint from, int packets) {
  for (int i = 0; i < packets; ++i) meter.received(10'000, from + i * 10ms);
}

TEST(ThroughputMeter, MeasuresWhatComesAllTheTime) {
  ThroughputMeter meter;
  stream(meter, kBegin, 5);
  EXPECT_EQ(meter.best(), 0u) << "so little says nothing";
  stream(meter, kBegin + 50ms, 100);
  EXPECT_EQ(meter.best(), 8'000'000u);
}

TEST(ThroughputMeter, PausesDoNotCount) {
  ThroughputMeter meter;
  stream(meter, kBegin, 20);
  stream(meter, kBegin + 10s, 20);
  EXPECT_EQ(meter.best(), 8'000'000u);
}

// What waited in buffers while the application did not ask comes faster than any path carries it.
TEST(ThroughputMeter, WhatWasHeldBackDoesNotCount) {
  ThroughputMeter meter;
  stream(meter, kBegin, 20);
  meter.was_held_back();
  meter.received(4'000'000, kBegin + 210ms);
  meter.received(4'000'000, kBegin + 260ms);
  EXPECT_EQ(meter.best(), 8'000'000u);
}

// IMPL-29, API-166: before anything is known, what the policy or the network says of its paths decides.
TEST_F(Phone, ACapacityProfileRanksWhatIsExpected) {
  paths->add = [](Path& path) { path.smoothed_rtt = path.interface_name == "wlan0" ? 60ms : 40ms; };
  EXPECT_EQ(connect(to().set("connCapacityProfile", std::string("Low Latency/Interactive"))), "wwan0");
  const auto way = std::ranges::find(report->nodes, std::string("wwan0"), &RaceNode::path);
  ASSERT_NE(way, report->nodes.end());
  EXPECT_TRUE(std::ranges::any_of(report->steps, [](const RaceStep& step) {
    return step.detail.contains("Low Latency/Interactive: round trip 40.0 ms");
  }));
}

// IMPL-29, API-166: each network is learnt from the Connections over it; the mobile one is slower to answer and wider.
TEST_F(Phone, ACapacityProfileRanksWhatWasMeasured) {
  wifi->back().conditions.rate = 4'000'000;
  mobile->back().conditions.rate = 40'000'000;
  for (const char* interface : {"wlan0", "wwan0"}) {
    peers.clear();
    ASSERT_EQ(connect(to().interface_name(interface)), interface);
    ASSERT_TRUE(world.run_until([&] { return !peers.empty(); }, 1s));
    const std::string content(1 << 20, 'x');
    peers.back().send(slice(peers.back(), content));
    Reader reader(connection);
    ASSERT_TRUE(world.run_until([&] { return reader.all.size() == content.size(); }, 30s));
    connection = {};
    world.run_for(100ms);
  }
  const auto chosen = [&](const char* profile) {
    return connect(to().set("connCapacityProfile", std::string(profile)));
  };
  EXPECT_EQ(chosen("Capacity-Seeking"), "wwan0");
  EXPECT_EQ(chosen("Low Latency/Interactive"), "wlan0");
  EXPECT_EQ(connect(to().set("connCapacityProfile", std::string("Constant-Rate Streaming"))
                        .set("minRecvRate", std::uint64_t{20'000'000})),
            "wwan0");
  EXPECT_EQ(std::get<std::uint64_t>(connection.get("minRecvRate").value()), 20'000'000u);
  EXPECT_FALSE(connection.set("minRecvRate", std::uint64_t{1})) << "paths were chosen by it";
  EXPECT_EQ(chosen("Default"), "wlan0") << "the order of the policy";
}

TEST_F(Phone, ARateIsANumber) {
  EXPECT_EQ(connect(to().set("minSendRate", std::string("fast"))),
            "minSendRate is a number of bits per second, or Unlimited");
}

}  // namespace
}  // namespace trellis::tests
