// What may be called from other threads: post() and stop(). Meant to be run with ThreadSanitizer, too.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "trellis/loop.h"

namespace trellis {
namespace {

TEST(LoopThreads, PostsOfManyThreadsAllRunInTheOrderOfEach) {
  constexpr std::size_t kThreads = 4;
  constexpr int kPosts = 5000;
  auto loop = make_loop();
  std::vector<int> last(kThreads, -1);
  std::size_t finished = 0;
  bool in_order = true;
  std::vector<std::jthread> threads;
  for (std::size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kPosts; ++i) {
        loop->post([&, t, i] {
          in_order = in_order && last[t] == i - 1;
          last[t] = i;
          if (i == kPosts - 1 && ++finished == kThreads) loop->stop();
        });
      }
    });
  }
  loop->run();
  EXPECT_EQ(finished, kThreads);
  EXPECT_TRUE(in_order);
}

TEST(LoopThreads, TasksRunOnTheLoopsThreadAndWakeIt) {
  auto loop = make_loop();
  std::atomic<std::thread::id> ran_on;
  std::jthread runner([&] { loop->run(); });
  loop->post([&] {
    ran_on = std::this_thread::get_id();
    ran_on.notify_one();
  });
  ran_on.wait(std::thread::id());
  EXPECT_EQ(ran_on.load(), runner.get_id());
  loop->stop();
}

TEST(LoopThreads, StopFromAnotherThreadEndsRunWheneverItComes) {
  for (int i = 0; i < 200; ++i) {
    auto loop = make_loop();
    std::jthread stopper([&] { loop->stop(); });
    loop->run();
  }
}

TEST(LoopThreads, PingPongBetweenTwoLoops) {
  constexpr int kRounds = 2000;
  auto a = make_loop({.index = 0, .count = 2}), b = make_loop({.index = 1, .count = 2});
  int count = 0;  // touched by both, but never at once
  std::move_only_function<void()> ping, pong;
  ping = [&] {
    if (++count < kRounds) return b->post([&] { pong(); });
    a->stop();
    b->stop();
  };
  pong = [&] {
    ++count;
    a->post([&] { ping(); });
  };
  std::jthread other([&] { b->run(); });
  a->post([&] { ping(); });
  a->run();
  other.join();
  EXPECT_GE(count, kRounds);
}

}  // namespace
}  // namespace trellis
