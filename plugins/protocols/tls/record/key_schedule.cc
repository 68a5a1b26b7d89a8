#include "record/key_schedule.h"

#include <botan/mac.h>
#include <botan/mem_ops.h>

#include <algorithm>
#include <cassert>
#include <format>
#include <memory>
#include <vector>

#include "../../octets.h"

namespace trellis::tls {
namespace {

bool is_sha384(CipherSuite suite) noexcept { return suite == CipherSuite::aes_256_gcm_sha384; }

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

/// An HMAC that forgets its key when it goes.
struct Forget {
  void operator()(Botan::MessageAuthenticationCode* mac) const noexcept { mac->clear(); }
};
using KeyedMac = std::unique_ptr<Botan::MessageAuthenticationCode, Forget>;

// Finding an algorithm by its name costs more than using it, so each thread keeps one of each hash.
KeyedMac key(CipherSuite suite, std::span<const std::byte> secret) {
  using Mac = std::unique_ptr<Botan::MessageAuthenticationCode>;
  thread_local const Mac kWithSha256 = Botan::MessageAuthenticationCode::create("HMAC(SHA-256)");
  thread_local const Mac kWithSha384 = Botan::MessageAuthenticationCode::create("HMAC(SHA-384)");
  Botan::MessageAuthenticationCode* const mac = is_sha384(suite) ? kWithSha384.get() : kWithSha256.get();
  if (mac != nullptr) mac->set_key(octets(secret));
  return KeyedMac(mac);
}

// HKDF-Expand (RFC 5869 section 2.3): each block is made of the one before.
void expand(Botan::MessageAuthenticationCode& mac, std::string_view label, std::span<const std::byte> context,
            std::span<std::byte> out) {
  const auto info = hkdf_label(out.size(), label, context);
  Botan::secure_vector<std::uint8_t> block;
  std::uint8_t number = 0;
  while (!out.empty()) {
    mac.update(block);
    mac.update(info);
    mac.update(++number);
    mac.final(block);
    const std::size_t n = std::min(out.size(), block.size());
    std::ranges::copy(std::as_bytes(std::span(block)).first(n), out.begin());
    out = out.subspan(n);
  }
}

}  // namespace

std::size_t secret_size(CipherSuite suite) noexcept { return is_sha384(suite) ? 48 : 32; }

SecretBytes::SecretBytes(std::size_t size) noexcept : size_(size) { assert(size <= kMost); }
SecretBytes::~SecretBytes() { Botan::secure_scrub_memory(bytes_.data(), bytes_.size()); }

Result<void> hkdf_expand_label(CipherSuite suite, std::span<const std::byte> secret, std::string_view label,
                               std::span<const std::byte> context, std::span<std::byte> out) noexcept {
  const auto keyed = key(suite, secret);
  if (!keyed) return trellis::fail(Reason::unsupported, "Botan was built without HMAC", 0, "tls");
  expand(*keyed, label, context, out);
  return {};
}

Result<void> hkdf_expand_labels(CipherSuite suite, std::span<const std::byte> secret,
                                std::initializer_list<Expansion> expansions) noexcept {
  const auto keyed = key(suite, secret);
  if (!keyed) return trellis::fail(Reason::unsupported, "Botan was built without HMAC", 0, "tls");
  for (const Expansion& one : expansions) expand(*keyed, one.label, {}, one.out);
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
