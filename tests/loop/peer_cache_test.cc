// The cache of addresses: bounded, and what it hands out stays valid.
#include "loop/peer_cache.h"

#include <gtest/gtest.h>

#include <vector>

#include "harness.h"

namespace trellis::test {
namespace {

Address peer(unsigned i) {
  Address address = loopback(Family::ipv4, static_cast<std::uint16_t>(i));
  address.ip[1] = static_cast<std::uint8_t>(i >> 16);
  return address;
}

TEST(PeerCache, OneInfoPerPair) {
  PeerCache cache;
  const Address here = loopback(Family::ipv4, 1);
  const MessageRef a = cache.find(peer(1), here), b = cache.find(peer(2), here), c = cache.find(peer(1), peer(9));
  EXPECT_EQ(a, cache.find(peer(1), here));
  EXPECT_EQ(b, cache.find(peer(2), here));
  EXPECT_NE(a, b);
  EXPECT_NE(a, c);
  EXPECT_EQ(c->remote, peer(1));
  EXPECT_EQ(c->local, peer(9));
}

TEST(PeerCache, WhatIsHeldKeepsItsAddressesAmongManyPeers) {
  PeerCache cache;
  const Address here = loopback(Family::ipv4, 1);
  std::vector<MessageRef> held;
  for (unsigned i = 0; i < 100'000; ++i) {
    const MessageRef info = cache.find(peer(i), here);
    ASSERT_EQ(info->remote, peer(i));
    if (i % 1000 == 0) held.push_back(info);
  }
  for (unsigned i = 0; i < held.size(); ++i) EXPECT_EQ(held[i]->remote, peer(i * 1000));
}

TEST(PeerCache, InfosMayOutliveTheCache) {
  auto cache = std::make_unique<PeerCache>();
  const MessageRef info = cache->find(peer(5), {});
  cache.reset();
  EXPECT_EQ(info->remote, peer(5));
}

}  // namespace
}  // namespace trellis::test
