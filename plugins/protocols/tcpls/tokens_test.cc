// Invitations: single use, no number twice.
#include "tokens.h"

#include <gtest/gtest.h>

namespace trellis::tcpls {
namespace {

Token filled(unsigned value) {
  Token token;
  token.fill(static_cast<std::byte>(value));
  return token;
}

// TCPLS-104, TCPLS-121
TEST(Tokens, OfAClient) {
  ClientTokens tokens;
  EXPECT_EQ(tokens.add({0, filled(1)}).error().code, 47u);
  EXPECT_TRUE(tokens.add({1, filled(1)}));
  EXPECT_TRUE(tokens.add({1, filled(1)})) << "an identical repeat is ignored";
  EXPECT_EQ(tokens.add({1, filled(2)}).error().code, 47u);
  EXPECT_EQ(tokens.take()->sequence, 1);
  EXPECT_FALSE(tokens.take());
  EXPECT_TRUE(tokens.add({1, filled(1)}));
  EXPECT_TRUE(tokens.empty()) << "used once";
  EXPECT_TRUE(tokens.knows(1));
  EXPECT_FALSE(tokens.knows(2));
  for (unsigned i = 2; i < 256; ++i) EXPECT_TRUE(tokens.add({static_cast<std::uint8_t>(i), filled(i)}));
  std::size_t kept = 0;
  while (tokens.take()) ++kept;
  EXPECT_EQ(kept, ClientTokens::kMost);
}

// TCPLS-52, TCPLS-69
TEST(Tokens, OfAServer) {
  TokenTable table{filled(9)};
  auto* const one = reinterpret_cast<Session*>(&table);
  auto* const other = reinterpret_cast<Session*>(&table + 1);
  table.add(filled(1), {one, 1});
  table.add(filled(2), {other, 1});
  table.add(filled(3), {one, 2});
  ASSERT_TRUE(table.find(filled(3)));
  EXPECT_EQ(table.find(filled(3))->sequence, 2);
  EXPECT_FALSE(table.find(filled(4)));
  EXPECT_EQ(table.take(filled(3))->sequence, 2);
  EXPECT_FALSE(table.take(filled(3)));
  EXPECT_FALSE(table.find(filled(3)));
  table.add(filled(5), {one, 3});
  EXPECT_TRUE(table.withdraw(*one, 3)) << "its join got lost";
  EXPECT_FALSE(table.find(filled(5)));
  EXPECT_FALSE(table.withdraw(*one, 3));
  table.forget(*one);
  EXPECT_FALSE(table.find(filled(1)));
  EXPECT_TRUE(table.find(filled(2)));
}

}  // namespace
}  // namespace trellis::tcpls
