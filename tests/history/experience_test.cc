// The parts of history: averages, bounds, and what is read back from a store.
#include <gtest/gtest.h>

#include <random>

#include "core/history.h"

namespace trellis::tests {
namespace {

using namespace std::chrono_literals;
using How = Attempted::How;

constexpr TimePoint kNow{1000s};
constexpr auto kWall = std::chrono::system_clock::time_point(std::chrono::hours(24 * 20'000));
constexpr Duration kKeep = 600s;

Address address(std::uint8_t a, std::uint8_t b = 1) {
  return {.family = Address::Family::ipv4, .port = 443, .ip = {192, a, 2, b}};
}
Attempted ready(Address to, Duration ran) { return {.how = How::ready, .remote = to, .ran = ran, .rtt = ran}; }

// IMPL-100, IMPL-101: averages; the older they are, the less they weigh.
TEST(Experience, AveragesForgetSlowly) {
  Experiences all;
  learn(all, 32, ready(address(0), 80ms), kNow, kKeep);
  learn(all, 32, ready(address(0), 160ms), kNow, kKeep);
  EXPECT_EQ(all.at(0).ready, 90ms);
  learn(all, 32, ready(address(0), 30ms), kNow + kKeep, kKeep);
  EXPECT_EQ(all.at(0).ready, 30ms) << "nothing is left of what is as old as can be";
  EXPECT_EQ(all.at(0).successes, 3u);
}

TEST(Experience, TheLastAttemptDecides) {
  Experiences all;
  learn(all, 32, {.how = How::failed, .remote = address(0), .ran = 20ms, .reason = Reason::reset}, kNow, kKeep);
  EXPECT_TRUE(all.at(0).bad());
  EXPECT_EQ(to_text(all.at(0), kNow + 300s), "reset after 20 ms, 5 min ago");
  learn(all, 32, ready(address(0), 5ms), kNow + 1s, kKeep);
  EXPECT_TRUE(all.at(0).good());
  EXPECT_EQ(to_text(all.at(0), kNow + 2s), "5.0 ms, 1 s ago");
}

// IMPL-100: subnets hold what their addresses have in common.
TEST(Experience, SubnetsAreCut) {
  EXPECT_EQ(subnet_of(address(7, 9), 24), subnet_of(address(7, 200), 24));
  EXPECT_NE(subnet_of(address(7), 24), subnet_of(address(8), 24));
  EXPECT_EQ(subnet_of(address(7), 0).ip, decltype(Address::ip){});
  EXPECT_EQ(subnet_of(address(7, 0xff), 31).ip[3], 0xfe);
}

TEST(History, IsBounded) {
  History history;
  for (int i = 0; i < 5000; ++i) {
    const std::string endpoint = std::to_string(i);
    history.learn({"p", "n", endpoint, "tcp"}, 32, ready(address(0), 5ms), kNow, kKeep);
  }
  EXPECT_TRUE(history.find({"p", "n", "2000", "tcp"}, kNow, kKeep).empty());
  EXPECT_FALSE(history.find({"p", "n", "4999", "tcp"}, kNow, kKeep).empty());
  for (int i = 0; i < 200; ++i)
    history.learn({"p", "n", "one", "tcp"}, 32, ready(address(static_cast<std::uint8_t>(i)), 5ms), kNow + Duration(i),
                  kKeep);
  EXPECT_EQ(history.find({"p", "n", "one", "tcp"}, kNow, kKeep).size(), kExperiencesMost);
  history.clear();
  EXPECT_TRUE(history.empty());
}

TEST(Experience, SurvivesTheWayThroughAStore) {
  Experiences all;
  for (std::uint8_t i = 0; i < 5; ++i) learn(all, 24, ready(address(i), 5ms * i), kNow, kKeep);
  learn(all, 24, {.how = How::silent, .remote = address(9), .ran = 270ms}, kNow, kKeep);
  const auto value = encode(all, kWall, kNow);
  EXPECT_EQ(decode(value, kWall, kNow, kKeep), all);
  const Experiences later = decode(value, kWall + 100s, kNow, kKeep);
  ASSERT_EQ(later.size(), all.size());
  EXPECT_EQ(later[0].good_at, kNow - 100s);
}

// Clocks jump: what is from the future is new, what is too old is nothing.
TEST(Experience, ClocksMayJump) {
  Experiences all;
  learn(all, 32, ready(address(0), 5ms), kNow, kKeep);
  const auto value = encode(all, kWall, kNow);
  const Experiences back = decode(value, kWall - std::chrono::hours(24 * 365), kNow, kKeep);
  ASSERT_EQ(back.size(), 1u);
  EXPECT_EQ(back[0].good_at, kNow) << "it lives as long as anything at most";
  EXPECT_TRUE(decode(value, kWall + kKeep, kNow, kKeep).empty());
  EXPECT_TRUE(decode(value, kWall + std::chrono::hours(24 * 36500), kNow, kKeep).empty());
}

TEST(Experience, OtherBytesComeToNothing) {
  Experiences all;
  learn(all, 32, ready(address(0), 5ms), kNow, kKeep);
  const auto value = encode(all, kWall, kNow);
  for (std::size_t size = 0; size < value.size(); ++size)
    EXPECT_TRUE(decode(std::span(value).first(size), kWall, kNow, kKeep).empty()) << size;
  auto longer = value;
  longer.push_back({});
  EXPECT_TRUE(decode(longer, kWall, kNow, kKeep).empty());
  std::mt19937_64 random(1);
  for (int i = 0; i < 20'000; ++i) {
    auto damaged = value;
    for (int k = 0; k < 3; ++k) damaged[random() % damaged.size()] = static_cast<std::byte>(random());
    for (const Experience& e : decode(damaged, kWall, kNow, kKeep)) {
      EXPECT_LE(e.seen_at(), kNow);
      EXPECT_LE(e.ready, 1h);
    }
  }
}

}  // namespace
}  // namespace trellis::tests
