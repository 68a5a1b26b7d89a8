#include "tls_settings.h"

#include <botan/pk_keys.h>
#include <botan/pkcs8.h>

#include <algorithm>
#include <format>
#include <string_view>
#include <utility>

#include "tls_error.h"

namespace trellis::tls {
namespace {

constexpr std::int64_t kRecordsPerKey = 11'863'283;  // half of 2^24.5

constexpr OptionSpec kOptions[] = {
    {.name = "minimum-version",
     .fallback = std::string_view("1.3"),
     .meaning = "lowest version; 1.2 makes another security profile and uses the library's slower records",
     .words = "1.3 1.2"},
    {.name = "records-per-key",
     .fallback = kRecordsPerKey,
     .meaning = "records that our key protects before it changes (RFC 8446 section 5.5)",
     .least = 1,
     .most = kRecordsPerKey},
    {.name = "window-bytes",
     .fallback = std::int64_t{256 << 10},
     .meaning = "bytes that may wait on either side of this layer",
     .least = 32 << 10,
     .most = 64 << 20},
};

/// A name that people and RFCs use, and the library's.
struct Name {
  std::string_view name, library;
};

constexpr Name kCiphers[] = {
    {"TLS_AES_128_GCM_SHA256", "AES-128/GCM"},
    {"TLS_AES_256_GCM_SHA384", "AES-256/GCM"},
    {"TLS_CHACHA20_POLY1305_SHA256", "ChaCha20Poly1305"},
};
constexpr Name kGroups[] = {
    {"x25519", "x25519"},
    {"secp256r1", "secp256r1"},
    {"secp384r1", "secp384r1"},
    {"secp521r1", "secp521r1"},
    {"X25519MLKEM768", "x25519/ML-KEM-768"},
};
constexpr std::pair<std::string_view, std::uint16_t> kSignatures[] = {
    {"ecdsa_secp256r1_sha256", 0x0403}, {"ecdsa_secp384r1_sha384", 0x0503}, {"ecdsa_secp521r1_sha512", 0x0603},
    {"rsa_pss_rsae_sha256", 0x0804},    {"rsa_pss_rsae_sha384", 0x0805},    {"rsa_pss_rsae_sha512", 0x0806},
};

// Both sides of every table are checked by credential_settings.h and by a test.
template <class Table>
auto find(const Table& table, std::string_view name) {
  const auto* const found = std::ranges::find_if(table, [name](const auto& entry) {
    const auto& [first, second] = entry;
    return first == name;
  });
  const auto& [first, second] = *found;
  return second;
}

}  // namespace

std::span<const OptionSpec> tls_options() noexcept {
  static const std::vector<OptionSpec> kAll = security::with_credential_options(kOptions);
  return kAll;
}

Algorithms library_names(const security::AlgorithmNames& names) {
  Algorithms made;
  for (const std::string& name : names.groups) {
    made.groups.push_back(*Botan::TLS::Group_Params::from_string(find(kGroups, name)));
  }
  for (const std::string& name : names.ciphers) made.ciphers.emplace_back(find(kCiphers, name));
  for (const std::string& name : names.signatures) made.signatures.emplace_back(find(kSignatures, name));
  return made;
}

std::string_view public_name(std::string_view group) noexcept {
  const auto* const found = std::ranges::find(kGroups, group, &Name::library);
  return found == std::end(kGroups) ? group : found->name;
}

bool can_sign(const Botan::Public_Key& key) {
  return std::ranges::contains(Botan::TLS::Signature_Scheme::all_available_schemes(), key.algo_name(),
                               [](const auto& scheme) { return scheme.algorithm_name(); });
}

Result<Settings> Settings::from(const Options& options) {
  auto credentials = security::CredentialSettings::from(options, kLayer);
  if (!credentials) return fail(std::move(credentials));
  Settings s{std::move(*credentials)};
  if (s.identity) {
    const auto key = Botan::PKCS8::load_key(octets(s.identity->private_key));
    if (!can_sign(*key)) {
      return security::CredentialFile(kLayer, "key", options.text("key"))
          .refuse(std::format("which is an {} key, expected RSA or ECDSA", key->algo_name()));
    }
  }
  if (options.text("minimum-version") == "1.2") s.version_floor = 0x0303;
  s.records_per_key = static_cast<std::uint64_t>(options.number("records-per-key"));
  s.window = static_cast<std::size_t>(options.number("window-bytes"));
  return s;
}

}  // namespace trellis::tls
