#include "algorithm_names.h"

#include <format>
#include <span>

#include "quic_settings.h"

namespace trellis::quic {
namespace {

/// A name of RFC 8446 and the library's.
struct Name {
  std::string_view name, library;
};

// AES-128 first: the library is slow at ChaCha20. X25519MLKEM768 is not here: the library does not have it.
constexpr Name kCiphers[] = {{"TLS_AES_128_GCM_SHA256", "AES-128-GCM"},
                             {"TLS_AES_256_GCM_SHA384", "AES-256-GCM"},
                             {"TLS_CHACHA20_POLY1305_SHA256", "CHACHA20-POLY1305"}};
constexpr Name kGroups[] = {{"x25519", "GROUP-X25519"},
                            {"secp256r1", "GROUP-SECP256R1"},
                            {"secp384r1", "GROUP-SECP384R1"},
                            {"secp521r1", "GROUP-SECP521R1"}};
constexpr Name kSignatures[] = {{"ecdsa_secp256r1_sha256", "SIGN-ECDSA-SECP256R1-SHA256"},
                                {"ecdsa_secp384r1_sha384", "SIGN-ECDSA-SECP384R1-SHA384"},
                                {"ecdsa_secp521r1_sha512", "SIGN-ECDSA-SECP521R1-SHA512"},
                                {"rsa_pss_rsae_sha256", "SIGN-RSA-PSS-RSAE-SHA256"},
                                {"rsa_pss_rsae_sha384", "SIGN-RSA-PSS-RSAE-SHA384"},
                                {"rsa_pss_rsae_sha512", "SIGN-RSA-PSS-RSAE-SHA512"},
                                {"ed25519", "SIGN-EDDSA-ED25519"}};

Result<void> add(std::string& to, std::string_view kind, const std::vector<std::string>& wanted,
                 std::span<const Name> known) {
  to += std::format(":-{}-ALL", kind);
  bool any = false;
  const auto use = [&](const Name& name) {
    to += std::format(":+{}", name.library);
    any = true;
  };
  if (wanted.empty()) {
    for (const Name& name : known) use(name);
  }
  for (const std::string& one : wanted) {
    for (const Name& name : known) {
      if (name.name == one) use(name);
    }
  }
  if (any) return {};
  return fail(
      Reason::unsupported,
      std::format("found only '{}' and nothing else, which QUIC's security library does not have", wanted.front()), 0,
      kLayer);
}

}  // namespace

Result<std::string> priorities_of(const security::AlgorithmNames& names, bool preshared_keys, bool raw_public_keys) {
  std::string text = "%DISABLE_TLS13_COMPAT_MODE:NORMAL:-VERS-ALL:+VERS-TLS1.3";
  if (auto done = add(text, "CIPHER", names.ciphers, kCiphers); !done) return fail(std::move(done));
  if (auto done = add(text, "GROUP", names.groups, kGroups); !done) return fail(std::move(done));
  if (auto done = add(text, "SIGN", names.signatures, kSignatures); !done) return fail(std::move(done));
  if (preshared_keys) text += ":+ECDHE-PSK:+DHE-PSK";
  if (raw_public_keys) text += ":-CTYPE-ALL:+CTYPE-CLI-RAWPK:+CTYPE-SRV-RAWPK";
  return text;
}

std::string_view signature_name(gnutls_sign_algorithm_t algorithm) noexcept {
  switch (algorithm) {
    case GNUTLS_SIGN_ECDSA_SHA256:
    case GNUTLS_SIGN_ECDSA_SECP256R1_SHA256: return "ecdsa_secp256r1_sha256";
    case GNUTLS_SIGN_ECDSA_SHA384:
    case GNUTLS_SIGN_ECDSA_SECP384R1_SHA384: return "ecdsa_secp384r1_sha384";
    case GNUTLS_SIGN_ECDSA_SHA512:
    case GNUTLS_SIGN_ECDSA_SECP521R1_SHA512: return "ecdsa_secp521r1_sha512";
    case GNUTLS_SIGN_RSA_PSS_RSAE_SHA256: return "rsa_pss_rsae_sha256";
    case GNUTLS_SIGN_RSA_PSS_RSAE_SHA384: return "rsa_pss_rsae_sha384";
    case GNUTLS_SIGN_RSA_PSS_RSAE_SHA512: return "rsa_pss_rsae_sha512";
    case GNUTLS_SIGN_EDDSA_ED25519: return "ed25519";
    default: return {};
  }
}

std::string_view group_name(gnutls_session_t session) noexcept {
  switch (gnutls_group_get(session)) {
    case GNUTLS_GROUP_X25519: return "x25519";
    case GNUTLS_GROUP_SECP256R1: return "secp256r1";
    case GNUTLS_GROUP_SECP384R1: return "secp384r1";
    case GNUTLS_GROUP_SECP521R1: return "secp521r1";
    default: return "unknown";
  }
}

std::string_view suite_name(gnutls_session_t session) noexcept {
  const char* const name = gnutls_cipher_get_name(gnutls_cipher_get(session));
  for (const Name& known : kCiphers) {
    if (name != nullptr && known.library == name) return known.name;
  }
  return name != nullptr ? name : "unknown";
}

}  // namespace trellis::quic
