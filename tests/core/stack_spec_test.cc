#include "core/stack_spec.h"

#include <gtest/gtest.h>

namespace trellis {
namespace {

TEST(StackSpec, TopLayerFirst) {
  const auto stack = parse_stack("length-prefix/tls/tcp");
  ASSERT_TRUE(stack);
  EXPECT_EQ(stack->name, "length-prefix/tls/tcp");
  ASSERT_EQ(stack->layers.size(), 3u);
  EXPECT_EQ(stack->layers[0].name, "length-prefix");
  EXPECT_EQ(stack->layers[2].name, "tcp");
  EXPECT_EQ(stack->layers[0].kind, LayerSpec::Kind::either);
  EXPECT_EQ(stack_text(*stack), "length-prefix/tls/tcp");
}

TEST(StackSpec, Options) {
  const auto stack = parse_stack(" tls( trust = /etc/ca.pem , note='a, (b)/c' )/tcp(no-delay=false,dscp=46,empty=)");
  ASSERT_TRUE(stack) << stack.error().detail;
  ASSERT_EQ(stack->layers.size(), 2u);
  const auto& tls = stack->layers[0].options;
  ASSERT_EQ(tls.size(), 2u);
  EXPECT_EQ(tls[0].name, "trust");
  EXPECT_EQ(tls[0].value, "/etc/ca.pem");
  EXPECT_EQ(tls[1].value, "a, (b)/c");
  const auto& tcp = stack->layers[1].options;
  ASSERT_EQ(tcp.size(), 3u);
  EXPECT_EQ(tcp[0].name, "no-delay");
  EXPECT_EQ(tcp[0].value, "false");
  EXPECT_EQ(tcp[1].value, "46");
  EXPECT_EQ(tcp[2].value, "");
  EXPECT_EQ(stack_text(*stack), "tls/tcp");
}

TEST(StackSpec, Sentences) {
  const std::string hint = ": write it like length-prefix/tcp(no-delay=false)";
  const std::pair<const char*, const char*> cases[] = {
      {"", "found the end, expected the name of a layer"},
      {"/tcp", "found \"/tcp\", expected the name of a layer"},
      {"tcp/", "found the end, expected the name of a layer"},
      {"tcp//udp", "found \"/udp\", expected the name of a layer"},
      {"TCP", "found \"TCP\", expected the name of a layer"},
      {"t cp", "found \"t cp\", expected the name of a layer"},
      {"tcp)", "found \")\", expected \"/\" or the end"},
      {"tcp(", "found the end, expected the name of an option"},
      {"tcp()", "found \")\", expected the name of an option"},
      {"tcp(a)", "found \")\", expected \"=\" and a value after \"a\""},
      {"tcp(a=1", "found the end, expected \",\" or \")\""},
      {"tcp(a=1,)", "found \")\", expected the name of an option"},
      {"tcp(a='1)", "found the end, expected a \"'\" that closes the value"},
      {"tcp(a='1'2)", "found \"2)\", expected \",\" or \")\""},
      {"tcp(a=1'2)", "found \"'2)\", expected \",\" or \")\""},
      {"tcp(a=1)udp", "found \"udp\", expected \"/\" or the end"},
  };
  for (const auto& [text, sentence] : cases) {
    const auto stack = parse_stack(text);
    ASSERT_FALSE(stack) << text;
    EXPECT_EQ(stack.error().detail, std::string("stack \"") + text + "\": " + sentence + hint);
    EXPECT_EQ(stack.error().reason, Reason::invalid_argument);
  }
}

TEST(StackSpec, DepthIsBounded) {
  std::string text = "a";
  for (int i = 1; i < kLayersMax; ++i) text += "/a";
  EXPECT_TRUE(parse_stack(text));
  EXPECT_FALSE(parse_stack(text + "/a"));
}

}  // namespace
}  // namespace trellis
