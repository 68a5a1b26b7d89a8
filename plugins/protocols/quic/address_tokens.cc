#include "address_tokens.h"

#include <gnutls/crypto.h>
#include <ngtcp2/ngtcp2_crypto.h>

#include <algorithm>

#include "net_path.h"

namespace trellis::quic {
namespace {

constexpr ngtcp2_duration kRetryLifetime = 10 * NGTCP2_SECONDS;  // a few round trips (RFC 9000 section 8.1.3)
constexpr ngtcp2_duration kLifetime = 24 * 3600 * NGTCP2_SECONDS;

// A token for the next connection: a mark, a nonce, and the time, sealed together with the client's address. The
// library has such tokens too, and derives a key for each (HKDF), which every handshake would pay for; here the nonces
// are long enough to be random under one key (XChaCha20).
constexpr std::uint8_t kMark = 0x4e;
constexpr std::size_t kNonceBytes = 24, kTimeBytes = 8, kTagBytes = 16;
constexpr std::size_t kHeadBytes = 1 + kNonceBytes, kTokenBytes = kHeadBytes + kTimeBytes + kTagBytes;
static_assert(kMark != NGTCP2_CRYPTO_TOKEN_MAGIC_RETRY2);

std::unique_ptr<Botan::AEAD_Mode> aead_for(const SecretKey& key, Botan::Cipher_Dir direction) {
  auto aead = Botan::AEAD_Mode::create_or_throw("ChaCha20Poly1305", direction);
  aead->set_key(key);
  return aead;
}

// Whatever the client's port is: a NAT chooses another one for the next connection.
void begin(Botan::AEAD_Mode& aead, const Address& client, std::span<const std::uint8_t> nonce) {
  aead.set_associated_data(client.ip);
  aead.start(nonce);
}

// Servers with the same key have no other clock in common.
ngtcp2_tstamp stamp(WallClock now) noexcept {
  return static_cast<ngtcp2_tstamp>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(now.time_since_epoch()).count());
}

}  // namespace

AddressTokens::AddressTokens(const Secrets& secrets)
    : retry_key_(secrets.retry),
      sealer_(aead_for(secrets.token, Botan::Cipher_Dir::Encryption)),
      opener_(aead_for(secrets.token, Botan::Cipher_Dir::Decryption)) {}

AddressTokens::~AddressTokens() = default;

bool AddressTokens::judge(FirstFlight& first, const Address& from, WallClock now) noexcept {
  const ngtcp2_pkt_hd& header = first.header;
  if (header.tokenlen == 0) return true;
  const NetPath path({}, from);
  const ngtcp2_addr& remote = path.get()->remote;
  if (header.token[0] == NGTCP2_CRYPTO_TOKEN_MAGIC_RETRY2) {
    ngtcp2_cid original;
    if (ngtcp2_crypto_verify_retry_token2(&original, header.token, header.tokenlen, retry_key_.data(),
                                          retry_key_.size(), header.version, remote.addr, remote.addrlen, &header.dcid,
                                          kRetryLifetime, stamp(now)) != 0)
      return false;
    first.original = original;
    first.validated = true;
    return true;
  }
  first.validated = is_of({header.token, header.tokenlen}, from, now);
  return true;
}

bool AddressTokens::is_of(std::span<const std::uint8_t> token, const Address& from, WallClock now) noexcept try {
  if (token.size() != kTokenBytes || token.front() != kMark) return false;
  const auto sealed = token.subspan(kHeadBytes);
  Botan::secure_vector<std::uint8_t> time(sealed.begin(), sealed.end());
  begin(*opener_, from, token.subspan(1, kNonceBytes));
  opener_->finish(time);
  ngtcp2_tstamp made = 0;
  for (const std::uint8_t byte : time) made = made << 8 | byte;
  return stamp(now) < made + kLifetime;
} catch (const std::exception&) {
  opener_->reset();
  return false;  // it was sealed by somebody else, or for another address
}

Token AddressTokens::for_retry(const ngtcp2_pkt_hd& first, const ngtcp2_cid& ours, const Address& to,
                               WallClock now) const {
  const NetPath path({}, to);
  const ngtcp2_addr& remote = path.get()->remote;
  Token token(NGTCP2_CRYPTO_MAX_RETRY_TOKENLEN2);
  const auto size =
      ngtcp2_crypto_generate_retry_token2(token.data(), retry_key_.data(), retry_key_.size(), first.version,
                                          remote.addr, remote.addrlen, &ours, &first.dcid, stamp(now));
  token.resize(static_cast<std::size_t>(std::max<ngtcp2_ssize>(size, 0)));
  return token;
}

Token AddressTokens::for_next_time(const Address& to, WallClock now) {
  Token token(kHeadBytes, kMark);
  const std::span<std::uint8_t> nonce = std::span(token).subspan(1);
  if (gnutls_rnd(GNUTLS_RND_NONCE, nonce.data(), nonce.size()) != 0) return {};
  Botan::secure_vector<std::uint8_t> time(kTimeBytes);
  for (std::size_t i = 0; i < kTimeBytes; ++i) time[i] = static_cast<std::uint8_t>(stamp(now) >> (56 - 8 * i));
  begin(*sealer_, to, nonce);
  sealer_->finish(time);
  token.insert(token.end(), time.begin(), time.end());
  return token;
}

}  // namespace trellis::quic
