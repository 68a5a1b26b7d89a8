// Messages of STUN: test vectors of RFC 5769, what is written is read again, and what is wrong is said.
#include "core/stun_message.h"

#include <gmock/gmock.h>

#include "core/stun_login.h"
#include "trellis/address_text.h"

namespace trellis::tests {
namespace {

using testing::HasSubstr;
using Octets = std::vector<std::byte>;

Octets from_hex(std::string_view hex) {
  Octets bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes.push_back(static_cast<std::byte>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  return bytes;
}

constexpr std::string_view kHeader = "0101003c2112a442b7e7a701bc34d686fa87dfae";
constexpr std::string_view kPassword = "VOkJxbRl1RmTxUk/WvJxBt";

Result<StunMessage> reading(const Octets& bytes) { return read_stun(bytes); }
std::string fault(std::string_view hex) {
  const Octets bytes = from_hex(hex);
  const auto read = reading(bytes);
  return read ? "none" : read.error().detail;
}

// RFC 5769 section 2.2.
TEST(StunMessageVectors, Ipv4Response) {
  const Octets bytes = from_hex(std::string(kHeader) +
                                "8022000b7465737420766563746f7220002000080001a147e112a643"
                                "000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96");
  const auto message = reading(bytes);
  ASSERT_TRUE(message) << message.error().detail;
  EXPECT_EQ(message->kind, StunClass::success);
  EXPECT_EQ(message->method, static_cast<std::uint16_t>(StunMethod::binding));
  EXPECT_EQ(to_text(message->address(StunType::xor_mapped_address).value()), "192.0.2.1:32853");
  EXPECT_TRUE(message->signed_with(Hash::sha1, std::as_bytes(std::span(kPassword))));
  EXPECT_TRUE(message->fingerprinted());
  EXPECT_FALSE(message->signed_with(Hash::sha1, std::as_bytes(std::span(kPassword.substr(1)))));
}

// RFC 5769 section 2.3, without its integrity.
TEST(StunMessageVectors, Ipv6Address) {
  const Octets bytes =
      from_hex("010100182112a442b7e7a701bc34d686fa87dfae002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9");
  const auto message = reading(bytes);
  ASSERT_TRUE(message) << message.error().detail;
  EXPECT_EQ(to_text(message->address(StunType::xor_mapped_address).value()),
            "[2001:db8:1234:5678:11:2233:4455:6677]:32853");
}

// RFC 5769 section 2.4: the same request is written by us from name, realm, nonce and password.
TEST(StunMessageVectors, LongTermCredentials) {
  const std::string user = "\xe3\x83\x9e\xe3\x83\x88\xe3\x83\xaa\xe3\x83\x83\xe3\x82\xaf\xe3\x82\xb9";
  const std::string nonce = "f//499k954d6OL34oL9FSTvy64sA";
  const Octets expected = from_hex(
      "000100602112a44278ad3433c6ad72c029da412e00060012e3839ee38388e383aae38383e382afe382b90000"
      "0015001c662f2f3439396b393534643"
      "64f4c33346f4c39465354767936347341"
      "0014000b6578616d706c652e6f726700"
      "00080014f67024656dd64a3e02b8e0712e85c9a28ca89666");
  StunId id;
  std::ranges::copy(std::span(expected).subspan(8, 12), id.begin());
  StunWriter writer(StunClass::request, StunMethod::binding, id);
  writer.add(StunType::username, user).add(StunType::nonce, nonce).add(StunType::realm, "example.org");
  writer.sign(Hash::sha1, hash_of(Hash::md5, user + ":example.org:TheMatrIX"));
  EXPECT_TRUE(std::ranges::equal(writer.bytes(), expected));
}

// IMPL-20: whatever a server sends is read strictly, and what is wrong is said.
TEST(StunMessage, SaysWhatIsWrong) {
  EXPECT_EQ(fault(""), "found 0 bytes, expected a STUN message of at least 20");
  EXPECT_THAT(fault("0101000021129999b7e7a701bc34d686fa87dfae"), HasSubstr("found 21129999"));
  EXPECT_THAT(fault("010100042112a442b7e7a701bc34d686fa87dfae"), HasSubstr("found a length of 4 in a datagram of 20"));
  EXPECT_THAT(fault("010100042112a442b7e7a701bc34d686fa87dfae00200008"), HasSubstr("0x0020 of 8 bytes at byte 20"));
  EXPECT_EQ(fault("010100002112a442b7e7a701bc34d686fa87dfae"), "none");
}

TEST(StunMessage, AddressesAreReadStrictly) {
  const auto why = [](std::string_view attribute) {
    const Octets bytes = from_hex("0101000c2112a442b7e7a701bc34d686fa87dfae" + std::string(attribute));
    const auto message = reading(bytes);
    const auto address = message->address(StunType::xor_mapped_address);
    return address ? to_text(*address) : address.error().detail;
  };
  EXPECT_THAT(why("002000080001a147e112a643"), HasSubstr("192.0.2.1:32853"));
  EXPECT_THAT(why("002000080003a147e112a643"), HasSubstr("found an address of family 3 in 8 bytes"));
  EXPECT_THAT(why("002000080002a147e112a643"), HasSubstr("found an address of family 2 in 8 bytes"));
  EXPECT_THAT(why("000100080001a147e112a643"), HasSubstr("found no attribute 0x0020"));
}

// What stands behind the integrity was not signed (RFC 8489 section 14.5).
TEST(StunMessage, AttributesBehindTheIntegrityDoNotCount) {
  const Octets key(16);
  StunWriter writer(StunClass::success, StunMethod::binding, {});
  writer.add(StunType::lifetime, 600).sign(Hash::sha256, key).add(StunType::realm, "forged");
  const auto message = read_stun(writer.bytes());
  ASSERT_TRUE(message);
  EXPECT_EQ(message->number(StunType::lifetime), 600u);
  EXPECT_EQ(message->find(StunType::realm), nullptr);
  EXPECT_TRUE(message->signed_with(Hash::sha256, key));
}

// RFC 8489 section 9.2.1: nobody on the way can take the better algorithm out.
TEST(StunLogin, ANonceThatPromisesAlgorithmsIsBelieved) {
  StunWriter writer(StunClass::refusal, StunMethod::binding, {});
  writer.add(StunType::realm, "example.org").add(StunType::nonce, "obMatJos2gAAAnonce");
  StunLogin login("ann", "secret");
  const auto challenged = login.challenged(*read_stun(writer.bytes()));
  ASSERT_FALSE(challenged);
  EXPECT_THAT(challenged.error().detail, HasSubstr("found no PASSWORD-ALGORITHMS"));
}

}  // namespace
}  // namespace trellis::tests
