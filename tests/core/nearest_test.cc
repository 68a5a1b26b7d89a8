#include "core/nearest.h"

#include <gtest/gtest.h>

#include <string>

namespace trellis {
namespace {

TEST(Nearest, Distance) {
  EXPECT_EQ(edit_distance("", ""), 0u);
  EXPECT_EQ(edit_distance("tcp", "tcp"), 0u);
  EXPECT_EQ(edit_distance("", "tcp"), 3u);
  EXPECT_EQ(edit_distance("tcp", ""), 3u);
  EXPECT_EQ(edit_distance("tcp", "tp"), 1u);    // one left out
  EXPECT_EQ(edit_distance("tcp", "tcpx"), 1u);  // one too many
  EXPECT_EQ(edit_distance("tcp", "tap"), 1u);   // one replaced
  EXPECT_EQ(edit_distance("tcp", "tpc"), 1u);   // two swapped
  EXPECT_EQ(edit_distance("stacks", "stakcs"), 1u);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
}

TEST(Nearest, WordThatWasMeant) {
  const std::string_view words[] = {"sctp", "tcp", "udp"};
  EXPECT_EQ(nearest("tpc", words), "tcp");
  EXPECT_EQ(nearest("tcp", words), "tcp");
  EXPECT_EQ(nearest("upd", words), "udp");
  EXPECT_EQ(nearest("quic", words), "");  // nothing like it
  EXPECT_EQ(nearest("", words), "");
  EXPECT_EQ(nearest("tcp", {}), "");
  EXPECT_EQ(nearest(std::string(1 << 20, 't'), words), "");  // and is quick about it
  const std::string_view short_words[] = {"a"};
  EXPECT_EQ(nearest("b", short_words), "") << "another word is not a misspelt one";
}

TEST(Nearest, Sentence) {
  const std::string_view words[] = {"sctp", "tcp", "udp"};
  EXPECT_EQ(expected_one_of("tpc", words), "expected sctp, tcp or udp: did you mean \"tcp\"?");
  EXPECT_EQ(expected_one_of("quic", words), "expected sctp, tcp or udp");
  EXPECT_EQ(expected_one_of("quic", std::span(words).first(1)), "expected sctp");
  EXPECT_EQ(expected_one_of("quic", {}), "expected nothing");
}

}  // namespace
}  // namespace trellis
