#include "address_tokens.h"

#include <ngtcp2/ngtcp2_crypto.h>

#include "net_path.h"

namespace trellis::quic {
namespace {

constexpr ngtcp2_duration kRetryLifetime = 10 * NGTCP2_SECONDS;  // a few round trips (RFC 9000 section 8.1.3)
constexpr ngtcp2_duration kLifetime = 24 * 3600 * NGTCP2_SECONDS;

// Servers with the same key have no other clock in common.
ngtcp2_tstamp stamp(WallClock now) noexcept {
  return static_cast<ngtcp2_tstamp>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(now.time_since_epoch()).count());
}

Token cut(Token token, ngtcp2_ssize size) {
  token.resize(static_cast<std::size_t>(std::max<ngtcp2_ssize>(size, 0)));
  return token;
}

}  // namespace

bool AddressTokens::judge(FirstFlight& first, const Address& from, WallClock now) const noexcept {
  const ngtcp2_pkt_hd& header = first.header;
  if (header.tokenlen == 0) return true;
  const NetPath path({}, from);
  const ngtcp2_addr& remote = path.get()->remote;
  if (header.token[0] == NGTCP2_CRYPTO_TOKEN_MAGIC_RETRY2) {
    ngtcp2_cid original;
    if (ngtcp2_crypto_verify_retry_token2(&original, header.token, header.tokenlen, key_.data(), key_.size(),
                                          header.version, remote.addr, remote.addrlen, &header.dcid, kRetryLifetime,
                                          stamp(now)) != 0)
      return false;
    first.original = original;
    first.validated = true;
    return true;
  }
  first.validated = ngtcp2_crypto_verify_regular_token(header.token, header.tokenlen, key_.data(), key_.size(),
                                                       remote.addr, remote.addrlen, kLifetime, stamp(now)) == 0;
  return true;
}

Token AddressTokens::for_retry(const ngtcp2_pkt_hd& first, const ngtcp2_cid& ours, const Address& to,
                               WallClock now) const {
  const NetPath path({}, to);
  const ngtcp2_addr& remote = path.get()->remote;
  Token token(NGTCP2_CRYPTO_MAX_RETRY_TOKENLEN2);
  const auto size = ngtcp2_crypto_generate_retry_token2(token.data(), key_.data(), key_.size(), first.version,
                                                        remote.addr, remote.addrlen, &ours, &first.dcid, stamp(now));
  return cut(std::move(token), size);
}

Token AddressTokens::for_next_time(const Address& to, WallClock now) const {
  const NetPath path({}, to);
  const ngtcp2_addr& remote = path.get()->remote;
  Token token(NGTCP2_CRYPTO_MAX_REGULAR_TOKENLEN);
  const auto size = ngtcp2_crypto_generate_regular_token(token.data(), key_.data(), key_.size(), remote.addr,
                                                         remote.addrlen, stamp(now));
  return cut(std::move(token), size);
}

}  // namespace trellis::quic
