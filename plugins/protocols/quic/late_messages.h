// late_messages.h: the TLS messages after the handshake. Over QUIC there is one kind: tickets, from a server.
#pragma once
#include <cstdint>
#include <span>

namespace trellis::quic {

/// Finds the messages in the bytes of CRYPTO frames, whole or in pieces. Keeps nothing of them.
class LateMessages {
 public:
  /// Returns the library's error, or 0: NGTCP2_ERR_PROTO for a CertificateRequest (RFC 9001 section 4.4),
  /// NGTCP2_ERR_CRYPTO for any other message that is not allowed, a KeyUpdate for example (section 6).
  int read(std::span<const std::uint8_t> bytes, bool from_client) noexcept;
  bool between_messages() const noexcept { return header_ == 0 && left_ == 0; }

 private:
  std::uint32_t left_ = 0;   // bytes of the body that are to come
  std::uint8_t header_ = 0;  // bytes of the header that have come
};

}  // namespace trellis::quic
