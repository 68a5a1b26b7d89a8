// Shapes as text: what is understood, and what is said when it is not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "shape.h"

namespace trellis::netlab {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

TEST(ShapeText, IsUnderstood) {
  Shape shape;
  EXPECT_EQ(apply("", shape), std::nullopt);
  EXPECT_EQ(shape, Shape());
  EXPECT_EQ(apply("delay=20ms,jitter=150us,loss=0.5%,rate=25mbit,queue=64k,mtu=1280,blackhole=on", shape),
            std::nullopt);
  EXPECT_EQ(shape.delay, 20ms);
  EXPECT_EQ(shape.jitter, 150us);
  EXPECT_DOUBLE_EQ(shape.loss, 0.005);
  EXPECT_EQ(shape.bits_per_second, 25'000'000u);
  EXPECT_EQ(shape.queue_bytes, 65536u);
  EXPECT_EQ(shape.mtu, 1280u);
  EXPECT_TRUE(shape.black_hole);
  EXPECT_EQ(apply("corruption=1%,duplication=0.5", shape), std::nullopt);
  EXPECT_DOUBLE_EQ(shape.corruption, 0.01);
  EXPECT_DOUBLE_EQ(shape.duplication, 0.5);
  EXPECT_EQ(apply("blackhole=off,loss=0.25,rate=1.5gbit,delay=0.5s", shape), std::nullopt);
  EXPECT_EQ(shape.delay, 500ms);
  EXPECT_DOUBLE_EQ(shape.loss, 0.25);
  EXPECT_EQ(shape.bits_per_second, 1'500'000'000u);
  EXPECT_EQ(shape.mtu, 1280u) << "what is not named stays";
}

TEST(ShapeText, NamesWhatIsWrong) {
  for (const char* text :
       {"delay", "delay=", "delay=20", "delay=20 ms", "delay=-1ms", "delay=61s", "loss=101%", "loss=2", "loss=nan",
        "rate=25", "rate=25mb", "rate=1e9kbit", "queue=1g", "colour=red", "blackhole=1", "=", "delay=1ms=2"}) {
    Shape shape;
    const auto wrong = apply("jitter=1ms," + std::string(text) + ",mtu=1400", shape);
    ASSERT_TRUE(wrong) << text;
    EXPECT_THAT(*wrong, HasSubstr("'" + std::string(text) + "'"));
    EXPECT_EQ(shape, Shape()) << "nothing is changed by half";
  }
}

}  // namespace
}  // namespace trellis::netlab
