// The loop's memory: size classes, reuse, its bounds, and blocks that outlive their pool.
#include "loop/block_pool.h"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>

namespace trellis::test {
namespace {

TEST(BlockPool, RoomIsWhatWasAskedForOrMore) {
  SizeClassPool pool;
  Slice slice = pool.allocate(10, 100, 20);
  EXPECT_EQ(slice.size(), 100u);
  EXPECT_GE(slice.headroom(), 10u);
  EXPECT_GE(slice.tailroom(), 20u);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(slice.edit().data()) % SizeClassPool::kAlignment, 0u);
  const Slice empty = pool.allocate(0, 0, 0);
  EXPECT_EQ(empty.size(), 0u);
}

TEST(BlockPool, SmallestClassThatFits) {
  SizeClassPool pool;
  for (const std::uint32_t capacity : SizeClassPool::kCapacities) {
    const Slice slice = pool.allocate(capacity / 2, capacity - capacity / 2, 0);
    EXPECT_EQ(pool.live_bytes(), capacity);
    EXPECT_EQ(pool.live_blocks(), 1u);
  }
  EXPECT_EQ(pool.live_bytes(), 0u);
}

TEST(BlockPool, TheLastFreedIsTheFirstGivenAgain) {
  SizeClassPool pool;
  Slice a = pool.allocate(0, 100, 0), b = pool.allocate(0, 100, 0);
  const std::byte *first = a.bytes().data(), *second = b.bytes().data();
  a = Slice();
  b = Slice();
  EXPECT_EQ(pool.cached_bytes(), 2 * SizeClassPool::kCapacities[0]);
  a = pool.allocate(0, 50, 0);
  b = pool.allocate(0, 50, 0);
  EXPECT_EQ(a.bytes().data(), second);
  EXPECT_EQ(b.bytes().data(), first);
  EXPECT_EQ(pool.cached_bytes(), 0u);
}

TEST(BlockPool, TheCacheIsBounded) {
  SizeClassPool pool;
  std::vector<Slice> slices;
  for (int i = 0; i < 100; ++i) slices.push_back(pool.allocate(0, 200'000, 0));
  slices.clear();
  EXPECT_LE(pool.cached_bytes(), SizeClassPool::kCachedBytesPerClass);
  EXPECT_GT(pool.cached_bytes(), SizeClassPool::kCachedBytesPerClass / 2);
  EXPECT_EQ(pool.live_bytes(), 0u);
}

TEST(BlockPool, BlocksLargerThanAllClassesAreGivenButNotKept) {
  SizeClassPool pool;
  {
    Slice large = pool.allocate(0, 5'000'000, 0);
    std::memset(large.edit().data(), 1, large.size());
    EXPECT_EQ(pool.live_bytes(), 5'000'000u);
  }
  EXPECT_EQ(pool.live_bytes(), 0u);
  EXPECT_EQ(pool.cached_bytes(), 0u);
}

TEST(BlockPool, BlocksMayOutliveThePool) {
  auto pool = std::make_unique<SizeClassPool>();
  Slice small = pool->allocate(0, 10, 0), shared = small.share(), large = pool->allocate(0, 1'000'000, 0);
  std::memcpy(large.edit().data(), "still here", 10);
  pool.reset();
  EXPECT_EQ(std::memcmp(large.bytes().data(), "still here", 10), 0);
  small = Slice();
  EXPECT_TRUE(shared.editable());
}

TEST(BlockPoolDeathTest, WhatNoSliceCanHoldEndsTheProcess) {
  SizeClassPool pool;
  EXPECT_DEATH((void)pool.allocate(0, UINT32_MAX, 0), "out of memory: a block of 4294967295 bytes");
}

}  // namespace
}  // namespace trellis::test
