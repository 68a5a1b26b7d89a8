#include "record_keys.h"

#include <botan/kdf.h>

#include <algorithm>
#include <format>
#include <optional>

#include "dtls_error.h"
#include "handshake.h"

namespace trellis::dtls {
namespace {

constexpr std::size_t kSalt = 4;  // of AES-GCM's nonce; the rest is in the record

struct Suite {
  tls::CipherSuite cipher;
  const char* prf;
};

std::optional<Suite> suite_of(std::uint16_t number) noexcept {
  constexpr const char* kSha256 = "TLS-12-PRF(SHA-256)";
  constexpr const char* kSha384 = "TLS-12-PRF(SHA-384)";
  switch (number) {
    case 0xc02b:
    case 0xc02f: return Suite{tls::CipherSuite::aes_128_gcm_sha256, kSha256};
    case 0xc02c:
    case 0xc030: return Suite{tls::CipherSuite::aes_256_gcm_sha384, kSha384};
    case 0xcca8:
    case 0xcca9: return Suite{tls::CipherSuite::chacha20_poly1305_sha256, kSha256};
    default: return std::nullopt;
  }
}

std::unexpected<Error> failed(std::string_view why) {
  return std::unexpected(
      make_error(Reason::unsupported, Code::internal, std::format("the keys of the records: {}", why)));
}

}  // namespace

Result<RecordKeys> RecordKeys::derive(std::uint16_t number, const tls::MasterSecret& master, bool server) noexcept try {
  const auto suite = suite_of(number);
  if (!suite) return failed(std::format("cipher suite {:#06x} is none of ours", number));
  const bool gcm = suite->cipher != tls::CipherSuite::chacha20_poly1305_sha256;
  const std::size_t key = tls::key_size(suite->cipher), iv = gcm ? kSalt : tls::kNonce;
  std::vector<std::uint8_t> salt = master.server_random;
  salt.insert(salt.end(), master.client_random.begin(), master.client_random.end());
  constexpr std::string_view kLabel = "key expansion";
  const auto block = Botan::KDF::create_or_throw(suite->prf)
                         ->derive_key<Botan::secure_vector<std::uint8_t>>(
                             2 * (key + iv), std::span<const std::uint8_t>(master.secret), salt,
                             std::span(reinterpret_cast<const std::uint8_t*>(kLabel.data()), kLabel.size()));
  const auto bytes = std::as_bytes(std::span(block));
  const auto make = [&](bool of_server, tls::Direction direction) {
    tls::SecretBytes fixed(tls::kNonce);
    std::ranges::copy(bytes.subspan(2 * key + (of_server ? iv : 0), iv), fixed.edit().begin());
    return tls::RecordKey::make(suite->cipher, bytes.subspan(of_server ? key : 0, key), fixed.bytes(), direction);
  };
  auto sealing = make(server, tls::Direction::seal);
  auto opening = make(!server, tls::Direction::open);
  if (!sealing) return fail(std::move(sealing));
  if (!opening) return fail(std::move(opening));
  return RecordKeys{std::move(*sealing), std::move(*opening), gcm};
} catch (const std::exception& thrown) {
  return failed(thrown.what());
}

}  // namespace trellis::dtls
