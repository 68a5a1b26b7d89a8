// The bundled framers by themselves: what they write, byte by byte, and their options.
#include "../support/given.h"
#include "framer_bench.h"
#include "length_prefix.h"
#include "line.h"

namespace trellis::test {
namespace {

using Prefix = LengthPrefixFraming::Prefix;

std::string header(Prefix prefix, std::size_t size) {
  HeapPool pool;
  const auto framer = LengthPrefixFraming(prefix, SIZE_MAX).make(pool);
  Batch out;
  EXPECT_TRUE(framer->frame(Chunk{.data = {}, .end_of_message = true}, true, size, out));
  return text_of(out.front().data);
}

TEST(LengthPrefix, WritesBigEndian) {
  EXPECT_EQ(header(Prefix::one, 200), "\xc8");
  EXPECT_EQ(header(Prefix::two, 0x1234), "\x12\x34");
  EXPECT_EQ(header(Prefix::four, 0x12345678), "\x12\x34\x56\x78");
}

// The examples of RFC 9000 appendix A.1.
TEST(LengthPrefix, WritesAndReadsQuicVarints) {
  EXPECT_EQ(header(Prefix::varint, 37), "\x25");
  EXPECT_EQ(header(Prefix::varint, 15293), "\x7b\xbd");
  EXPECT_EQ(header(Prefix::varint, 494878333), "\x9d\x7f\x3e\x7d");
  EXPECT_EQ(header(Prefix::varint, 151288809941952652), "\xc2\x19\x7c\x5e\xff\x14\xe8\x8c");
  HeapPool pool;
  const auto framer = LengthPrefixFraming(Prefix::varint, SIZE_MAX).make(pool);
  const auto parse = [&](std::string_view bytes) { return *framer->parse(std::as_bytes(std::span(bytes))); };
  EXPECT_EQ(parse("\xc2\x19\x7c\x5e\xff\x14\xe8\x8c").deliver, 151288809941952652u);
  EXPECT_EQ(parse("\x40\x25").deliver, 37u);  // longer than needed, and allowed
  EXPECT_EQ(parse("\x40\x25").skip, 2u);
  EXPECT_EQ(parse("\xc2\x19\x7c").skip, 0u);  // needs more
}

TEST(LengthPrefix, LargestIsWhatBothTheOptionAndThePrefixAllow) {
  EXPECT_EQ(LengthPrefixFraming(Prefix::one, 1 << 24).largest(), 255u);
  EXPECT_EQ(LengthPrefixFraming(Prefix::two, 100).largest(), 100u);
  EXPECT_EQ(LengthPrefixFraming(Prefix::varint, SIZE_MAX).largest(), (std::size_t{1} << 62) - 1);
}

TEST(LengthPrefix, ReadsItsOptions) {
  const auto make = [](std::map<std::string, OptionValue> values) {
    return *LengthPrefixFraming::make_from(Given(length_prefix_options(), std::move(values)));
  };
  EXPECT_EQ(make({})->headroom(), 4);
  EXPECT_EQ(make({})->largest(), std::size_t{16} << 20);
  EXPECT_EQ(make({{"bytes", std::string_view("1")}})->headroom(), 1);
  EXPECT_EQ(make({{"bytes", std::string_view("2")}, {"max-bytes", std::int64_t{9}}})->largest(), 9u);
  EXPECT_EQ(make({{"bytes", std::string_view("varint")}})->headroom(), 4);  // as long as 16 MiB needs
}

TEST(Line, ReadsItsOptions) {
  const auto make = [](std::map<std::string, OptionValue> values) {
    return *LineFraming::make_from(Given(line_options(), std::move(values)));
  };
  EXPECT_EQ(make({})->tailroom(), 1);
  EXPECT_EQ(make({})->largest(), 65536u);
  EXPECT_EQ(make({{"delimiter", std::string_view("crlf")}})->tailroom(), 2);
}

TEST(Line, StripsItsDelimiterAndNothingElse) {
  FramerBench lf(std::make_unique<LineFraming>(LineFraming::Delimiter::lf, 1000));
  lf.demand(100'000);
  lf.arrive("a\r\n\n b \n");
  EXPECT_EQ(lf.messages(), (std::vector<std::string>{"a\r", "", " b "}));
  FramerBench crlf(std::make_unique<LineFraming>(LineFraming::Delimiter::crlf, 1000));
  crlf.demand(100'000);
  crlf.arrive("a\nb\r\r\n\r\nc\r\n");
  EXPECT_EQ(crlf.messages(), (std::vector<std::string>{"a\nb\r", "", "c"}));
}

}  // namespace
}  // namespace trellis::test
