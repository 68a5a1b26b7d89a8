// authentication.cc: the key, and HMACs by Botan.
#include "authentication.h"

#include <botan/mac.h>
#include <botan/mem_ops.h>
#include <usrsctp.h>

#include <algorithm>

namespace trellis::sctp {
namespace {

constexpr std::size_t kDigestAt = 8;  // of an AUTH chunk: header, shared key identifier, HMAC identifier
constexpr std::size_t kDigestMost = 32;
using Digest = std::array<std::uint8_t, kDigestMost>;

std::size_t digest_bytes(std::uint16_t hmac) noexcept { return hmac == kSha1 ? 20 : hmac == kSha256 ? 32 : 0; }

std::span<const std::uint8_t> octets(std::span<const std::byte> bytes) noexcept {
  return {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
}

// Of chunks whose first one is AUTH, as if its digest were zero. Precondition: that has its length.
Digest digest_of(std::span<const std::byte> key, std::uint16_t hmac, std::span<const std::byte> chunks) {
  const auto mac = Botan::MessageAuthenticationCode::create_or_throw(hmac == kSha1 ? "HMAC(SHA-1)" : "HMAC(SHA-256)");
  const std::size_t size = digest_bytes(hmac);
  Digest digest{};
  mac->set_key(octets(key));
  mac->update(octets(chunks.first(kDigestAt)));
  mac->update(std::span(digest).first(size));
  mac->update(octets(chunks.subspan(kDigestAt + size)));
  mac->final(std::span(digest).first(size));
  return digest;
}

// As numbers (RFC 4895 section 6.1). Both begin with the type of RANDOM, which is no zero, so a longer one is greater.
bool is_less(std::span<const std::byte> a, std::span<const std::byte> b) noexcept {
  return a.size() != b.size() ? a.size() < b.size() : std::ranges::lexicographical_compare(a, b);
}

}  // namespace

Random random_for(const Random& secret, std::uint32_t own_tag, std::uint32_t peer_tag) noexcept {
  std::array<std::byte, 8> tags{};
  write_32(tags, 0, own_tag);
  write_32(tags, 4, peer_tag);
  Random made;
  const auto mac = Botan::MessageAuthenticationCode::create_or_throw("HMAC(SHA-256)");
  mac->set_key(octets(secret));
  mac->update(octets(tags));
  mac->final(std::span(reinterpret_cast<std::uint8_t*>(made.data()), made.size()));
  return made;
}

Authenticator::Authenticator(std::span<const std::byte> own, std::span<const std::byte> peer, std::uint16_t hmac)
    : hmac_(hmac) {
  const auto first = is_less(own, peer) ? own : peer, second = is_less(own, peer) ? peer : own;
  key_.assign(first.begin(), first.end());
  key_.insert(key_.end(), second.begin(), second.end());
}

std::size_t Authenticator::chunk_bytes() const noexcept { return kDigestAt + digest_bytes(hmac_); }

void Authenticator::sign(std::span<std::byte> chunks) const noexcept {
  std::ranges::fill(chunks.first(chunk_bytes()), std::byte());
  chunks[0] = std::byte{SCTP_AUTHENTICATION};
  write_16(chunks, 2, chunk_bytes());
  write_16(chunks, 6, hmac_);
  const Digest digest = digest_of(key_, hmac_, chunks);
  std::ranges::copy(std::as_bytes(std::span(digest).first(digest_bytes(hmac_))), chunks.begin() + kDigestAt);
}

// Shared keys other than the null key, and algorithms that were not offered, are nobody's (section 6.3).
bool Authenticator::verify(std::span<const std::byte> chunks) const noexcept {
  auto rest = chunks;
  const auto auth = take_item(rest);
  if (!auth || auth->chunk() != SCTP_AUTHENTICATION || auth->value.size() < kDigestAt - kChunkHeader) return false;
  const std::uint16_t shared_key = read_16(auth->value, 0), hmac = read_16(auth->value, 2);
  const std::size_t size = digest_bytes(hmac);
  if (shared_key != 0 || size == 0 || auth->value.size() != kDigestAt - kChunkHeader + size) return false;
  const Digest digest = digest_of(key_, hmac, chunks);
  return Botan::constant_time_compare(octets(chunks.subspan(kDigestAt, size)), std::span(digest).first(size));
}

}  // namespace trellis::sctp
