// tls_settings.h: the options of one tls layer of one policy, with the files that they name already read.
#pragma once
#include <botan/certstor.h>
#include <botan/secmem.h>
#include <botan/tls_algos.h>
#include <botan/tls_external_psk.h>
#include <botan/tls_signature_scheme.h>
#include <botan/x509cert.h>

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "trellis/clock.h"
#include "trellis/option.h"
#include "trellis/result.h"
#include "trellis/security.h"

namespace trellis::tls {

/// What a server wants of its clients.
enum class ClientCertificate : std::uint8_t { none, request, require };
/// What is asked about revocation.
enum class Revocation : std::uint8_t { off, stapled, required };

/// Names of the algorithms in Security and in the options, best first; empty: the safe defaults.
struct Algorithms {
  std::vector<Botan::TLS::Group_Params> groups;
  std::vector<std::string> ciphers;  ///< Botan's names of the AEADs
  std::vector<Botan::TLS::Signature_Scheme> signatures;
};

/// The options. Immutable; shared by all connections of the layer.
struct Settings {
  std::uint16_t version_floor = 0x0304;
  std::shared_ptr<Botan::Certificate_Store_In_Memory> anchors;  ///< null: the system's
  std::string anchors_name;                                     ///< for the security profile: "webpki", "anchors:…"
  std::shared_ptr<Botan::Certificate_Store_In_Memory> crls;     ///< null: none
  std::optional<Identity> identity;                             ///< certificate and key
  std::vector<std::uint8_t> ocsp_response;                      ///< a server staples it
  std::vector<Der> pinned;
  std::vector<PresharedKey> preshared_keys;
  Algorithms algorithms;
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
  Duration handshake_timeout{};
  std::size_t window = 0;

  /// Reads the options. Errors: configuration, with the option's name and what is wrong with its value or file.
  static Result<Settings> from(const Options& options);
};

/// The schema, for the plugin's registration.
std::span<const OptionSpec> tls_options() noexcept;

/// Reads algorithm names of Security or of an option. Errors: unsupported, with the known names.
Result<std::vector<Botan::TLS::Group_Params>> read_groups(std::span<const std::string> names);
Result<std::vector<std::string>> read_ciphers(std::span<const std::string> names);
Result<std::vector<Botan::TLS::Signature_Scheme>> read_signatures(std::span<const std::string> names);

/// DER of a Botan object.
template <class Bytes>
Der to_der(const Bytes& bytes) {
  const auto* const begin = reinterpret_cast<const std::byte*>(bytes.data());
  return Der(begin, begin + bytes.size());
}
inline std::span<const std::uint8_t> octets(std::span<const std::byte> bytes) noexcept {
  return {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
}

}  // namespace trellis::tls
