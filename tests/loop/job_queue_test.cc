// The jobs at the end of a turn.
#include "loop/job_queue.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "harness.h"

namespace trellis::test {
namespace {

class JobQueueTest : public testing::Test {
 public:
  std::unique_ptr<FunctionJob> named(int name) {
    return std::make_unique<FunctionJob>([this, name] { ran.push_back(name); });
  }
  JobQueue jobs;
  std::vector<int> ran;
};

TEST_F(JobQueueTest, RunsOnceHoweverOftenQueued) {
  auto a = named(1), b = named(2);
  jobs.queue(*a);
  jobs.queue(*b);
  jobs.queue(*b);
  EXPECT_TRUE(a->queued());
  EXPECT_TRUE(jobs.waiting());
  jobs.run();
  EXPECT_EQ(ran, (std::vector{1, 2}));
  EXPECT_FALSE(a->queued());
  EXPECT_FALSE(jobs.waiting());
  jobs.run();
  EXPECT_EQ(ran.size(), 2u);
}

TEST_F(JobQueueTest, DestroyedAndWithdrawnJobsDoNotRun) {
  auto a = named(1), b = named(2), c = named(3), d = named(4);
  for (auto* job : {&a, &b, &c}) jobs.queue(**job);
  jobs.again(*d);
  a.reset();
  b->withdraw();
  d.reset();
  jobs.polled();
  jobs.run();
  EXPECT_EQ(ran, std::vector{3});
}

TEST_F(JobQueueTest, JobsMayDestroyEachOtherAndThemselves) {
  std::unique_ptr<FunctionJob> killer, next = named(2), last = named(3);
  killer = std::make_unique<FunctionJob>([&] {
    next.reset();
    killer.reset();
  });
  jobs.queue(*killer);
  jobs.queue(*next);
  jobs.queue(*last);
  jobs.run();
  EXPECT_EQ(ran, std::vector{3});
}

TEST_F(JobQueueTest, WhatJobsQueueRunsInTheSameTurn) {
  auto second = named(2);
  FunctionJob first([&] {
    ran.push_back(1);
    jobs.queue(*second);
  });
  jobs.queue(first);
  jobs.run();
  EXPECT_EQ(ran, (std::vector{1, 2}));
}

TEST_F(JobQueueTest, AJobThatKeepsQueueingItselfGetsAFewRounds) {
  FunctionJob greedy([&] {
    ran.push_back(1);
    jobs.queue(greedy);
  });
  jobs.queue(greedy);
  jobs.run();
  EXPECT_EQ(ran.size(), static_cast<std::size_t>(JobQueue::kRounds));
  EXPECT_TRUE(jobs.wants_poll());
  EXPECT_FALSE(jobs.waiting());
  jobs.polled();
  EXPECT_TRUE(jobs.waiting());
}

TEST_F(JobQueueTest, AgainWaitsForThePollUnlessQueuedBefore) {
  auto a = named(1), b = named(2), c = named(3);
  jobs.again(*a);
  jobs.again(*b);
  jobs.queue(*b);  // brought forward
  jobs.queue(*c);
  jobs.again(*c);  // runs now anyway
  jobs.run();
  EXPECT_EQ(ran, (std::vector{2, 3}));
  EXPECT_TRUE(jobs.wants_poll());
  jobs.polled();
  jobs.run();
  EXPECT_EQ(ran, (std::vector{2, 3, 1}));
  EXPECT_FALSE(jobs.wants_poll());
}

TEST_F(JobQueueTest, JobsMayOutliveTheQueue) {
  auto a = named(1), b = named(2);
  {
    JobQueue short_lived;
    short_lived.queue(*a);
    short_lived.again(*b);
  }
  EXPECT_FALSE(a->queued());
  EXPECT_FALSE(b->queued());
}

}  // namespace
}  // namespace trellis::test
