// address_tokens.h: by what a client proves that its address is its own: a token that this server, or another one with
// the same key, has given it, in a Retry packet or for its next connection (RFC 9000 section 8.1).
#pragma once
#include <botan/aead.h>
#include <ngtcp2/ngtcp2.h>

#include <chrono>
#include <memory>
#include <optional>
#include <vector>

#include "connection_ids.h"
#include "trellis/address.h"

namespace trellis::quic {

using WallClock = std::chrono::system_clock::time_point;
using Token = std::vector<std::uint8_t>;

/// What a server knows of a client before there is a connection.
struct FirstFlight {
  ngtcp2_pkt_hd header;                ///< of its first Initial; what it points to belongs to the datagram
  std::optional<ngtcp2_cid> original;  ///< after a Retry: whom the client first spoke to
  bool validated = false;              ///< its address, by a token of ours
};

/// Makes and judges tokens. Nothing is kept of them: all is in the token, encrypted. Belongs to one loop.
class AddressTokens {
 public:
  /// `secrets` outlive it.
  explicit AddressTokens(const Secrets& secrets);
  ~AddressTokens();
  /// Reads the token of a first flight from `from`. False: it claims to be of a Retry and is not, so the client must be
  /// refused (RFC 9000 section 8.1.2). Others that are wrong or old are as good as none.
  bool judge(FirstFlight& first, const Address& from, WallClock now) noexcept;
  /// For a Retry packet that bids the client to come again to `ours`. Empty: the library cannot.
  Token for_retry(const ngtcp2_pkt_hd& first, const ngtcp2_cid& ours, const Address& to, WallClock now) const;
  /// For the next connection. Empty: the library cannot.
  Token for_next_time(const Address& to, WallClock now);

 private:
  bool is_of(std::span<const std::uint8_t> token, const Address& from, WallClock now) noexcept;
  const SecretKey& retry_key_;
  std::unique_ptr<Botan::AEAD_Mode> sealer_, opener_;  // of those for the next connection
};

}  // namespace trellis::quic
