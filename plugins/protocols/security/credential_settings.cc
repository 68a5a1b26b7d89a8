#include "security/credential_settings.h"

#include <botan/hash.h>
#include <botan/hex.h>
#include <botan/system_rng.h>
#include <botan/x509cert.h>

#include <algorithm>
#include <chrono>
#include <format>

#include "security/peer_error.h"

namespace trellis::security {
namespace {

constexpr OptionSpec kOptions[] = {
    {.name = "trust",
     .fallback = std::string_view("system"),
     .meaning = "trust anchors: 'system', or a file of PEM certificates"},
    {.name = "certificate",
     .fallback = std::string_view(),
     .meaning = "file with our PEM certificate chain, or our PEM public key (raw-public-keys); leaf first"},
    {.name = "key", .fallback = std::string_view(), .meaning = "file with our PEM private key (PKCS #8)"},
    {.name = "server-name",
     .fallback = std::string_view(),
     .meaning = "whom the server's certificate must name; empty: the host that was connected to"},
    {.name = "alpn",
     .fallback = std::string_view(),
     .meaning = "application protocols, best first, with spaces between"},
    {.name = "client-certificate",
     .fallback = std::string_view("none"),
     .meaning = "what a server wants of its clients",
     .words = "none request require"},
    {.name = "pins",
     .fallback = std::string_view(),
     .meaning = "file with PEM public keys or certificates, of which the peer must have one"},
    {.name = "raw-public-keys",
     .fallback = false,
     .meaning = "offer and accept keys without certificates (RFC 7250); the peer's must be pinned"},
    {.name = "preshared-keys",
     .fallback = std::string_view(),
     .meaning = "file of external keys, a line each: IDENTITY SHA-256|SHA-384 HEX"},
    {.name = "groups", .fallback = std::string_view(), .meaning = "key exchange groups, best first; empty: safe ones"},
    {.name = "ciphers", .fallback = std::string_view(), .meaning = "cipher suites, best first; empty: safe ones"},
    {.name = "signatures",
     .fallback = std::string_view(),
     .meaning = "signature algorithms, best first; empty: safe ones"},
    {.name = "revocation",
     .fallback = std::string_view("stapled"),
     .meaning = "stapled: a stapled OCSP response or a CRL counts; required: there must be one; off: not asked for",
     .words = "off stapled required"},
    {.name = "crl", .fallback = std::string_view(), .meaning = "file of PEM certificate revocation lists"},
    {.name = "ocsp-response",
     .fallback = std::string_view(),
     .meaning = "file with the DER OCSP response that a server staples to its certificate"},
    {.name = "resumption", .fallback = true, .meaning = "keep tickets of servers and use each once"},
    {.name = "tickets",
     .fallback = std::int64_t{2},
     .meaning = "session tickets that a server sends; 0: no resumption",
     .least = 0,
     .most = 8},
    {.name = "ticket-lifetime-s",
     .fallback = std::int64_t{7200},
     .meaning = "how long a server accepts its tickets",
     .least = 1,
     .most = 604'800},
    {.name = "ticket-key",
     .fallback = std::string_view(),
     .meaning = "file with 32 secret bytes that servers of a fleet share; empty: this process's own"},
    {.name = "handshake-timeout-ms",
     .fallback = std::int64_t{10'000},
     .meaning = "how long a handshake may take",
     .least = 1,
     .most = 600'000},
    {.name = "answer-timeout-ms",
     .fallback = std::int64_t{60'000},
     .meaning = "how long the application may take to say whether it trusts the peer",
     .least = 1,
     .most = 3'600'000},
    {.name = "key-log",
     .fallback = false,
     .meaning = "append the connection's secrets to the file that SSLKEYLOGFILE names; for debugging only"},
};

constexpr std::string_view kCiphers[] = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
                                         "TLS_CHACHA20_POLY1305_SHA256"};
constexpr std::string_view kGroups[] = {"x25519", "secp256r1", "secp384r1", "secp521r1", "X25519MLKEM768"};
constexpr std::string_view kSignatures[] = {"ecdsa_secp256r1_sha256", "ecdsa_secp384r1_sha384",
                                            "ecdsa_secp521r1_sha512", "rsa_pss_rsae_sha256",
                                            "rsa_pss_rsae_sha384",    "rsa_pss_rsae_sha512"};
constexpr std::uint16_t kNewestVersion = 0x0304;

Result<void> read_anchors(CredentialSettings& settings, std::string_view path, const char* layer) {
  settings.anchors_name = "webpki";
  if (path == "system") return {};
  auto certificates = CredentialFile(layer, "trust", path).certificates();
  if (!certificates) return fail(std::move(certificates));
  settings.anchors = std::move(*certificates);
  settings.store = std::make_shared<Botan::Certificate_Store_In_Memory>();
  for (const Der& der : settings.anchors) {
    settings.store->add_certificate(Botan::X509_Certificate(octets(der).data(), der.size()));
  }
  std::vector<Der> all = settings.anchors;
  std::ranges::sort(all);  // the order in the file means nothing
  const auto hash = Botan::HashFunction::create_or_throw("SHA-256");
  for (const Der& der : all) hash->update(octets(der));
  settings.anchors_name = "anchors:" + Botan::hex_encode(hash->final(), false).substr(0, 16);
  return {};
}

Result<void> read_identity(CredentialSettings& settings, std::string_view certificate, std::string_view key,
                           const char* layer) {
  const CredentialFile chain(layer, "certificate", certificate);
  if (certificate.empty() && key.empty()) return {};
  if (certificate.empty()) return CredentialFile(layer, "key", key).refuse("expected option certificate as well");
  if (key.empty()) return chain.refuse("expected option key as well");
  auto identity = chain.identity(key);
  if (!identity) return fail(std::move(identity));
  settings.identity = std::move(*identity);
  return {};
}

Result<void> read_ticket_key(CredentialSettings& settings, std::string_view path, const char* layer) {
  constexpr std::size_t kBytes = 32;
  if (path.empty()) {
    settings.ticket_key = Botan::system_rng().random_vec<Botan::secure_vector<std::uint8_t>>(kBytes);
    return {};
  }
  auto key = CredentialFile(layer, "ticket-key", path).secret(kBytes);
  if (!key) return fail(std::move(key));
  settings.ticket_key = std::move(*key);
  return {};
}

/// Reads the file of an option into a member, if there is one.
template <class T>
Result<void> read_into(T& member, std::string_view path, Result<T> (CredentialFile::*read)() const,
                       const CredentialFile& file) {
  if (path.empty()) return {};
  auto got = (file.*read)();
  if (!got) return fail(std::move(got));
  member = std::move(*got);
  return {};
}

Result<void> read_files(CredentialSettings& s, const Options& options, const char* layer) {
  const auto path = [&](std::string_view option) { return options.text(option); };
  const auto file = [&](std::string_view option) { return CredentialFile(layer, option, path(option)); };
  if (auto done = read_anchors(s, path("trust"), layer); !done) return done;
  if (auto done = read_identity(s, path("certificate"), path("key"), layer); !done) return done;
  if (auto done = read_into(s.pinned, path("pins"), &CredentialFile::public_keys, file("pins")); !done) return done;
  if (auto done = read_into(s.crls, path("crl"), &CredentialFile::revocation_lists, file("crl")); !done) return done;
  if (auto done =
          read_into(s.preshared_keys, path("preshared-keys"), &CredentialFile::preshared_keys, file("preshared-keys"));
      !done) {
    return done;
  }
  if (auto done = read_ticket_key(s, path("ticket-key"), layer); !done) return done;
  std::string response;
  if (auto done = read_into(response, path("ocsp-response"), &CredentialFile::bytes, file("ocsp-response")); !done) {
    return done;
  }
  s.ocsp_response.assign(response.begin(), response.end());
  return {};
}

Result<void> check_names(std::string_view what, const std::vector<std::string>& names,
                         std::span<const std::string_view> known, const char* layer) {
  for (const std::string& name : names) {
    if (std::ranges::contains(known, name)) continue;
    std::string list;
    for (const auto& one : known) list += (list.empty() ? "" : ", ") + std::string(one);
    return fail(Reason::unsupported, std::format("found {} '{}', expected one of {}", what, name, list), 0, layer);
  }
  return {};
}

Result<void> check_algorithms(const AlgorithmNames& names, const char* layer) {
  if (auto done = check_names("key exchange group", names.groups, kGroups, layer); !done) return done;
  if (auto done = check_names("cipher suite", names.ciphers, kCiphers, layer); !done) return done;
  return check_names("signature algorithm", names.signatures, kSignatures, layer);
}

Result<AlgorithmNames> read_algorithms(const Options& options, const char* layer) {
  AlgorithmNames names;
  names.groups = words_of(options.text("groups"));
  names.ciphers = words_of(options.text("ciphers"));
  names.signatures = words_of(options.text("signatures"));
  if (auto known = check_algorithms(names, layer); !known) {
    known.error().reason = Reason::configuration;
    return fail(std::move(known));
  }
  return names;
}

}  // namespace

Result<CredentialSettings> CredentialSettings::from(const Options& options, const char* layer) {
  CredentialSettings s;
  if (auto done = read_files(s, options, layer); !done) return fail(std::move(done));
  auto names = read_algorithms(options, layer);
  if (!names) return fail(std::move(names));
  s.algorithms = std::move(*names);
  s.server_name = options.text("server-name");
  s.alpn = words_of(options.text("alpn"));
  const auto wants = options.text("client-certificate");
  if (wants == "request") s.client_certificate = ClientCertificate::request;
  if (wants == "require") s.client_certificate = ClientCertificate::require;
  const auto revocation = options.text("revocation");
  if (revocation == "off") s.revocation = Revocation::off;
  if (revocation == "required") s.revocation = Revocation::required;
  s.raw_public_keys = options.flag("raw-public-keys");
  s.resumption = options.flag("resumption");
  s.tickets = static_cast<unsigned>(options.number("tickets"));
  s.ticket_lifetime = std::chrono::seconds(options.number("ticket-lifetime-s"));
  s.handshake_timeout = std::chrono::milliseconds(options.number("handshake-timeout-ms"));
  s.answer_timeout = std::chrono::milliseconds(options.number("answer-timeout-ms"));
  s.key_log = options.flag("key-log");
  return s;
}

std::span<const OptionSpec> credential_options() noexcept { return kOptions; }

std::vector<OptionSpec> with_credential_options(std::span<const OptionSpec> own) {
  std::vector<OptionSpec> all(own.begin(), own.end());
  all.insert(all.end(), std::begin(kOptions), std::end(kOptions));
  return all;
}

std::span<const std::string_view> known_groups() noexcept { return kGroups; }
std::span<const std::string_view> known_ciphers() noexcept { return kCiphers; }
std::span<const std::string_view> known_signatures() noexcept { return kSignatures; }

Result<AlgorithmNames> algorithms_of(const CredentialSettings& settings, const Security& parameters,
                                     const char* layer) {
  AlgorithmNames names = settings.algorithms;
  if (!parameters.groups.empty()) names.groups = parameters.groups;
  if (!parameters.ciphers.empty()) names.ciphers = parameters.ciphers;
  if (!parameters.signatures.empty()) names.signatures = parameters.signatures;
  if (auto known = check_algorithms(names, layer); !known) return fail(std::move(known));
  return names;
}

Result<std::uint16_t> version_floor_of(std::uint16_t policy, const Security& parameters, const char* layer) {
  const std::uint16_t floor = std::max(policy, parameters.version_floor);
  if (floor <= kNewestVersion) return floor;
  return std::unexpected(
      make_error(layer, Reason::unsupported, Code::nothing_in_common,
                 std::format("a TLS version of at least {:#06x} is asked for, the newest here is TLS 1.3", floor)));
}

std::string server_name_of(const CredentialSettings& settings, const Security& parameters, std::string_view host) {
  std::string name(host);
  if (!settings.server_name.empty()) name = settings.server_name;
  if (!parameters.server_name.empty()) name = parameters.server_name;
  if (name.size() > 1 && name.ends_with('.')) name.pop_back();
  return name;
}

}  // namespace trellis::security
