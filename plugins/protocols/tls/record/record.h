// record.h: the words of the TLS 1.3 record protocol (RFC 8446 sections 5 and 6).
//
// The record layer is a library of its own, without sockets, handshake or timers: bytes in, bytes out. The plugin `tls`
// links it, and so does every protocol that protects its data with TLS records (TCPLS).
//
//   received bytes -> RecordCutter -> one record -> RecordOpener -> content type and plaintext, in the same memory
//   plaintext slices -> RecordSealer -> records, in the same memory where there is room around it
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "trellis/result.h"

namespace trellis::tls {

/// The cipher suites of TLS 1.3 that are supported (RFC 8446 appendix B.4).
enum class CipherSuite : std::uint16_t {
  aes_128_gcm_sha256 = 0x1301,
  aes_256_gcm_sha384 = 0x1302,
  chacha20_poly1305_sha256 = 0x1303,
};

/// What a record holds (RFC 8446 section 5.1).
enum class ContentType : std::uint8_t {
  invalid = 0,  ///< nothing
  change_cipher_spec = 20,
  alert = 21,
  handshake = 22,
  application_data = 23,
};

/// RFC 8446 section 6. The record layer itself sends those marked with *.
enum class AlertDescription : std::uint8_t {
  close_notify = 0,
  unexpected_message = 10,  ///< *
  bad_record_mac = 20,      ///< *
  record_overflow = 22,     ///< *
  handshake_failure = 40,
  bad_certificate = 42,
  unsupported_certificate = 43,
  certificate_revoked = 44,
  certificate_expired = 45,
  certificate_unknown = 46,
  illegal_parameter = 47,  ///< *
  unknown_ca = 48,
  access_denied = 49,
  decode_error = 50,  ///< *
  decrypt_error = 51,
  protocol_version = 70,
  insufficient_security = 71,
  internal_error = 80,  ///< *
  inappropriate_fallback = 86,
  user_canceled = 90,
  missing_extension = 109,
  unsupported_extension = 110,
  unrecognized_name = 112,
  bad_certificate_status_response = 113,
  unknown_psk_identity = 115,
  certificate_required = 116,
  no_application_protocol = 120,
};

/// The RFC's name of an alert; "unknown alert" for values that it does not have.
std::string_view to_string(AlertDescription alert) noexcept;

/// The failed case of a Result: the peer broke the record protocol and is to be sent `alert`, which is the Error's code
/// (its layer is "tls").
std::unexpected<Error> fail(AlertDescription alert, std::string detail);

inline constexpr std::uint32_t kRecordHeader = 5;                            ///< type, version, length
inline constexpr std::uint32_t kTag = 16;                                    ///< of all three AEADs
inline constexpr std::uint32_t kPlaintextMax = 1u << 14;                     ///< content bytes in one record
inline constexpr std::uint32_t kCiphertextMax = kPlaintextMax + 256;         ///< bytes behind the header
inline constexpr std::uint32_t kRecordMax = kRecordHeader + kCiphertextMax;  ///< bytes of a record
inline constexpr std::uint32_t kHeadroom = kRecordHeader;  ///< room that sealing in place needs before
inline constexpr std::uint32_t kTailroom = 1 + kTag;       ///< and behind: the inner content type, the tag

}  // namespace trellis::tls
