// peer_addresses_test.cc: the addresses in an INIT.
#include "peer_addresses.h"

#include <gmock/gmock.h>

#include "crc32c.h"

namespace trellis::sctp {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

Address at(const char* text) { return read_addresses(text).value().front(); }
std::vector<std::string> texts(const std::vector<Address>& all) {
  std::vector<std::string> made;
  for (const Address& one : all) made.push_back(text_of(one));
  return made;
}

/// A packet with an INIT without parameters, or with one whose length is not a multiple of four.
std::vector<std::byte> init(bool odd = false) {
  std::vector<std::byte> packet(12 + 20);
  packet[12] = std::byte{1};
  packet[15] = std::byte{20};
  packet[19] = std::byte{7};
  if (odd) {
    for (const int octet : {0x80, 8, 0, 5, 0xc0, 0, 0, 0}) packet.push_back(static_cast<std::byte>(octet));
    packet[15] = std::byte{25};
  }
  return packet;
}

TEST(PeerAddresses, AreWrittenAndRead) {
  const std::vector<Address> all = read_addresses("192.0.2.7 2001:db8::7  198.51.100.1").value();
  for (const bool odd : {false, true}) {
    const auto packet = init(odd);
    std::vector<std::byte> room(packet.size() + kAddressRoom);
    const auto with = with_addresses(packet, all, room);
    ASSERT_EQ(with.size(), packet.size() + 8 + 20 + 8);
    EXPECT_TRUE(packet_is_sound(with));
    EXPECT_EQ(initiate_tag(with), 7u);
    EXPECT_THAT(texts(addresses_in(with, at("203.0.113.1"))), ElementsAre("192.0.2.7", "2001:db8::7", "198.51.100.1"));
    EXPECT_THAT(texts(addresses_in(with, at("192.0.2.7"))), ElementsAre("2001:db8::7", "198.51.100.1"));
    EXPECT_THAT(with_addresses(packet, all, std::span(room).first(packet.size())), IsEmpty());
    for (std::size_t size = 0; size < with.size(); ++size)
      EXPECT_LE(addresses_in(with.first(size), at("203.0.113.1")).size(), 2u) << "what is cut off";
  }
}

// RFC 9260 section 5.1.2: who is far away is not told of what is near only, and nobody of what is no host.
TEST(PeerAddresses, WhoIsToldOfThem) {
  EXPECT_TRUE(may_be_told(at("10.0.0.1"), at("192.168.0.1")));
  EXPECT_TRUE(may_be_told(at("192.0.2.1"), at("192.168.0.1")));
  EXPECT_FALSE(may_be_told(at("10.0.0.1"), at("192.0.2.1")));
  EXPECT_FALSE(may_be_told(at("fd00::1"), at("2001:db8::1")));
  EXPECT_FALSE(may_be_told(at("127.0.0.1"), at("10.0.0.1")));
  EXPECT_TRUE(may_be_told(at("127.0.0.2"), at("127.0.0.1")));
  EXPECT_FALSE(may_be_told(at("10.0.0.1"), at("127.0.0.1")));
  for (const char* none : {"224.0.0.1", "ff02::1", "fe80::1", "169.254.1.1", "0.0.0.0", "::", "255.255.255.255"})
    EXPECT_FALSE(read_addresses(none)) << none;
}

TEST(PeerAddresses, AsAnOption) {
  EXPECT_THAT(read_addresses("").value(), IsEmpty());
  EXPECT_FALSE(read_addresses("192.0.2"));
  EXPECT_FALSE(read_addresses("192.0.2.7:443"));
  EXPECT_FALSE(read_addresses("10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4 10.0.0.5 10.0.0.6 10.0.0.7 10.0.0.8 10.0.0.9"));
}

}  // namespace
}  // namespace trellis::sctp
