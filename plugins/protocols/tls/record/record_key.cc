#include "record/record_key.h"

#include <algorithm>
#include <format>

namespace trellis::tls {
namespace {

// The last bytes of `into`, xor a number in network byte order.
template <class Number>
void mix(std::span<std::byte> into, Number number) noexcept {
  for (auto byte = into.rbegin(); byte != into.rend(); ++byte, number >>= 8) *byte ^= static_cast<std::byte>(number);
}

}  // namespace

UsageLimit usage_limit(CipherSuite suite) noexcept {
  constexpr std::uint64_t kGcm = 23'726'566;  // 2^24.5
  if (suite == CipherSuite::chacha20_poly1305_sha256) return {.update = UINT64_MAX, .last = UINT64_MAX};
  return {.update = kGcm / 2, .last = kGcm};
}

RecordKey::RecordKey(std::unique_ptr<Aead> aead, UsageLimit limit) noexcept
    : aead_(std::move(aead)), iv_(kNonce), limit_(limit) {}

Result<std::shared_ptr<RecordKey>> RecordKey::make(CipherSuite suite, std::span<const std::byte> key,
                                                   std::span<const std::byte> iv, Direction direction) noexcept {
  if (iv.size() != kNonce) {
    return trellis::fail(Reason::invalid_argument, std::format("an IV of {} bytes instead of {}", iv.size(), kNonce), 0,
                         "tls");
  }
  auto aead = make_aead(suite, key, direction);
  if (!aead) return trellis::fail(std::move(aead));
  auto made = std::make_shared<RecordKey>(*std::move(aead), usage_limit(suite));
  std::ranges::copy(iv, made->iv_.edit().begin());
  return made;
}

Result<std::shared_ptr<RecordKey>> RecordKey::derive(const TrafficSecret& secret, Direction direction) noexcept {
  SecretBytes key(key_size(secret.suite())), iv(kNonce);
  auto expanded = hkdf_expand_labels(secret.suite(), secret.bytes(), {{"key", key.edit()}, {"iv", iv.edit()}});
  if (!expanded) return trellis::fail(std::move(expanded));
  return make(secret.suite(), key.bytes(), iv.bytes(), direction);
}

std::array<std::byte, kNonce> RecordKey::nonce(std::uint32_t connection_id, std::uint64_t sequence) const noexcept {
  std::array<std::byte, kNonce> nonce;
  std::ranges::copy(iv_.bytes(), nonce.begin());
  mix(std::span(nonce).first<sizeof connection_id>(), connection_id);
  mix(std::span(nonce).last<sizeof sequence>(), sequence);
  return nonce;
}

}  // namespace trellis::tls
