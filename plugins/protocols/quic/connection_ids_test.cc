// The names of our connections, and what goes with each.
#include "connection_ids.h"

#include <gtest/gtest.h>

namespace trellis::quic {
namespace {

using Id = std::array<std::uint8_t, kIdBytes>;
using ResetToken = std::array<std::uint8_t, NGTCP2_STATELESS_RESET_TOKENLEN>;

ResetToken reset_token(std::uint8_t ticket_key, const Id& id) {
  const Secrets secrets(Id{ticket_key});
  ResetToken token{};
  ResetTokens(secrets.reset).write(token, id);
  return token;
}

// Who has the key makes the same one again, after a new start for example.
TEST(ConnectionIds, AResetTokenIsOfOneKeyAndOneId) {
  EXPECT_EQ(reset_token(1, Id{1}), reset_token(1, Id{1}));
  EXPECT_NE(reset_token(1, Id{1}), reset_token(1, Id{2}));
  EXPECT_NE(reset_token(1, Id{1}), reset_token(2, Id{1}));
  EXPECT_NE(reset_token(1, Id{1}), (Id{1})) << "nobody must see it in the id";
}

}  // namespace
}  // namespace trellis::quic
