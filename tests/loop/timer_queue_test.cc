// The order of alarms, and what alarms may do to each other while they ring.
#include "loop/timer_queue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <vector>

#include "harness.h"

namespace trellis::test {
namespace {

constexpr TimePoint at(int ms) { return TimePoint(std::chrono::milliseconds(ms)); }

/// Only arm() and disarm() do anything; the rest of an Executor is not asked.
struct QueueExecutor final : Executor {
  TimePoint now() const noexcept override { return {}; }
  std::chrono::system_clock::time_point wall_clock() const noexcept override { return {}; }
  void post(std::move_only_function<void()>) noexcept override { std::abort(); }
  void queue(Job&) noexcept override { std::abort(); }
  void again(Job&) noexcept override { std::abort(); }
  void arm(Alarm& alarm, TimePoint deadline) noexcept override { timers->arm(alarm, deadline); }
  void disarm(Alarm& alarm) noexcept override { timers->disarm(alarm); }
  Sockets& sockets() noexcept override { std::abort(); }
  BlockPool& pool() noexcept override { std::abort(); }
  std::uint64_t random() noexcept override { return 0; }
  void secret(std::span<std::byte>) noexcept override {}
  unsigned loop() const noexcept override { return 0; }
  unsigned loops() const noexcept override { return 1; }
  std::optional<TimerQueue> timers{std::in_place};
};

class TimerQueueTest : public testing::Test {
 public:
  std::unique_ptr<FunctionAlarm> named(int name) {
    return std::make_unique<FunctionAlarm>([this, name] { rung.push_back(name); });
  }
  QueueExecutor executor;
  TimerQueue& timers = *executor.timers;
  std::vector<int> rung;
};

TEST_F(TimerQueueTest, RingsInOrderOfDeadlinesAndTiesInOrderOfArming) {
  std::vector<std::unique_ptr<FunctionAlarm>> alarms;
  for (const int name : {0, 1, 2, 3, 4, 5}) alarms.push_back(named(name));
  EXPECT_EQ(timers.first(), TimePoint::max());
  alarms[3]->arm(executor, at(5));
  alarms[1]->arm(executor, at(7));
  alarms[2]->arm(executor, at(5));
  alarms[0]->arm(executor, at(5));
  alarms[4]->arm(executor, at(2));
  alarms[5]->arm(executor, at(9));
  EXPECT_EQ(timers.first(), at(2));
  EXPECT_EQ(timers.size(), 6u);
  EXPECT_EQ(timers.ring(at(1)), 0u);
  EXPECT_EQ(timers.ring(at(7)), 5u);
  EXPECT_EQ(rung, (std::vector{4, 3, 2, 0, 1}));
  EXPECT_TRUE(alarms[5]->armed());
  EXPECT_FALSE(alarms[4]->armed());
}

TEST_F(TimerQueueTest, ArmingAgainReplacesAndCountsAsNew) {
  auto a = named(1), b = named(2);
  a->arm(executor, at(5));
  b->arm(executor, at(5));
  a->arm(executor, at(5));
  timers.ring(at(5));
  EXPECT_EQ(rung, (std::vector{2, 1}));
  a->arm(executor, at(9));
  b->arm(executor, at(8));
  a->arm(executor, at(7));
  EXPECT_EQ(timers.first(), at(7));
  a->arm(executor, TimePoint::max());
  EXPECT_FALSE(a->armed());
  EXPECT_EQ(timers.first(), at(8));
}

TEST_F(TimerQueueTest, DisarmedAndDestroyedAlarmsStaySilent) {
  auto a = named(1), b = named(2), c = named(3);
  for (auto* alarm : {&a, &b, &c}) (*alarm)->arm(executor, at(1));
  a->disarm();
  a->disarm();
  b.reset();
  timers.ring(at(1));
  EXPECT_EQ(rung, std::vector{3});
  EXPECT_TRUE(timers.empty());
}

TEST_F(TimerQueueTest, AlarmsMayDestroyEachOtherAndThemselvesWhileRinging) {
  auto later = named(3);
  std::unique_ptr<FunctionAlarm> self, first;
  first = std::make_unique<FunctionAlarm>([&] { later.reset(); });
  self = std::make_unique<FunctionAlarm>([&] {
    rung.push_back(2);
    self.reset();
  });
  first->arm(executor, at(1));
  self->arm(executor, at(1));
  later->arm(executor, at(1));
  EXPECT_EQ(timers.ring(at(1)), 2u);
  EXPECT_EQ(rung, std::vector{2});
}

TEST_F(TimerQueueTest, AnAlarmThatKeepsArmingItselfHoldsNobodyUp) {
  FunctionAlarm greedy;
  greedy.function = [&] {
    rung.push_back(1);
    greedy.arm(executor, at(0));  // long past
  };
  auto patient = named(2);
  greedy.arm(executor, at(3));
  patient->arm(executor, at(4));
  EXPECT_EQ(timers.ring(at(5)), 2u);
  EXPECT_EQ(rung, (std::vector{1, 2}));
  EXPECT_EQ(timers.ring(at(5)), 1u);
}

TEST_F(TimerQueueTest, AlarmsMayOutliveTheQueue) {
  auto alarm = named(1);
  alarm->arm(executor, at(1));
  executor.timers.reset();
  EXPECT_FALSE(alarm->armed());
}

TEST_F(TimerQueueTest, AgreesWithASortedMapUnderRandomUse) {
  std::mt19937 random(7);
  constexpr std::size_t kAlarms = 200;
  std::map<std::pair<TimePoint, std::uint64_t>, int> model;
  std::vector<std::map<std::pair<TimePoint, std::uint64_t>, int>::iterator> places(kAlarms, model.end());
  std::vector<std::unique_ptr<FunctionAlarm>> alarms;
  for (std::size_t i = 0; i < kAlarms; ++i) alarms.push_back(named(static_cast<int>(i)));
  std::uint64_t sequence = 0;
  for (int step = 0, now = 0; step < 20'000; ++step) {
    const std::size_t i = random() % kAlarms;
    const auto action = random() % 10;
    if (action < 6) {
      const TimePoint deadline = at(now + static_cast<int>(random() % 50));
      if (places[i] != model.end()) model.erase(places[i]);
      places[i] = model.emplace(std::pair(deadline, ++sequence), static_cast<int>(i)).first;
      alarms[i]->arm(executor, deadline);
    } else if (action < 9) {
      if (places[i] != model.end()) model.erase(places[i]);
      places[i] = model.end();
      alarms[i]->disarm();
    } else {
      now += static_cast<int>(random() % 20);
      std::vector<int> expected;
      while (!model.empty() && model.begin()->first.first <= at(now)) {
        expected.push_back(model.begin()->second);
        places[static_cast<std::size_t>(model.begin()->second)] = model.end();
        model.erase(model.begin());
      }
      rung.clear();
      timers.ring(at(now));
      ASSERT_EQ(rung, expected);
    }
    ASSERT_EQ(timers.first(), model.empty() ? TimePoint::max() : model.begin()->first.first);
    ASSERT_EQ(timers.size(), model.size());
  }
}

}  // namespace
}  // namespace trellis::test
