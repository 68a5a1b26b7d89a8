// credential_settings.h: the options that every security protocol has, with the files that they name already read.
#pragma once
#include <botan/certstor.h>
#include <botan/secmem.h>

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "security/credential_files.h"
#include "trellis/clock.h"
#include "trellis/option.h"

namespace trellis::security {

/// What a server wants of its clients.
enum class ClientCertificate : std::uint8_t { none, request, require };
/// What is asked about revocation.
enum class Revocation : std::uint8_t { off, stapled, required };

/// Names of RFC 8446, best first; empty: the safe defaults. Known to `known_*()`.
struct AlgorithmNames {
  std::vector<std::string> groups, ciphers, signatures;
};

/// The options. Immutable; shared by all connections of the layer.
struct CredentialSettings {
  std::vector<Der> anchors;                                   ///< empty: the system's
  std::shared_ptr<Botan::Certificate_Store_In_Memory> store;  ///< the same as a store; null: the system's
  std::string anchors_name;                                   ///< for the security profile: "webpki", "anchors:…"
  std::shared_ptr<Botan::Certificate_Store_In_Memory> crls;   ///< null: none
  std::optional<Identity> identity;                           ///< certificate and key
  std::vector<std::uint8_t> ocsp_response;                    ///< a server staples it
  std::vector<Der> pinned;                                    ///< SPKI
  std::vector<PresharedKey> preshared_keys;
  AlgorithmNames algorithms;
  std::string server_name;
  std::vector<std::string> alpn;
  ClientCertificate client_certificate = ClientCertificate::none;
  Revocation revocation = Revocation::stapled;
  bool raw_public_keys = false;
  bool resumption = true;
  bool key_log = false;
  unsigned tickets = 2;
  Duration ticket_lifetime{};
  Botan::secure_vector<std::uint8_t> ticket_key;
  Duration handshake_timeout{}, answer_timeout{};

  /// Reads credential_options(). Errors: configuration, with the option's name and what is wrong with its value or
  /// file. `layer` lives as long as the plugin.
  static Result<CredentialSettings> from(const Options& options, const char* layer);
};

/// The schema of these options. A plugin registers them together with its own: with_credential_options().
std::span<const OptionSpec> credential_options() noexcept;
std::vector<OptionSpec> with_credential_options(std::span<const OptionSpec> own);

/// The names that Security and the options may use.
std::span<const std::string_view> known_groups() noexcept;
std::span<const std::string_view> known_ciphers() noexcept;
std::span<const std::string_view> known_signatures() noexcept;

/// The algorithms of the application where it names some, else those of the options. Errors: unsupported, with the
/// known names.
Result<AlgorithmNames> algorithms_of(const CredentialSettings& settings, const Security& parameters, const char* layer);

/// The stricter of policy and application: neither weakens the other. Errors: unsupported, no such version.
Result<std::uint16_t> version_floor_of(std::uint16_t policy, const Security& parameters, const char* layer);

/// Whom the server must prove to be: the application's word, the policy's, the host that was connected to. Without its
/// last dot, as in certificates; empty: the address is all that is known.
std::string server_name_of(const CredentialSettings& settings, const Security& parameters, std::string_view host);

}  // namespace trellis::security
