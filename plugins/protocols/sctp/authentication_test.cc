// authentication_test.cc: the key of an association and its signatures. The expected values were computed with the hmac
// module of Python, from key vectors put together by hand as in RFC 4895 section 6.1.
#include "authentication.h"

#include <gmock/gmock.h>

#include "octets_of.h"

namespace trellis::sctp {
namespace {

std::vector<std::byte> vector_of(unsigned first, std::string_view rest) {
  auto made = octets_of("80020024");
  for (const std::byte octet : counted_from(first, 32)) made.push_back(octet);
  for (const std::byte octet : octets_of(rest)) made.push_back(octet);
  return made;
}
const auto kOne = vector_of(0,
                            "80030006c180"
                            "8004000800030001");
const auto kShorter = vector_of(32,
                                "80030006c180"
                                "800400060001");
const auto kGreater = vector_of(64,
                                "80030006c180"
                                "8004000800030001");
constexpr std::string_view kAsconf = "c100002001020304000500080a010001c001001000000000000500080a020001";
constexpr std::string_view kDigest256 = "54b85903c911571aba7a7250ad3aee9980e0a158f016c36101011dc7e951a25f";
constexpr std::string_view kDigest1 = "3dbd1ca8241facc56f7d05ed488b99f2e22eaa4e";

std::vector<std::byte> signed_by(const Authenticator& a) {
  std::vector<std::byte> chunks(a.chunk_bytes());
  for (const std::byte octet : octets_of(kAsconf)) chunks.push_back(octet);
  a.sign(chunks);
  return chunks;
}

// The smaller key vector is first, whoever it is from; of two the shorter one is smaller.
TEST(SctpAuthentication, TheKeyIsTheSameOnBothSides) {
  EXPECT_EQ(Authenticator(kOne, kGreater, kSha256).key(), Authenticator(kGreater, kOne, kSha1).key());
  const auto key = Authenticator(kOne, kShorter, kSha1).key();
  EXPECT_TRUE(std::ranges::equal(std::span(key).first(kShorter.size()), kShorter));
  EXPECT_TRUE(std::ranges::equal(std::span(key).subspan(kShorter.size()), kOne));
}

TEST(SctpAuthentication, SignsBySha256) {
  const std::string all = std::string("0f00002800000003").append(kDigest256).append(kAsconf);
  EXPECT_EQ(signed_by({kOne, kGreater, kSha256}), octets_of(all));
  EXPECT_TRUE(Authenticator(kGreater, kOne, kSha256).verify(octets_of(all)));
  EXPECT_TRUE(Authenticator(kGreater, kOne, kSha1).verify(octets_of(all))) << "whatever we prefer to sign by";
}

TEST(SctpAuthentication, SignsBySha1) {
  const std::string all = std::string("0f00001c00000001").append(kDigest1).append(kAsconf);
  EXPECT_EQ(signed_by({kOne, kShorter, kSha1}), octets_of(all));
  EXPECT_TRUE(Authenticator(kShorter, kOne, kSha1).verify(octets_of(all)));
}

TEST(SctpAuthentication, EveryBitCounts) {
  const Authenticator a(kOne, kGreater, kSha256);
  const auto good = signed_by(a);
  ASSERT_TRUE(a.verify(good));
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    auto bad = good;
    bad[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
    EXPECT_FALSE(a.verify(bad)) << bit;
  }
  for (std::size_t size = 0; size < good.size(); ++size) EXPECT_FALSE(a.verify(std::span(good).first(size))) << size;
  EXPECT_FALSE(Authenticator(kOne, kShorter, kSha256).verify(good)) << "another association";
}

// Other shared keys, algorithms that nobody has offered, digests of another length.
TEST(SctpAuthentication, WhatIsNotUnderstood) {
  const Authenticator a(kOne, kGreater, kSha256);
  for (const char* chunk : {"0f00002800010003", "0f00002800000002", "0f00002800000000", "0f00001c00000003",
                            "0f00000800000003", "0f00000400000000"}) {
    const std::string all = std::string(chunk).append(kDigest256).append(kAsconf);
    EXPECT_FALSE(a.verify(octets_of(all))) << chunk;
  }
}

TEST(SctpAuthentication, AServersRandomNumber) {
  Random secret;
  std::ranges::copy(counted_from(0, 32), secret.begin());
  EXPECT_TRUE(std::ranges::equal(random_for(secret, 0x11223344, 0x55667788),
                                 octets_of("96619f7bd85cbcc68baaddde5c31f1f98ff2b6a543eabf078ed69a659ffe5c33")));
  EXPECT_NE(random_for(secret, 0x11223344, 0x55667788), random_for(secret, 0x55667788, 0x11223344));
}

}  // namespace
}  // namespace trellis::sctp
