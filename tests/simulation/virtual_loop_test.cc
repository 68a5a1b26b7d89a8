// Virtual time: order, turns, idleness, replay from a seed.
#include <gtest/gtest.h>

#include <thread>

#include "loop/virtual_loop.h"

namespace trellis {
namespace {

using namespace std::chrono_literals;

struct Note final : Alarm {
  Note(std::vector<int>& log, int number) : log(log), number(number) {}
  void on_alarm() noexcept override { log.push_back(number); }
  std::vector<int>& log;
  int number;
};

struct Work final : Job {
  explicit Work(std::function<void()> what) : what(std::move(what)) {}
  void run() noexcept override { what(); }
  std::function<void()> what;
};

TEST(VirtualLoop, AlarmsRingExactlyAndTiesInTheOrderOfArming) {
  VirtualWorld world;
  VirtualLoop loop(world, {});
  std::vector<int> log;
  Note late(log, 3), first(log, 1), second(log, 2);
  late.arm(loop, world.now() + 20ms);
  first.arm(loop, world.now() + 10ms);
  second.arm(loop, world.now() + 10ms);
  EXPECT_FALSE(world.idle());
  loop.run_once(true);
  EXPECT_EQ(log, (std::vector{1, 2}));
  EXPECT_EQ(world.elapsed(), 10ms);
  loop.run_once(true);
  EXPECT_EQ(log, (std::vector{1, 2, 3}));
  EXPECT_EQ(world.elapsed(), 20ms);
  EXPECT_TRUE(world.idle());
  EXPECT_EQ(loop.turns(), 2u);
}

TEST(VirtualLoop, TimeStandsStillWithinATurnAndATurnTakesNone) {
  VirtualWorld world;
  VirtualLoop loop(world, {});
  std::vector<TimePoint> seen;
  Work second([&] { seen.push_back(loop.now()); });
  Work first([&] {
    seen.push_back(loop.now());
    loop.queue(second);  // same turn
  });
  loop.queue(first);
  loop.run_once(false);
  EXPECT_EQ(seen, (std::vector{VirtualWorld::kStart, VirtualWorld::kStart}));
  EXPECT_EQ(loop.turns(), 1u);
}

TEST(VirtualLoop, AgainRunsAfterTheNextPollAndASpinningLoopMovesTime) {
  VirtualWorld world;
  VirtualLoop loop(world, {});
  int runs = 0;
  Work spinning([&] {
    ++runs;
    loop.again(spinning);
  });
  loop.again(spinning);
  world.run_for(1ms);
  EXPECT_EQ(runs, 1001);  // at 0 and after each kTurnTime
  EXPECT_EQ(world.elapsed(), 1ms);
  EXPECT_FALSE(world.idle());
  spinning.withdraw();
  EXPECT_TRUE(world.idle());
}

TEST(VirtualLoop, PostedTasksRunInOrderAndMayComeFromOtherThreads) {
  VirtualWorld world;
  VirtualLoop loop(world, {});
  std::vector<int> log;
  loop.post([&] { log.push_back(1); });
  std::thread([&] { loop.post([&] { log.push_back(2); }); }).join();
  EXPECT_TRUE(log.empty());
  loop.run_once(true);
  EXPECT_EQ(log, (std::vector{1, 2}));
  loop.run_once(false);  // nothing to do: no turn
  EXPECT_EQ(loop.turns(), 1u);
}

TEST(VirtualLoop, LoopsOfOneWorldShareTimeAndTakeTurnsInOrder) {
  VirtualWorld world;
  VirtualLoop first(world, {.name = "a"}), second(world, {.name = "b"});
  std::vector<int> log;
  Note b(log, 2), a(log, 1);
  b.arm(second, world.now() + 5ms);
  a.arm(first, world.now() + 5ms);
  world.after(5ms, [&] { log.push_back(0); });
  EXPECT_TRUE(world.run_until_idle());
  EXPECT_EQ(log, (std::vector{0, 1, 2}));  // events before loops, loops as they were made
  EXPECT_EQ(first.now(), second.now());
}

TEST(VirtualLoop, RunEndsWithStopAndWhenNothingIsScheduledAnyMore) {
  VirtualWorld world;
  VirtualLoop loop(world, {});
  std::vector<int> log;
  Note early(log, 1), late(log, 2);
  early.arm(loop, world.now() + 1s);
  late.arm(loop, world.now() + 2s);
  world.after(1500ms, [&] { loop.stop(); });
  loop.run();
  EXPECT_EQ(log, (std::vector{1}));
  EXPECT_EQ(world.elapsed(), 1500ms);
  loop.run();
  EXPECT_EQ(log, (std::vector{1, 2}));
  loop.stop();
  late.arm(loop, world.now() + 1s);
  loop.run();  // stop() came before
  EXPECT_TRUE(late.armed());
}

TEST(VirtualWorld, RunUntilStopsAtThePredicateOrAtTheDeadline) {
  VirtualWorld world;
  bool done = false;
  world.after(3s, [&] { done = true; });
  EXPECT_FALSE(world.run_until([&] { return done; }, 2s));
  EXPECT_EQ(world.elapsed(), 2s);
  EXPECT_TRUE(world.run_until([&] { return done; }, 2s));
  EXPECT_EQ(world.elapsed(), 3s);
  EXPECT_FALSE(world.run_until([] { return false; }, 10s));
  EXPECT_EQ(world.elapsed(), 13s);
  world.run_for(7s);
  EXPECT_EQ(world.elapsed(), 20s);
  EXPECT_FALSE(world.run_once());  // nothing is scheduled any more
}

TEST(VirtualWorld, TasksMayScheduleTasks) {
  VirtualWorld world;
  int left = 100;
  std::function<void()> next = [&] {
    if (--left > 0) world.after(1ms, next);
  };
  for (int i = 0; i < 3; ++i) world.after(Duration(i), [] {});
  world.after(1ms, next);
  EXPECT_TRUE(world.run_until_idle());
  EXPECT_EQ(left, 0);
  EXPECT_EQ(world.elapsed(), 100ms);
}

TEST(VirtualWorld, WallClockBeginsAtAFixedDateAndRunsWithVirtualTime) {
  VirtualWorld world;
  VirtualLoop loop(world, {});
  const auto start = loop.wall_clock();
  EXPECT_EQ(start, std::chrono::sys_days(std::chrono::year(2026) / 1 / 1));
  world.run_for(90s);
  EXPECT_EQ(loop.wall_clock() - start, 90s);
}

TEST(VirtualWorld, TheSeedMakesRandomNumbersAndSecrets) {
  const auto draw = [](std::uint64_t seed, std::string name) {
    VirtualWorld world(seed);
    VirtualLoop loop(world, {.name = std::move(name)});
    std::array<std::byte, 13> secret;
    loop.secret(secret);
    return std::tuple(loop.random(), loop.random(), secret);
  };
  EXPECT_EQ(draw(1, "x"), draw(1, "x"));
  EXPECT_NE(draw(1, "x"), draw(2, "x"));
  EXPECT_NE(draw(1, "x"), draw(1, "y"));
}

TEST(VirtualWorld, DigestAndObserverSeeTheSameEvents) {
  const auto run = [](std::uint64_t seed, std::string word) {
    VirtualWorld world(seed);
    std::vector<std::string> lines;
    world.observe([&](const TraceEvent& event) { lines.push_back(to_string(event, VirtualWorld::kStart)); });
    world.after(25ms, [&] { world.trace("me", word, 7); });
    world.run_until_idle();
    return std::pair(world.digest(), lines);
  };
  EXPECT_EQ(run(1, "word"), run(1, "word"));
  EXPECT_NE(run(1, "word").first, run(1, "other").first);
  EXPECT_EQ(run(1, "word").second, (std::vector<std::string>{"+0.025000000 me word 7"}));
}

// Ten virtual hours must cost next to nothing when little happens.
TEST(VirtualWorld, TenIdleHoursTakeNoTime) {
  VirtualWorld world;
  VirtualLoop loop(world, {});
  struct EveryTenSeconds final : Alarm {
    explicit EveryTenSeconds(VirtualLoop& loop) : loop(loop) { arm(loop, loop.now() + 10s); }
    void on_alarm() noexcept override {
      ++rung;
      arm(loop, loop.now() + 10s);
    }
    VirtualLoop& loop;
    int rung = 0;
  } alarm(loop);
  const auto begun = std::chrono::steady_clock::now();
  world.run_for(10h);
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 1s);
  EXPECT_EQ(alarm.rung, 3600);
  EXPECT_EQ(world.elapsed(), 10h);
}

TEST(VirtualLoop, WithoutAHostThereAreNoSockets) {
  VirtualWorld world;
  VirtualLoop loop(world, {});
  auto opened = loop.sockets().open({});
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().reason, Reason::unsupported);
}

}  // namespace
}  // namespace trellis
