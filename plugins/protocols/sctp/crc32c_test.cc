// crc32c_test.cc: the checksum against published values, and both ways of computing it against each other.
#include "crc32c.h"

#include <gtest/gtest.h>

#include <string_view>
#include <vector>

namespace trellis::sctp {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

// RFC 3720 appendix B.4 has the values of zeros and ones; that of the digits is the usual check value.
TEST(Crc32c, PublishedValues) {
  EXPECT_EQ(~crc32c(kCrcStart, bytes_of("123456789")), 0xe3069283u);
  EXPECT_EQ(~crc32c(kCrcStart, std::vector<std::byte>(32)), 0x8a9136aau);
  EXPECT_EQ(~crc32c(kCrcStart, std::vector<std::byte>(32, std::byte{0xff})), 0x62a8ab43u);
}

TEST(Crc32c, BothWaysAgreeAtAnyLengthAndCut) {
  std::vector<std::byte> data(300);
  for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<std::byte>(i * 131 + 7);
  for (std::size_t n = 0; n <= data.size(); ++n) {
    const std::span<const std::byte> all(data.data(), n);
    const std::uint32_t whole = crc32c(kCrcStart, all);
    EXPECT_EQ(crc32c_by_tables(kCrcStart, all), whole) << n;
    EXPECT_EQ(crc32c(crc32c(kCrcStart, all.first(n / 3)), all.subspan(n / 3)), whole) << n;
  }
}

TEST(Crc32c, APacketIsSoundUntilOneBitChanges) {
  std::vector<std::byte> packet(40, std::byte{0x5a});
  seal_packet(packet);
  EXPECT_TRUE(packet_is_sound(packet));
  for (std::size_t i = 0; i < packet.size(); ++i) {
    packet[i] ^= std::byte{1};
    EXPECT_FALSE(packet_is_sound(packet)) << i;
    packet[i] ^= std::byte{1};
  }
  EXPECT_FALSE(packet_is_sound(std::span(packet).first(11)));
}

}  // namespace
}  // namespace trellis::sctp
