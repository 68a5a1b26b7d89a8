// key_schedule.h: from a traffic secret to the keys of the record layer (RFC 8446 section 7).
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string_view>

#include "record/record.h"

namespace trellis::tls {

/// Bytes of a suite's hash, and so of its secrets.
std::size_t secret_size(CipherSuite suite) noexcept;

/// Secret bytes of fixed room; wiped when they go. Never printed.
class SecretBytes {
 public:
  static constexpr std::size_t kMost = 48;  ///< a SHA-384 value
  /// `size` zeros, to be filled by way of edit(). Precondition: size <= kMost.
  explicit SecretBytes(std::size_t size) noexcept;
  SecretBytes(const SecretBytes&) = default;
  SecretBytes& operator=(const SecretBytes&) = default;
  ~SecretBytes();
  std::span<const std::byte> bytes() const noexcept { return {bytes_.data(), size_}; }  ///< to read
  std::span<std::byte> edit() noexcept { return {bytes_.data(), size_}; }               ///< to write

 private:
  std::array<std::byte, kMost> bytes_{};
  std::size_t size_;
};

/// HKDF-Expand-Label(secret, label, context, out.size()) of the suite's hash; `label` without "tls13 ".
Result<void> hkdf_expand_label(CipherSuite suite, std::span<const std::byte> secret, std::string_view label,
                               std::span<const std::byte> context, std::span<std::byte> out) noexcept;

/// One more value of the same secret.
struct Expansion {
  std::string_view label;    ///< without "tls13 "
  std::span<std::byte> out;  ///< filled; its size is part of the derivation
};
/// HKDF-Expand-Label without context for each of them: cheaper than one by one.
Result<void> hkdf_expand_labels(CipherSuite suite, std::span<const std::byte> secret,
                                std::initializer_list<Expansion> expansions) noexcept;

/// client_ or server_application_traffic_secret_N, with its suite.
class TrafficSecret {
 public:
  /// Reason::invalid_argument: the secret has not the size of the suite's hash.
  static Result<TrafficSecret> make(CipherSuite suite, std::span<const std::byte> secret) noexcept;
  CipherSuite suite() const noexcept { return suite_; }                          ///< whose hash it is
  std::span<const std::byte> bytes() const noexcept { return secret_.bytes(); }  ///< to derive more from it
  /// application_traffic_secret_N+1: what follows a KeyUpdate (RFC 8446 section 7.2).
  Result<TrafficSecret> next() const noexcept;

 private:
  explicit TrafficSecret(CipherSuite suite) noexcept : suite_(suite), secret_(secret_size(suite)) {}
  CipherSuite suite_;
  SecretBytes secret_;
};

}  // namespace trellis::tls
