#include "core/text.h"

#include <gtest/gtest.h>

#include <string>

#include "core/trait_words.h"

namespace trellis {
namespace {

TEST(Text, Utf8) {
  for (const char* good : {"", "plain", "\x7f", "\xc3\xa4", "\xe2\x82\xac", "\xed\x9f\xbf", "\xee\x80\x80",
                           "\xf0\x9f\x8c\xb1", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_EQ(find_bad_utf8(good), std::string_view::npos) << good;
  }
  for (const char* bad : {"\x80", "\xc0\x80", "\xc1\xbf", "\xc3", "\xc3z", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xe2\x82",
                          "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff"}) {
    EXPECT_EQ(find_bad_utf8(bad), 0u) << bad;
    EXPECT_EQ(find_bad_utf8(std::string("ab") + bad), 2u) << bad;
  }
}

TEST(Text, Names) {
  for (const char* good : {"a", "tcp", "length-prefix", "x25", "a-1-b"}) EXPECT_TRUE(is_kebab_case(good)) << good;
  for (const char* bad : {"", "-a", "a-", "a--b", "1a", "A", "a_b", "a b", "ä", "a\n"})
    EXPECT_FALSE(is_kebab_case(bad)) << bad;
  EXPECT_FALSE(is_kebab_case(std::string_view("a\0b", 3)));
}

TEST(Text, Shown) {
  EXPECT_EQ(in_quotes("tcp"), "\"tcp\"");
  EXPECT_EQ(in_quotes("a\nb\x1b[2J"), "\"a?b?[2J\"");
  EXPECT_EQ(in_quotes("\xc3\xa4\xff"), "\"\xc3\xa4?\"");
  EXPECT_EQ(in_quotes(std::string(100, 'x')), '"' + std::string(80, 'x') + "…\"");
  EXPECT_EQ(in_quotes(std::string(79, 'x') + "\xc3\xa4\xc3\xa4"), '"' + std::string(79, 'x') + "…\"");
  EXPECT_TRUE(is_printable("Grüße"));
  EXPECT_FALSE(is_printable("tab\t"));
}

TEST(Text, WordsOfTraits) {
  for (const std::string_view word : feature_words()) EXPECT_EQ(to_string(feature_of(word).value()), word);
  for (const std::string_view word : face_words()) EXPECT_EQ(to_string(face_of(word).value()), word);
  EXPECT_EQ(feature_words().size(), 21u);
  EXPECT_EQ(to_string(Feature::reliability), "reliability");
  EXPECT_EQ(to_string(Feature::zero_rtt), "zero-rtt");
  EXPECT_EQ(to_string(Feature::duplicate_protection), "duplicate-protection");
  EXPECT_EQ(to_string(Feature::stream_abort), "stream-abort");
  EXPECT_EQ(to_string(Face::none), "none");
  EXPECT_EQ(to_string(Face::message), "message");
  EXPECT_FALSE(face_of("none"));
  EXPECT_FALSE(feature_of("Reliability"));
  EXPECT_EQ(to_string(FeatureSet{Feature::ordering, Feature::reliability}), "reliability, ordering");
  EXPECT_EQ(to_string(FeatureSet{}), "none");
}

}  // namespace
}  // namespace trellis
