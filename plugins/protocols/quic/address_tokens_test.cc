// Tokens prove an address to whoever has the key, for a while, and to nobody else.
#include "address_tokens.h"

#include <gtest/gtest.h>

#include <utility>

namespace trellis::quic {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

constexpr std::uint8_t kKey[32] = {1}, kOtherKey[32] = {2};
const WallClock kNow{hours(24 * 365 * 56)};

struct AddressTokenTest : testing::Test {
  const Secrets secrets{kKey}, same{kKey}, others{kOtherKey};
  AddressTokens ours{secrets}, sibling{same}, stranger{others};
  const Address client{.family = Address::Family::ipv4, .port = 50'000, .ip = {192, 0, 2, 1}};
  const Address elsewhere{.family = Address::Family::ipv4, .port = 50'000, .ip = {192, 0, 2, 2}};
  FirstFlight first{};

  /// Whether it proves the address; what claims to be of a Retry and is not counts as a refusal.
  bool proves(AddressTokens& to, const Token& token, const Address& from, WallClock when) {
    first.header.token = token.data();
    first.header.tokenlen = token.size();
    first.validated = false;
    return to.judge(first, from, when) && first.validated;
  }
};

TEST_F(AddressTokenTest, ForTheNextConnection) {
  const Token token = ours.for_next_time(client, kNow);
  EXPECT_TRUE(proves(ours, token, client, kNow));
  EXPECT_TRUE(proves(sibling, token, client, kNow + hours(23))) << "another server with the key";
  Address rebound = client;
  rebound.port = 1;
  EXPECT_TRUE(proves(ours, token, rebound, kNow)) << "a NAT has chosen another port";
  EXPECT_FALSE(proves(ours, token, elsewhere, kNow));
  EXPECT_FALSE(proves(ours, token, client, kNow + hours(24)));
  EXPECT_FALSE(proves(stranger, token, client, kNow));
}

TEST_F(AddressTokenTest, NoTwoAreAlike) {
  const Token one = ours.for_next_time(client, kNow), two = ours.for_next_time(client, kNow);
  ASSERT_EQ(one.size(), two.size());
  EXPECT_NE(one, two) << "an observer could tell that both connections are of one client";
}

TEST_F(AddressTokenTest, ADamagedOneIsAsGoodAsNone) {
  const Token whole = ours.for_next_time(client, kNow);
  for (std::size_t i = 0; i < whole.size(); ++i) {
    Token token = whole;
    token[i] ^= 1;
    EXPECT_FALSE(proves(ours, token, client, kNow)) << i;
    EXPECT_TRUE(ours.judge(first, client, kNow)) << "the client may go on without: " << i;
  }
  EXPECT_FALSE(proves(ours, Token(whole.begin(), whole.end() - 1), client, kNow));
}

TEST_F(AddressTokenTest, OfARetry) {
  first.header.version = NGTCP2_PROTO_VER_V1;
  first.header.dcid = {.datalen = 8, .data = {1, 2, 3}};
  const ngtcp2_cid given{.datalen = kIdBytes, .data = {4, 5, 6}};
  const Token token = ours.for_retry(first.header, given, client, kNow);
  const ngtcp2_cid original = std::exchange(first.header.dcid, given);
  EXPECT_TRUE(proves(ours, token, client, kNow + seconds(9)));
  ASSERT_TRUE(first.original.has_value());
  EXPECT_EQ(ngtcp2_cid_eq(&*first.original, &original), 1);
  EXPECT_FALSE(proves(ours, token, client, kNow + seconds(11)));
  EXPECT_FALSE(proves(stranger, token, client, kNow));
  EXPECT_FALSE(ours.judge(first, elsewhere, kNow)) << "such a client must be refused";
}

}  // namespace
}  // namespace trellis::quic
