// Tickets are opened by who has the ticket key, and by nobody else.
#include "ticket_seal.h"

#include <botan/system_rng.h>
#include <gtest/gtest.h>

namespace trellis::tls {
namespace {

using Secret = TicketSeal::Secret;

const Secret kTicketKey(32, 1), kOtherKey(32, 2), kSession{1, 2, 3, 4, 5};

class TicketSeals : public testing::Test {
 protected:
  Botan::System_RNG random;
  TicketSeal one{kTicketKey}, two{kTicketKey}, stranger{kOtherKey};
};

TEST_F(TicketSeals, WhatWasSealedIsOpened) {
  const auto first = one.seal(kSession, random), second = one.seal(kSession, random);
  EXPECT_NE(first, second) << "a nonce was used twice";
  EXPECT_EQ(one.open(first), kSession);
  EXPECT_EQ(one.open(second), kSession);
  EXPECT_EQ(one.open(one.seal(Secret(), random)), Secret());
}

// As processes of a fleet do, in any order.
TEST_F(TicketSeals, WhoHasTheKeyOpensTicketsOfOthers) {
  const auto first = one.seal(kSession, random), second = two.seal(kSession, random);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(two.open(first), kSession);
    EXPECT_EQ(two.open(second), kSession);
    EXPECT_EQ(one.open(second), kSession);
  }
}

TEST_F(TicketSeals, WhoHasNotTheKeyOpensNothing) { EXPECT_FALSE(stranger.open(one.seal(kSession, random))); }

TEST_F(TicketSeals, ADamagedTicketIsNone) {
  const auto good = one.seal(kSession, random);
  for (std::size_t i = 0; i < good.size(); ++i) {
    auto bad = good;
    bad[i] ^= 1;
    EXPECT_FALSE(one.open(bad)) << i;
    EXPECT_FALSE(one.open(std::span(good).first(i))) << i;
  }
  EXPECT_EQ(one.open(good), kSession);
}

}  // namespace
}  // namespace trellis::tls
