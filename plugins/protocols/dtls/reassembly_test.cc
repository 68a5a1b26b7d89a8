// What the network does to handshake messages is undone, and nobody makes us remember much.
#include "reassembly.h"

#include <gtest/gtest.h>

#include <string>

namespace trellis::dtls {
namespace {

using Heard = Reassembly::Heard;

std::vector<std::byte> piece(std::uint16_t sequence, const std::string& whole, std::uint32_t from, std::uint32_t size,
                             std::uint32_t length = 0) {
  std::vector<std::byte> made(kMessageHeader + size);
  MessageHeader{.type = MessageType::server_hello,
                .length = length != 0 ? length : static_cast<std::uint32_t>(whole.size()),
                .sequence = sequence,
                .offset = from,
                .piece = size}
      .write(std::span(made).first<kMessageHeader>());
  for (std::uint32_t i = 0; i < size; ++i) made[kMessageHeader + i] = static_cast<std::byte>(whole[from + i]);
  return made;
}
std::vector<std::byte> all_of(std::uint16_t sequence, const std::string& whole) {
  return piece(sequence, whole, 0, static_cast<std::uint32_t>(whole.size()));
}
std::string body(const std::vector<std::byte>& message) {
  if (message.empty()) return "(none)";
  return {reinterpret_cast<const char*>(message.data()) + kMessageHeader, message.size() - kMessageHeader};
}

TEST(Reassembly, InOrderWhateverOrderTheyComeIn) {
  Reassembly in;
  EXPECT_EQ(in.add(all_of(1, "second")), Heard::news);
  EXPECT_EQ(body(in.next()), "(none)");
  EXPECT_EQ(in.add(all_of(0, "first")), Heard::news);
  EXPECT_EQ(body(in.next()), "first");
  EXPECT_EQ(body(in.next()), "second");
  EXPECT_EQ(in.add(all_of(0, "first")), Heard::old);
}

TEST(Reassembly, PiecesThatOverlapAndRepeat) {
  Reassembly in;
  const std::string text = "abcdefghij";
  for (const auto& [from, size] : {std::pair{7u, 3u}, {0u, 2u}, {0u, 2u}, {1u, 4u}, {9u, 1u}})
    in.add(piece(0, text, from, size));
  EXPECT_EQ(body(in.next()), "(none)");
  in.add(piece(0, text, 4, 4));
  EXPECT_EQ(body(in.next()), text);
}

TEST(Reassembly, SeveralMessagesInOneRecordAndEmptyOnes) {
  Reassembly in;
  auto record = all_of(0, "");
  const auto more = all_of(1, "x");
  record.insert(record.end(), more.begin(), more.end());
  EXPECT_EQ(in.add(record), Heard::news);
  EXPECT_EQ(body(in.next()), "");
  EXPECT_EQ(body(in.next()), "x");
}

TEST(Reassembly, WhatLiesAboutItselfIsDropped) {
  Reassembly in;
  EXPECT_EQ(in.add(piece(0, std::string(10, 'x'), 0, 10, 5)), Heard::nothing);  // longer than the whole
  auto cut = all_of(0, "abc");
  cut.pop_back();
  EXPECT_EQ(in.add(cut), Heard::nothing);
  in.add(piece(0, "abcd", 0, 2));
  EXPECT_EQ(in.add(piece(0, "abcdef", 2, 4)), Heard::nothing);  // of another length than before
  in.add(piece(0, "abcd", 2, 2));
  EXPECT_EQ(body(in.next()), "abcd");
}

TEST(Reassembly, Limits) {
  Reassembly in;
  EXPECT_EQ(in.add(piece(0, "x", 0, 1, Reassembly::kMessageMost + 1)), Heard::nothing);
  EXPECT_EQ(in.add(all_of(Reassembly::kAhead + 1, "x")), Heard::nothing);
  int kept = 0;
  for (std::uint16_t i = 1; i <= Reassembly::kAhead; ++i)
    kept += in.add(piece(i, "x", 0, 1, Reassembly::kMessageMost)) == Heard::news;
  EXPECT_EQ(kept, 3) << "48 KiB";
  EXPECT_EQ(in.add(all_of(0, "there is always room for the next one")), Heard::news);
}

TEST(Reassembly, TooManyGaps) {
  Reassembly in;
  const std::string text(1000, 'x');
  int kept = 0;
  for (std::uint32_t i = 0; i < 500; ++i) kept += in.add(piece(0, text, 2 * i, 1)) == Heard::news;
  EXPECT_EQ(kept, static_cast<int>(Reassembly::kPiecesMost));
}

// What is there already is joined to, however many gaps there are: else nothing that comes again could help.
TEST(Reassembly, TheMostGapsAreFilled) {
  Reassembly in;
  const std::string text(2 * Reassembly::kPiecesMost, 'x');
  for (std::uint32_t i = 0; i < text.size(); i += 2) in.add(piece(0, text, i, 1));
  EXPECT_EQ(body(in.next()), "(none)");
  for (std::uint32_t i = 1; i < text.size(); i += 2) EXPECT_EQ(in.add(piece(0, text, i, 1)), Heard::news) << i;
  EXPECT_EQ(body(in.next()), text);
}

}  // namespace
}  // namespace trellis::dtls
