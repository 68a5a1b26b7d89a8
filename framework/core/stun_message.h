// stun_message.h: messages of STUN (RFC 8489) and TURN (RFC 8656) as bytes: read strictly, written for requests.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/digest.h"
#include "trellis/address.h"
#include "trellis/result.h"

namespace trellis {

enum class StunMethod : std::uint16_t { binding = 1, allocate = 3, refresh = 4 };
enum class StunClass : std::uint8_t { request = 0, indication = 1, success = 2, refusal = 3 };
/// Types of attributes; those of less than 0x8000 must be understood by who reads them.
enum class StunType : std::uint16_t {
  mapped_address = 0x0001,
  username = 0x0006,
  message_integrity = 0x0008,
  error_code = 0x0009,
  unknown_attributes = 0x000a,
  lifetime = 0x000d,
  realm = 0x0014,
  nonce = 0x0015,
  xor_relayed_address = 0x0016,
  requested_address_family = 0x0017,
  requested_transport = 0x0019,
  message_integrity_sha256 = 0x001c,
  password_algorithm = 0x001d,
  xor_mapped_address = 0x0020,
  priority = 0x0024,  // these two, and the last two, are of ICE (RFC 8445 section 16.1)
  use_candidate = 0x0025,
  password_algorithms = 0x8002,
  alternate_server = 0x8023,
  fingerprint = 0x8028,
  ice_controlled = 0x8029,
  ice_controlling = 0x802a,
};

/// Known, or of those that need not be (RFC 8489 section 6.3).
bool is_known(StunType type) noexcept;

/// Whose answer it is; nobody who does not see the request can guess it.
using StunId = std::array<std::byte, 12>;
inline constexpr std::size_t kStunHeader = 20;  // bytes

/// A message that was read. Refers to its bytes.
struct StunMessage {
  struct Attribute {
    StunType type;
    std::span<const std::byte> value;
    std::size_t at;  // where it begins in the message
  };
  StunClass kind;
  std::uint16_t method;
  StunId id;
  std::span<const std::byte> bytes;
  /// In their order. What stands behind an integrity attribute, and is none itself, is left out (RFC 8489 section
  /// 14.5).
  std::vector<Attribute> attributes;

  const Attribute* find(StunType type) const noexcept;  // the first one; null: none
  std::string_view text(StunType type) const noexcept;  // empty: none
  /// Of an attribute with an address; XOR-MAPPED-ADDRESS and its like as plain as it was meant. Errors: there is none,
  /// or it is malformed.
  Result<Address> address(StunType type) const;
  std::optional<std::uint32_t> number(StunType type) const noexcept;
  std::optional<std::uint64_t> long_number(StunType type) const noexcept;  // of 8 bytes
  /// Of a refusal: "401 Unauthorized", in which the server's words are made printable. Errors: it has no ERROR-CODE.
  struct Refusal {
    unsigned code;
    std::string reason;
  };
  Result<Refusal> refusal() const;
  /// Its MESSAGE-INTEGRITY, or with Hash::sha256 its MESSAGE-INTEGRITY-SHA256, is there and fits the key.
  bool signed_with(Hash hash, std::span<const std::byte> key) const;
  /// It ends with a FINGERPRINT that fits: what shares a port with other protocols tells its messages by that.
  bool fingerprinted() const;
};

/// Errors: protocol_violation, with what was found and what was expected.
Result<StunMessage> read_stun(std::span<const std::byte> bytes);

/// Puts a message together.
class StunWriter {
 public:
  StunWriter(StunClass kind, StunMethod method, const StunId& id);
  StunWriter& add(StunType type, std::span<const std::byte> value);
  StunWriter& add(StunType type, std::string_view text) { return add(type, std::as_bytes(std::span(text))); }
  StunWriter& add(StunType type, std::uint32_t number);
  StunWriter& add(StunType type, const Address& address);  // XOR-MAPPED-ADDRESS and its like
  /// The last attribute, or the last but FINGERPRINT: MESSAGE-INTEGRITY, or with Hash::sha256 MESSAGE-INTEGRITY-SHA256.
  StunWriter& sign(Hash hash, std::span<const std::byte> key);
  StunWriter& add_fingerprint();  // the very last
  std::span<const std::byte> bytes() const noexcept { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

}  // namespace trellis
