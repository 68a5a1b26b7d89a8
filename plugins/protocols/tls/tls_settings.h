// tls_settings.h: the options of one tls layer of one policy, with the files that they name already read.
#pragma once
#include <botan/pk_keys.h>
#include <botan/tls_algos.h>
#include <botan/tls_signature_scheme.h>

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "security/credential_settings.h"
#include "trellis/option.h"
#include "trellis/result.h"

namespace trellis::tls {

using security::to_der;

/// The algorithms in the library's words, best first; empty: the safe defaults.
struct Algorithms {
  std::vector<Botan::TLS::Group_Params> groups;
  std::vector<std::string> ciphers;  ///< Botan's names of the AEADs
  std::vector<Botan::TLS::Signature_Scheme> signatures;
};

/// The options. Immutable; shared by all connections of the layer.
struct Settings : security::CredentialSettings {
  std::uint16_t version_floor = 0x0304;
  std::uint64_t records_per_key = 0;
  std::size_t window = 0;
  bool datagrams = false;  ///< DTLS 1.2 in place of TLS

  /// Reads the options. Errors: configuration, with the option's name and what is wrong with its value or file.
  static Result<Settings> from(const Options& options);
};

/// The schema, for the plugin's registration.
std::span<const OptionSpec> tls_options() noexcept;

/// The RFC's name of a group that the library calls `group`.
std::string_view public_name(std::string_view group) noexcept;

/// The library can sign a handshake with keys of this kind.
bool can_sign(const Botan::Public_Key& key);

/// The library's words for names that are known already.
Algorithms library_names(const security::AlgorithmNames& names);

}  // namespace trellis::tls
