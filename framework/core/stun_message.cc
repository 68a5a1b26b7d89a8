#include "core/stun_message.h"

#include <algorithm>
#include <format>

namespace trellis {
namespace {

constexpr std::uint32_t kCookie = 0x2112a442;
constexpr std::size_t kReasonMost = 128;     // bytes of a server's words that are told
constexpr std::size_t kAttributesMost = 64;  // of a message
constexpr std::size_t kShortestSha256 = 16;  // bytes that are left of it (RFC 8489 section 14.6)

std::uint32_t number_at(std::span<const std::byte> bytes, std::size_t at, std::size_t size) noexcept {
  std::uint32_t number = 0;
  for (const std::byte byte : bytes.subspan(at, size)) number = number << 8 | std::to_integer<std::uint32_t>(byte);
  return number;
}

void put_number(std::vector<std::byte>& into, std::uint32_t number, std::size_t size) {
  while (size-- > 0) into.push_back(static_cast<std::byte>(number >> (8 * size)));
}

std::unexpected<Error> malformed_stun(const std::string& what) {
  return fail(Reason::protocol_violation, what, 0, "stun");
}

std::size_t padded(std::size_t size) noexcept { return (size + 3) / 4 * 4; }

bool is_integrity(StunType type) noexcept {
  return type == StunType::message_integrity || type == StunType::message_integrity_sha256;
}

bool is_xored(StunType type) noexcept {
  return type == StunType::xor_mapped_address || type == StunType::xor_relayed_address;
}

// The two bits of the class stand between those of the method (RFC 8489 section 5).
std::uint16_t type_of(StunClass kind, std::uint16_t method) noexcept {
  const auto bits = static_cast<unsigned>(kind);
  return static_cast<std::uint16_t>((method & 0x000fu) | (method & 0x0070u) << 1 | (method & 0x0f80u) << 2 |
                                    (bits & 1u) << 4 | (bits & 2u) << 7);
}

std::uint16_t method_of(std::uint32_t type) noexcept {
  return static_cast<std::uint16_t>((type & 0x000fu) | (type & 0x00e0u) >> 1 | (type & 0x3e00u) >> 2);
}

StunClass class_of(std::uint32_t type) noexcept { return static_cast<StunClass>((type >> 4 & 1u) | (type >> 7 & 2u)); }

// RFC 8489 section 14.7: the CRC of ITU V.42 of what is before the attribute, mixed with a constant.
std::uint32_t fingerprint_of(std::span<const std::byte> bytes) noexcept {
  constexpr std::uint32_t kPolynomial = 0xedb88320, kMixedWith = 0x5354554e;
  std::uint32_t crc = ~0u;
  for (const std::byte byte : bytes) {
    crc ^= std::to_integer<std::uint32_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1u) != 0 ? kPolynomial : 0u);
  }
  return ~crc ^ kMixedWith;
}

// The message up to an integrity attribute, whose length says that it ends behind it (RFC 8489 section 14.5).
std::vector<std::byte> signed_part(std::span<const std::byte> bytes, std::size_t at, std::size_t digest) {
  std::vector<std::byte> part(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(at));
  const std::size_t length = at - kStunHeader + 4 + digest;
  part[2] = static_cast<std::byte>(length >> 8);
  part[3] = static_cast<std::byte>(length);
  return part;
}

Result<void> read_attributes(StunMessage& into) {
  const std::span<const std::byte> bytes = into.bytes;
  bool behind = false;  // an integrity attribute
  for (std::size_t at = kStunHeader; at < bytes.size();) {
    const auto type = static_cast<StunType>(number_at(bytes, at, 2));
    const std::size_t size = number_at(bytes, at + 2, 2);
    if (padded(size) > bytes.size() - at - 4)
      return malformed_stun(std::format("found an attribute 0x{:04x} of {} bytes at byte {}, expected at most {}",
                                        static_cast<unsigned>(type), size, at, bytes.size() - at - 4));
    if (into.attributes.size() == kAttributesMost)
      return malformed_stun(std::format("found more than {} attributes", kAttributesMost));
    if (!behind || is_integrity(type) || type == StunType::fingerprint)
      into.attributes.push_back({type, bytes.subspan(at + 4, size), at});
    behind = behind || is_integrity(type);
    at += 4 + padded(size);
  }
  return {};
}

}  // namespace

bool is_known(StunType type) noexcept {
  switch (type) {
    case StunType::mapped_address:
    case StunType::username:
    case StunType::message_integrity:
    case StunType::error_code:
    case StunType::unknown_attributes:
    case StunType::lifetime:
    case StunType::realm:
    case StunType::nonce:
    case StunType::xor_relayed_address:
    case StunType::requested_address_family:
    case StunType::requested_transport:
    case StunType::message_integrity_sha256:
    case StunType::password_algorithm:
    case StunType::xor_mapped_address:
    case StunType::priority:
    case StunType::use_candidate: return true;
    default: return static_cast<std::uint16_t>(type) >= 0x8000 || type == StunType{0x0022};  // RESERVATION-TOKEN
  }
}

// ---- reading

Result<StunMessage> read_stun(std::span<const std::byte> bytes) {
  if (bytes.size() < kStunHeader)
    return malformed_stun(std::format("found {} bytes, expected a STUN message of at least 20", bytes.size()));
  const std::uint32_t type = number_at(bytes, 0, 2), cookie = number_at(bytes, 4, 4);
  const std::size_t length = number_at(bytes, 2, 2);
  if (type >= 0x4000 || cookie != kCookie)
    return malformed_stun(std::format("found {:08x} at byte 4, expected STUN's magic cookie 2112a442", cookie));
  if (length % 4 != 0 || length != bytes.size() - kStunHeader)
    return malformed_stun(std::format("found a length of {} in a datagram of {} bytes, expected {}", length,
                                      bytes.size(), bytes.size() - kStunHeader));
  StunMessage message{.kind = class_of(type), .method = method_of(type), .id = {}, .bytes = bytes, .attributes = {}};
  std::ranges::copy(bytes.subspan(8, message.id.size()), message.id.begin());
  if (auto read = read_attributes(message); !read) return fail(std::move(read));
  return message;
}

const StunMessage::Attribute* StunMessage::find(StunType type) const noexcept {
  const auto found = std::ranges::find(attributes, type, &Attribute::type);
  return found == attributes.end() ? nullptr : &*found;
}

std::string_view StunMessage::text(StunType type) const noexcept {
  const Attribute* const found = find(type);
  if (found == nullptr) return {};
  return {reinterpret_cast<const char*>(found->value.data()), found->value.size()};
}

std::optional<std::uint32_t> StunMessage::number(StunType type) const noexcept {
  const Attribute* const found = find(type);
  if (found == nullptr || found->value.size() != 4) return std::nullopt;
  return number_at(found->value, 0, 4);
}

std::optional<std::uint64_t> StunMessage::long_number(StunType type) const noexcept {
  const Attribute* const found = find(type);
  if (found == nullptr || found->value.size() != 8) return std::nullopt;
  return std::uint64_t{number_at(found->value, 0, 4)} << 32 | number_at(found->value, 4, 4);
}

Result<Address> StunMessage::address(StunType type) const {
  const Attribute* const found = find(type);
  if (found == nullptr)
    return malformed_stun(
        std::format("found no attribute 0x{:04x}, expected one with an address", static_cast<unsigned>(type)));
  const auto value = found->value;
  const std::uint32_t family = value.size() < 4 ? 0 : number_at(value, 1, 1);
  const std::size_t size = family == 1 ? 4 : 16;
  if ((family != 1 && family != 2) || value.size() != 4 + size)
    return malformed_stun(
        std::format("found an address of family {} in {} bytes, expected 1 in 8 or 2 in 20", family, value.size()));
  Address address{.family = family == 1 ? Address::Family::ipv4 : Address::Family::ipv6};
  address.port = static_cast<std::uint16_t>(number_at(value, 2, 2));
  for (std::size_t i = 0; i < size; ++i) address.ip[i] = std::to_integer<std::uint8_t>(value[4 + i]);
  if (!is_xored(type)) return address;
  address.port ^= static_cast<std::uint16_t>(kCookie >> 16);
  for (std::size_t i = 0; i < size; ++i) address.ip[i] ^= std::to_integer<std::uint8_t>(bytes[4 + i]);  // cookie and id
  return address;
}

Result<StunMessage::Refusal> StunMessage::refusal() const {
  const Attribute* const found = find(StunType::error_code);
  if (found == nullptr || found->value.size() < 4)
    return malformed_stun("found a refusal without a code, expected one");
  const unsigned hundreds = number_at(found->value, 2, 1) & 7u, rest = number_at(found->value, 3, 1);
  Refusal refusal{.code = hundreds * 100 + rest, .reason = {}};
  for (const std::byte byte : found->value.subspan(4)) {
    const char c = std::to_integer<char>(byte);
    if (refusal.reason.size() < kReasonMost) refusal.reason += c >= ' ' && c <= '~' ? c : '?';
  }
  return refusal;
}

bool StunMessage::signed_with(Hash hash, std::span<const std::byte> key) const {
  const Attribute* const found =
      find(hash == Hash::sha256 ? StunType::message_integrity_sha256 : StunType::message_integrity);
  if (found == nullptr) return false;
  auto expected = hmac_of(hash, key, signed_part(bytes, found->at, found->value.size()));
  const bool shortened = hash == Hash::sha256 && found->value.size() >= kShortestSha256;
  if (shortened) expected.resize(std::min(expected.size(), found->value.size()));
  return same_digest(expected, found->value);
}

bool StunMessage::fingerprinted() const {
  const auto found = number(StunType::fingerprint);
  return found && attributes.back().type == StunType::fingerprint &&
         *found == fingerprint_of(bytes.first(attributes.back().at));
}

// ---- writing

StunWriter::StunWriter(StunClass kind, StunMethod method, const StunId& id) {
  put_number(bytes_, type_of(kind, static_cast<std::uint16_t>(method)), 2);
  put_number(bytes_, 0, 2);
  put_number(bytes_, kCookie, 4);
  bytes_.insert(bytes_.end(), id.begin(), id.end());
}

StunWriter& StunWriter::add(StunType type, std::span<const std::byte> value) {
  put_number(bytes_, static_cast<std::uint32_t>(type), 2);
  put_number(bytes_, static_cast<std::uint32_t>(value.size()), 2);
  bytes_.insert(bytes_.end(), value.begin(), value.end());
  bytes_.resize(padded(bytes_.size()));
  const std::size_t length = bytes_.size() - kStunHeader;
  bytes_[2] = static_cast<std::byte>(length >> 8);
  bytes_[3] = static_cast<std::byte>(length);
  return *this;
}

StunWriter& StunWriter::add(StunType type, std::uint32_t number) {
  std::vector<std::byte> value;
  put_number(value, number, 4);
  return add(type, value);
}

StunWriter& StunWriter::sign(Hash hash, std::span<const std::byte> key) {
  const std::size_t digest = hash == Hash::sha256 ? 32 : 20;
  const auto mac = hmac_of(hash, key, signed_part(bytes_, bytes_.size(), digest));
  return add(hash == Hash::sha256 ? StunType::message_integrity_sha256 : StunType::message_integrity, mac);
}

StunWriter& StunWriter::add(StunType type, const Address& address) {
  const bool ipv4 = address.family == Address::Family::ipv4;
  std::vector<std::byte> value;
  put_number(value, ipv4 ? 1 : 2, 2);
  put_number(value, address.port ^ (kCookie >> 16), 2);
  for (std::size_t i = 0; i < (ipv4 ? 4u : 16u); ++i) value.push_back(bytes_[4 + i] ^ std::byte{address.ip[i]});
  return add(type, value);
}

StunWriter& StunWriter::add_fingerprint() {
  add(StunType::fingerprint, std::uint32_t{0});  // the length counts it
  const std::uint32_t fingerprint = fingerprint_of(std::span(bytes_).first(bytes_.size() - 8));
  bytes_.resize(bytes_.size() - 4);
  put_number(bytes_, fingerprint, 4);
  return *this;
}

}  // namespace trellis
