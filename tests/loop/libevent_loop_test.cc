// The loop itself: turns, time, jobs, alarms, tasks, and living in an application's event_base.
#include "loop/libevent_loop.h"

#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include "harness.h"

namespace trellis::test {
namespace {

using LoopTestWithSockets = StreamTest;
using Order = std::vector<std::string>;

// The end of a turn comes after all that one poll has found.
TEST_F(LoopTestWithSockets, AJobRunsAfterAllReadinessOfAPoll) {
  constexpr std::size_t kPairs = 20;
  std::vector<Pair> pairs;
  std::vector<Watcher> watchers(kPairs);
  std::size_t ready = 0, at_job = 0, runs = 0;
  FunctionJob job([&] {
    at_job = ready;
    ++runs;
  });
  for (std::size_t i = 0; i < kPairs; ++i) {
    pairs.push_back(pair());
    watchers[i].react = [&](Socket& socket, Ready) {
      ++ready;
      loop.queue(job);
      Batch got;
      ASSERT_TRUE(socket.receive(got, 100));
    };
    ASSERT_TRUE(pairs[i].far->watch(watchers[i], Ready::readable));
    send(*pairs[i].near, "x");
  }
  ASSERT_TRUE(run_until([&] { return runs > 0; }));
  EXPECT_EQ(at_job, kPairs);
  EXPECT_EQ(runs, 1u);
}

TEST_F(LoopTestWithSockets, QueueWorksOutsideOfAnyCallback) {
  int runs = 0;
  FunctionJob job([&] { ++runs; });
  loop.queue(job);
  loop.run_once(false);
  EXPECT_EQ(runs, 1);
  loop.queue(job);
  loop.run_once(true);  // must not sleep
  EXPECT_EQ(runs, 2);
}

TEST_F(LoopTestWithSockets, AgainPollsInBetween) {
  auto [near, far] = pair();
  send(*near, "x");
  Order order;
  Watcher watcher;
  watcher.react = [&](Socket& socket, Ready) {
    order.push_back("socket");
    Batch got;
    ASSERT_TRUE(socket.receive(got, 100));
  };
  int left = 5;
  FunctionJob busy([&] {
    order.push_back("job");
    if (--left == 3) {
      ASSERT_TRUE(far->watch(watcher, Ready::readable));
    }
    if (left > 0) loop.again(busy);
  });
  loop.queue(busy);
  ASSERT_TRUE(run_until([&] { return left == 0; }));
  EXPECT_EQ(order, (Order{"job", "job", "socket", "job", "job", "job"}));
}

TEST_F(LoopTestWithSockets, AJobThatKeepsQueueingItselfDoesNotStarveSockets) {
  auto [near, far] = pair();
  Watcher watcher;
  ASSERT_TRUE(far->watch(watcher, Ready::readable));
  bool enough = false;
  FunctionJob greedy([&] {
    if (!enough) loop.queue(greedy);
  });
  loop.queue(greedy);
  send(*near, "x");
  EXPECT_TRUE(run_until([&] { return watcher.saw(Ready::readable); }));
  enough = true;
  loop.run_once(false);
}

TEST_F(LoopTestWithSockets, AnIdleLoopSleeps) {
  FunctionJob job([] {});
  loop.queue(job);
  loop.again(job);
  EXPECT_LE(wakes_within(50ms), 4);
}

TEST_F(LoopTestWithSockets, AlarmsRingInOrderAndNotBefore) {
  Order order;
  std::vector<Duration> early;
  const TimePoint start = loop.now();
  const auto make = [&](const char* name, Duration delay) {
    auto alarm = std::make_unique<FunctionAlarm>([&, name, delay] {
      order.push_back(name);
      if (loop.now() < start + delay) early.push_back(delay);
    });
    alarm->arm(loop, start + delay);
    return alarm;
  };
  auto c = make("c", 9ms), a = make("a", 3ms), b1 = make("b1", 6ms), b2 = make("b2", 6ms), never = make("never", 1ms);
  never->disarm();
  FunctionAlarm past([&] { order.push_back("past"); });
  past.arm(loop, TimePoint{});
  ASSERT_TRUE(run_until([&] { return order.size() == 5; }));
  EXPECT_EQ(order, (Order{"past", "a", "b1", "b2", "c"}));
  EXPECT_TRUE(early.empty());
}

TEST_F(LoopTestWithSockets, AlarmsMoveEarlierAndLater) {
  int rings = 0;
  FunctionAlarm alarm([&] { ++rings; });
  alarm.arm(loop, loop.now() + 1h);
  loop.run_once(false);
  alarm.arm(loop, loop.now() + 5ms);
  ASSERT_TRUE(run_until([&] { return rings == 1; }));
  alarm.arm(loop, loop.now() + 1h);
  loop.run_once(false);
  alarm.arm(loop, loop.now() + 2h);
  EXPECT_LE(wakes_within(20ms), 4);
  EXPECT_EQ(rings, 1);
}

/// What is left of the timer of this process, as the kernel says; it must have exactly one.
Duration kernel_timer() {
  std::vector<Duration> found;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fdinfo")) {
    std::ifstream file(entry.path());
    for (std::string line; std::getline(file, line);) {
      long seconds = 0, nanoseconds = 0;
      if (std::sscanf(line.c_str(), "it_value: (%ld, %ld)", &seconds, &nanoseconds) != 2) continue;
      found.push_back(std::chrono::seconds(seconds) + std::chrono::nanoseconds(nanoseconds));
    }
  }
  EXPECT_EQ(found.size(), 1u);
  return found.empty() ? Duration{} : found[0];
}

// Timers of libevent itself would be late by up to 4 ms. How late one is on a busy machine says nothing, so the kernel
// is asked what it was told.
TEST_F(LoopTestWithSockets, AlarmsAreSetToTheNanosecond) {
  FunctionAlarm far, near;
  const TimePoint deadline = loop.now() + 1h + 123'457ns;
  far.arm(loop, deadline + 1s);
  near.arm(loop, deadline);
  loop.run_once(false);
  const TimePoint before = loop.now();
  const TimePoint told = deadline - kernel_timer();
  EXPECT_GE(told, before);
  EXPECT_LE(told, loop.now());
  near.arm(loop, deadline + 2s);
  loop.run_once(false);
  EXPECT_LE(kernel_timer(), 1h + 1ms) << "moving later costs no system call, but one wake-up for nothing";
}

TEST_F(LoopTestWithSockets, AnAlarmThatKeepsArmingItselfDoesNotStarveSockets) {
  auto [near, far] = pair();
  Watcher watcher;
  ASSERT_TRUE(far->watch(watcher, Ready::readable));
  FunctionAlarm greedy;
  greedy.function = [&] { greedy.arm(loop, loop.now()); };
  greedy.arm(loop, loop.now());
  send(*near, "x");
  EXPECT_TRUE(run_until([&] { return watcher.saw(Ready::readable); }));
}

TEST_F(LoopTestWithSockets, NowStandsStillWithinATurnAndMovesBetween) {
  std::vector<TimePoint> seen;
  FunctionJob second([&] { seen.push_back(loop.now()); });
  FunctionJob first([&] {
    seen.push_back(loop.now());
    const auto until = std::chrono::steady_clock::now() + 200us;
    while (std::chrono::steady_clock::now() < until) {
    }
    loop.queue(second);
  });
  const TimePoint before = loop.now();
  loop.queue(first);
  loop.run_once(false);
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[0], seen[1]);
  EXPECT_GE(seen[0], before);
  EXPECT_GE(loop.now(), seen[0] + 200us);
}

TEST_F(LoopTestWithSockets, TasksRunInOrderAndMayPost) {
  Order order;
  loop.post([&] {
    order.push_back("a");
    loop.post([&] { order.push_back("c"); });
  });
  loop.post([&] { order.push_back("b"); });
  ASSERT_TRUE(run_until([&] { return order.size() == 3; }));
  EXPECT_EQ(order, (Order{"a", "b", "c"}));
}

TEST_F(LoopTestWithSockets, StopEndsTheNextRunOnce) {
  loop.stop();
  loop.run();
  int turns = 0;
  FunctionJob job([&] {
    if (++turns == 3) loop.stop();
    loop.again(job);
  });
  loop.queue(job);
  loop.run();
  EXPECT_EQ(turns, 3);
  loop.run_once(true);
  EXPECT_EQ(turns, 4) << "what was queued is still there";
  loop.stop();
  loop.stop();
  loop.run();
  EXPECT_EQ(turns, 4);
}

TEST_F(LoopTestWithSockets, TasksThatNeverRanAreDestroyedWithTheLoop) {
  auto socket = open({});
  loop.post([held = std::move(socket)] {});
  loop_owner.reset();  // would end the process if the socket were still open then
}

TEST_F(LoopTestWithSockets, JobsAlarmsAndBlocksMayOutliveTheLoop) {
  FunctionJob job([] {});
  FunctionAlarm alarm;
  loop.queue(job);
  alarm.arm(loop, loop.now() + 1h);
  Slice slice = loop.pool().allocate(0, 100, 0);
  loop_owner.reset();
  EXPECT_FALSE(job.queued());
  EXPECT_FALSE(alarm.armed());
  slice.edit()[0] = std::byte{1};
}

using LoopDeathTest = StreamTest;

TEST_F(LoopDeathTest, ALoopThatEndsBeforeItsSocketsSaysSo) {
  auto socket = open({});
  EXPECT_DEATH(loop_owner.reset(), "a loop ends while 1 of its sockets are open");
}

TEST_F(LoopDeathTest, WithoutDescriptorsThereIsNoLoop) {
  const auto make_without = [] {
    const rlimit none = {.rlim_cur = 3, .rlim_max = 3};
    setrlimit(RLIMIT_NOFILE, &none);
    make_loop();
  };
  EXPECT_DEATH(make_without(), "cannot make a loop");
}

TEST(LibeventLoop, RandomNumbersAndSecretsDiffer) {
  auto a = make_loop(), b = make_loop();
  std::set<std::uint64_t> numbers;
  for (int i = 0; i < 1000; ++i) numbers.insert({a->random(), b->random()});
  EXPECT_EQ(numbers.size(), 2000u);
  std::array<std::byte, 1000> x{}, y{};
  a->secret(x);
  a->secret(y);
  EXPECT_NE(x, y);
  EXPECT_LT(std::ranges::count(x, std::byte{0}), 50);
}

TEST(LibeventLoop, KnowsItsPlaceAndTheTime) {
  auto loop = make_loop({.index = 2, .count = 5});
  EXPECT_EQ(loop->loop(), 2u);
  EXPECT_EQ(loop->loops(), 5u);
  const auto before = std::chrono::system_clock::now();
  EXPECT_GE(loop->wall_clock(), before);
}

TEST(LibeventLoop, LivesInAnApplicationsBase) {
  event_base* base = event_base_new();
  ASSERT_NE(base, nullptr);
  {
    auto loop = make_loop({.base = base});
    Order order;
    FunctionJob job([&] { order.push_back("job"); });
    FunctionAlarm alarm([&] {
      order.push_back("alarm");
      loop->stop();  // concerns only run(): the application's loop goes on
    });
    event* own = event_new(
        base, -1, 0, [](evutil_socket_t, short, void* o) { static_cast<Order*>(o)->push_back("own"); }, &order);
    alarm.arm(*loop, loop->now() + 3ms);
    loop->queue(job);
    const timeval later{0, 20'000};
    event_add(own, &later);
    while (order.size() < 3) ASSERT_EQ(event_base_loop(base, EVLOOP_ONCE), 0);
    EXPECT_EQ(order, (Order{"job", "alarm", "own"}));
    event_free(own);
  }
  EXPECT_EQ(event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED), 0) << "the loop took its events along";
  event_base_free(base);
}

}  // namespace
}  // namespace trellis::test
