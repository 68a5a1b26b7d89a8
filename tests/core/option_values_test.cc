#include "core/option_values.h"

#include <gtest/gtest.h>

namespace trellis {
namespace {

constexpr OptionSpec kSchema[] = {
    {"no-delay", true, "Sends at once"},
    {"dscp", std::int64_t{0}, "Code point", 0, 63},
    {"offset", std::int64_t{-1}, "Any number"},
    {"least", std::int64_t{5}, "At least", 5},
    {"most", std::int64_t{5}, "At most", INT64_MIN, 5},
    {"mode", std::string_view("fast"), "How", INT64_MIN, INT64_MAX, "fast safe tiny"},
    {"path", std::string_view("/tmp"), "Any text"},
};

Result<OptionValues> check(std::vector<OptionText> given) {
  return OptionValues::check("protocol tcp", kSchema, given);
}

TEST(OptionValues, DefaultsWhenNothingIsGiven) {
  const auto values = check({});
  ASSERT_TRUE(values);
  EXPECT_TRUE(values->flag("no-delay"));
  EXPECT_EQ(values->number("dscp"), 0);
  EXPECT_EQ(values->number("offset"), -1);
  EXPECT_EQ(values->text("mode"), "fast");
  EXPECT_EQ(values->text("path"), "/tmp");
}

TEST(OptionValues, WhatIsGivenCounts) {
  const auto values = check(
      {{"no-delay", "false"}, {"dscp", "46"}, {"offset", "-9223372036854775808"}, {"mode", "tiny"}, {"path", ""}});
  ASSERT_TRUE(values);
  EXPECT_FALSE(values->flag("no-delay"));
  EXPECT_EQ(values->number("dscp"), 46);
  EXPECT_EQ(values->number("offset"), INT64_MIN);
  EXPECT_EQ(values->text("mode"), "tiny");
  EXPECT_EQ(values->text("path"), "");
}

TEST(OptionValues, Sentences) {
  const std::pair<OptionText, const char*> cases[] = {
      {{"no-dely", "true", "p.xml:7"},
       "p.xml:7: protocol tcp: found option \"no-dely\", expected no-delay, dscp, offset, least, most, mode or path: "
       "did "
       "you mean \"no-delay\"?"},
      {{"no-delay", "yes", "p.xml:7"}, "p.xml:7: protocol tcp: found no-delay=\"yes\", expected true or false"},
      {{"no-delay", "", ""}, "protocol tcp: found no-delay=\"\", expected true or false"},
      {{"dscp", "64", ""}, "protocol tcp: found dscp=\"64\", expected a whole number from 0 to 63"},
      {{"dscp", "-1", ""}, "protocol tcp: found dscp=\"-1\", expected a whole number from 0 to 63"},
      {{"dscp", "4 6", ""}, "protocol tcp: found dscp=\"4 6\", expected a whole number from 0 to 63"},
      {{"dscp", "", ""}, "protocol tcp: found dscp=\"\", expected a whole number from 0 to 63"},
      {{"offset", "9223372036854775808", ""},
       "protocol tcp: found offset=\"9223372036854775808\", expected a whole number"},
      {{"offset", "1.5", ""}, "protocol tcp: found offset=\"1.5\", expected a whole number"},
      {{"least", "4", ""}, "protocol tcp: found least=\"4\", expected a whole number of at least 5"},
      {{"most", "6", ""}, "protocol tcp: found most=\"6\", expected a whole number of at most 5"},
      {{"mode", "saef", ""}, "protocol tcp: found mode=\"saef\", expected fast, safe or tiny: did you mean \"safe\"?"},
  };
  for (const auto& [given, sentence] : cases) {
    const auto values = check({given});
    ASSERT_FALSE(values) << sentence;
    EXPECT_EQ(values.error().detail, sentence);
    EXPECT_EQ(values.error().reason, Reason::configuration);
  }
  const auto twice = check({{"dscp", "1"}, {"dscp", "1"}});
  ASSERT_FALSE(twice);
  EXPECT_EQ(twice.error().detail, "protocol tcp: found option dscp twice, expected it once");
  const auto none = OptionValues::check("framer line", {}, std::vector<OptionText>{{"x", "1"}});
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().detail, "framer line: found option \"x\", expected none: it has no options");
}

TEST(OptionValues, Shown) {
  const auto values = check({{"dscp", "46"}});
  ASSERT_TRUE(values);
  const auto shown = values->show();
  ASSERT_EQ(shown.size(), std::size(kSchema));
  EXPECT_EQ(shown[0].name, "no-delay");
  EXPECT_EQ(shown[0].value, "true");
  EXPECT_FALSE(shown[0].given);
  EXPECT_EQ(shown[1].value, "46");
  EXPECT_TRUE(shown[1].given);
  EXPECT_EQ(shown[5].value, "fast");
}

TEST(OptionValuesDeathTest, AskingForWhatTheSchemaDoesNotHaveIsABug) {
  const auto values = check({});
  EXPECT_DEATH((void)values->flag("nodelay"), "a plugin asked for option 'nodelay'");
  EXPECT_DEATH((void)values->flag("dscp"), "a plugin asked for option 'dscp'");
}

}  // namespace
}  // namespace trellis
