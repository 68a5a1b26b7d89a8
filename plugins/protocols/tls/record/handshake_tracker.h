// handshake_tracker.h: where handshake messages begin and end in the records that carry them (RFC 8446 section 5.1).
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include "record/record.h"

namespace trellis::tls {

/// A KeyUpdate (RFC 8446 section 4.6.3) at the end of a record.
enum class KeyUpdate : std::uint8_t {
  none,                  ///< there is none
  update_not_requested,  ///< the peer's next record has its next key
  update_requested,      ///< and it wants ours to change too
};

/// Follows messages without keeping them: their owner is the TLS engine.
class HandshakeTracker {
 public:
  /// Takes what a handshake record held. Fails with the alert to send: an empty record, a message that is too long, a
  /// KeyUpdate that is malformed or not the last message of its record.
  Result<KeyUpdate> take(std::span<const std::byte> payload) noexcept;
  /// Within a message: only more of it may follow.
  bool partial() const noexcept { return header_ > 0; }

  static constexpr std::uint32_t kMessageMax = 1u << 16;  ///< bytes of a message after the handshake

 private:
  void take_header(std::uint8_t byte) noexcept;
  Result<void> judge_length() const noexcept;
  static Result<KeyUpdate> judge_key_update(std::span<const std::byte> rest) noexcept;

  std::uint8_t type_ = 0;    // of the message
  std::uint8_t header_ = 0;  // bytes of its header that were seen; 0: between messages
  std::uint32_t left_ = 0;   // bytes of its body still to come, once the header is complete
};

}  // namespace trellis::tls
