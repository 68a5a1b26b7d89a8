// Frames of one stream in any order, twice, overlapping, and contradicting each
// other.
#include "receive_order.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>

#include "heap_pool.h"

namespace trellis::tcpls {
namespace {

tls::HeapPool heap;

StreamData frame(std::uint64_t offset, std::string_view content, bool fin = false) {
  StreamData made{
      .stream = 4, .offset = offset, .data = heap.allocate(0, static_cast<std::uint32_t>(content.size()), 0)};
  if (!content.empty()) std::memcpy(made.data.edit().data(), content.data(), content.size());
  made.fin = fin;
  return made;
}
std::string drain(Batch& ready) {
  std::string all;
  while (!ready.empty()) {
    const Chunk chunk = ready.pop();
    all.append(reinterpret_cast<const char*>(chunk.data.bytes().data()), chunk.data.size());
  }
  return all;
}

// TCPLS-30, TCPLS-46
TEST(ReceiveOrder, OvertakenAndRepeated) {
  ReceiveOrder order;
  Batch ready;
  EXPECT_TRUE(*order.take(frame(5, "world"), ready));
  EXPECT_TRUE(ready.empty());
  EXPECT_GE(order.held(), 5u);
  EXPECT_FALSE(*order.take(frame(0, "hello"), ready));
  EXPECT_EQ(drain(ready), "helloworld");
  EXPECT_EQ(order.held(), 0u);
  EXPECT_FALSE(*order.take(frame(3, "loworld"), ready));
  EXPECT_TRUE(ready.empty());
  EXPECT_FALSE(order.complete());
  EXPECT_FALSE(*order.take(frame(8, "ld!", true), ready));
  EXPECT_EQ(drain(ready), "!");
  EXPECT_TRUE(order.complete());
}

// TCPLS-102
TEST(ReceiveOrder, SizesThatContradict) {
  const auto refused = [](auto... frames) {
    ReceiveOrder order;
    Batch ready;
    Result<bool> last = false;
    ((last = order.take(std::move(frames), ready)), ...);
    return !last && last.error().code == 47;
  };
  EXPECT_TRUE(refused(frame(UINT64_MAX - 1, "ab")));
  EXPECT_TRUE(refused(frame(0, "abc", true), frame(3, "d")));
  EXPECT_TRUE(refused(frame(0, "abc", true), frame(0, "ab", true)));
  EXPECT_TRUE(refused(frame(10, "abc"), frame(0, "ab", true)));
  EXPECT_FALSE(refused(frame(0, "abc", true), frame(0, "abc", true)));
}

TEST(ReceiveOrder, AnyOrderGivesTheSame) {
  for (unsigned seed = 1; seed <= 300; ++seed) {
    std::mt19937 random(seed);
    std::string all(500, 0);
    for (auto& c : all) c = static_cast<char>(random());
    ReceiveOrder order;
    Batch ready;
    std::string got;
    for (int step = 0; step < 5000 && !order.complete(); ++step) {
      const std::size_t from = random() % (all.size() + 1), size = random() % 60;
      const std::size_t n = std::min(size, all.size() - from);
      ASSERT_TRUE(order.take(frame(from, std::string_view(all).substr(from, n), from + n == all.size()), ready));
      got += drain(ready);
    }
    ASSERT_TRUE(order.complete());
    EXPECT_EQ(got, all) << seed;
    EXPECT_EQ(order.held(), 0u);
  }
}

}  // namespace
}  // namespace trellis::tcpls
