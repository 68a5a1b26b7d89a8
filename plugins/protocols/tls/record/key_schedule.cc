#include "record/key_schedule.h"

#include <botan/kdf.h>
#include <botan/mem_ops.h>

#include <algorithm>
#include <cassert>
#include <format>
#include <vector>

namespace trellis::tls {
namespace {

bool is_sha384(CipherSuite suite) noexcept { return suite == CipherSuite::aes_256_gcm_sha384; }

std::span<const std::uint8_t> octets(std::span<const std::byte> bytes) noexcept {
  return {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
}

// RFC 8446 section 7.1: length, label and context, the last two behind a byte with their length.
std::vector<std::uint8_t> hkdf_label(std::size_t length, std::string_view label, std::span<const std::byte> context) {
  constexpr std::string_view kPrefix = "tls13 ";
  std::vector<std::uint8_t> info = {static_cast<std::uint8_t>(length >> 8), static_cast<std::uint8_t>(length),
                                    static_cast<std::uint8_t>(kPrefix.size() + label.size())};
  info.insert(info.end(), kPrefix.begin(), kPrefix.end());
  info.insert(info.end(), label.begin(), label.end());
  info.push_back(static_cast<std::uint8_t>(context.size()));
  const auto bytes = octets(context);
  info.insert(info.end(), bytes.begin(), bytes.end());
  return info;
}

}  // namespace

std::size_t secret_size(CipherSuite suite) noexcept { return is_sha384(suite) ? 48 : 32; }

SecretBytes::SecretBytes(std::size_t size) noexcept : size_(size) { assert(size <= kMost); }
SecretBytes::~SecretBytes() { Botan::secure_scrub_memory(bytes_.data(), bytes_.size()); }

Result<void> hkdf_expand_label(CipherSuite suite, std::span<const std::byte> secret, std::string_view label,
                               std::span<const std::byte> context, std::span<std::byte> out) noexcept {
  const char* name = is_sha384(suite) ? "HKDF-Expand(HMAC(SHA-384))" : "HKDF-Expand(HMAC(SHA-256))";
  const auto kdf = Botan::KDF::create(name);
  if (!kdf) return trellis::fail(Reason::unsupported, std::format("Botan was built without {}", name), 0, "tls");
  const auto info = hkdf_label(out.size(), label, context);
  kdf->derive_key({reinterpret_cast<std::uint8_t*>(out.data()), out.size()}, octets(secret), {}, info);
  return {};
}

Result<TrafficSecret> TrafficSecret::make(CipherSuite suite, std::span<const std::byte> secret) noexcept {
  if (secret.size() != secret_size(suite)) {
    return trellis::fail(Reason::invalid_argument,
                         std::format("a traffic secret of {} bytes for suite {:#06x}, whose hash has {}", secret.size(),
                                     static_cast<unsigned>(suite), secret_size(suite)),
                         0, "tls");
  }
  TrafficSecret made(suite);
  std::ranges::copy(secret, made.secret_.edit().begin());
  return made;
}

Result<TrafficSecret> TrafficSecret::next() const noexcept {
  TrafficSecret following(suite_);
  auto expanded = hkdf_expand_label(suite_, bytes(), "traffic upd", {}, following.secret_.edit());
  if (!expanded) return trellis::fail(std::move(expanded));
  return following;
}

}  // namespace trellis::tls
