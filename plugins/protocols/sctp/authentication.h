// authentication.h: chunks that only the other end of the handshake can have written (RFC 4895). Each end says a random
// number in its INIT or INIT ACK; both are the key of the association. There is no further secret (the endpoint pair
// shared key is the null key), so whoever has read the handshake could sign too.
#pragma once
#include <array>
#include <vector>

#include "chunks.h"

namespace trellis::sctp {

inline constexpr std::uint16_t kSha1 = 1, kSha256 = 3;  // HMAC identifiers (section 8)

/// The value of the parameter RANDOM.
using Random = std::array<std::byte, 32>;
/// A server's own, made again from the tags of a handshake of which it has kept nothing.
Random random_for(const Random& secret, std::uint32_t own_tag, std::uint32_t peer_tag) noexcept;

/// The key of an association, for both directions.
class Authenticator {
 public:
  /// The key vectors of both ends: their parameters RANDOM, CHUNKS, HMAC-ALGO, without padding. `hmac`: the identifier
  /// that the peer likes best of those that are known here.
  Authenticator(std::span<const std::byte> own, std::span<const std::byte> peer, std::uint16_t hmac);

  std::size_t chunk_bytes() const noexcept;  ///< of an AUTH chunk of ours
  /// Writes an AUTH chunk into the front of these chunks, whose rest it signs. Precondition: there is room.
  void sign(std::span<std::byte> chunks) const noexcept;
  /// Chunks up to the end of a packet, the first of which is AUTH. False: the peer has not written them.
  bool verify(std::span<const std::byte> chunks) const noexcept;
  const std::vector<std::byte>& key() const noexcept { return key_; }

 private:
  std::vector<std::byte> key_;
  const std::uint16_t hmac_;
};

}  // namespace trellis::sctp
