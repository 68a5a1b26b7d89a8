#include "tls_settings.h"

#include <botan/data_src.h>
#include <botan/hash.h>
#include <botan/hex.h>
#include <botan/pem.h>
#include <botan/pkcs8.h>
#include <botan/system_rng.h>
#include <botan/x509_crl.h>
#include <botan/x509_key.h>

#include <algorithm>
#include <chrono>
#include <format>
#include <fstream>
#include <iterator>
#include <ranges>
#include <sstream>

#include "tls_error.h"

namespace trellis::tls {
namespace {

constexpr OptionSpec kOptions[] = {
    {.name = "minimum-version",
     .fallback = std::string_view("1.3"),
     .meaning = "lowest version; 1.2 makes another security profile and uses the library's slower records",
     .words = "1.3 1.2"},
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
    {.name = "key-log",
     .fallback = false,
     .meaning = "append the connection's secrets to the file that SSLKEYLOGFILE names; for debugging only"},
    {.name = "window-bytes",
     .fallback = std::int64_t{256 << 10},
     .meaning = "bytes that may wait on either side of this layer",
     .least = 32 << 10,
     .most = 64 << 20},
};

std::unexpected<Error> refuse(std::string_view option, std::string_view value, std::string_view why) {
  return fail(Reason::configuration, std::format("found {}='{}', {}", option, value, why), 0, kLayer);
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> list;
  for (const auto word : std::views::split(text, ' ')) {
    if (!word.empty()) list.emplace_back(word.begin(), word.end());
  }
  return list;
}

Result<std::string> read_file(std::string_view option, std::string_view path) {
  std::ifstream in{std::string(path), std::ios::binary};
  std::string text{std::istreambuf_iterator<char>(in), {}};
  if (!in.is_open()) return refuse(option, path, "which cannot be opened");
  if (text.empty()) return refuse(option, path, "which is empty");
  return text;
}

/// One PEM block.
struct Block {
  std::string label;
  std::vector<std::uint8_t> der;
};

Result<std::vector<Block>> read_pem(std::string_view option, std::string_view path) try {
  auto text = read_file(option, path);
  if (!text) return fail(std::move(text));
  Botan::DataSource_Memory source(*text);
  std::vector<Block> blocks;
  while (!source.end_of_data() && Botan::PEM_Code::matches(source, "", text->size())) {
    Block block;
    const auto der = Botan::PEM_Code::decode(source, block.label);
    block.der.assign(der.begin(), der.end());
    blocks.push_back(std::move(block));
  }
  if (blocks.empty()) return refuse(option, path, "expected PEM (-----BEGIN …)");
  return blocks;
} catch (const std::exception& thrown) {
  return refuse(option, path, std::format("which is no good PEM: {}", thrown.what()));
}

bool is_certificate(const Block& block) { return block.label.ends_with("CERTIFICATE"); }

Result<void> read_anchors(Settings& settings, std::string_view path) try {
  if (path == "system") {
    settings.anchors_name = "webpki";
    return {};
  }
  auto blocks = read_pem("trust", path);
  if (!blocks) return fail(std::move(blocks));
  settings.anchors = std::make_shared<Botan::Certificate_Store_In_Memory>();
  std::vector<std::vector<std::uint8_t>> all;
  for (const Block& block : *blocks) {
    if (!is_certificate(block)) return refuse("trust", path, "expected CERTIFICATE, found " + block.label);
    settings.anchors->add_certificate(Botan::X509_Certificate(block.der));
    all.push_back(block.der);
  }
  std::ranges::sort(all);  // the order in the file means nothing
  const auto hash = Botan::HashFunction::create_or_throw("SHA-256");
  for (const auto& der : all) hash->update(der);
  settings.anchors_name = "anchors:" + Botan::hex_encode(hash->final(), false).substr(0, 16);
  return {};
} catch (const std::exception& thrown) {
  return refuse("trust", path, std::format("with a certificate that cannot be read: {}", thrown.what()));
}

Result<void> read_identity(Settings& settings, std::string_view certificate, std::string_view key) try {
  if (certificate.empty() && key.empty()) return {};
  if (certificate.empty()) return refuse("key", key, "expected option certificate as well");
  if (key.empty()) return refuse("certificate", certificate, "expected option key as well");
  auto blocks = read_pem("certificate", certificate);
  if (!blocks) return fail(std::move(blocks));
  Identity identity;
  std::unique_ptr<Botan::Public_Key> shown;
  for (const Block& block : *blocks) {
    if (is_certificate(block)) {
      const Botan::X509_Certificate parsed(block.der);
      if (!shown) shown = parsed.subject_public_key();
    } else if (block.label == "PUBLIC KEY" && blocks->size() == 1) {
      shown = Botan::X509::load_key(block.der);
    } else {
      return refuse("certificate", certificate, "expected CERTIFICATE or one PUBLIC KEY, found " + block.label);
    }
    identity.chain.push_back(to_der(block.der));
  }
  auto text = read_file("key", key);
  if (!text) return fail(std::move(text));
  Botan::DataSource_Memory source(*text);
  const auto secret = Botan::PKCS8::load_key(source);
  if (secret->subject_public_key() != shown->subject_public_key()) {
    return refuse("key", key, std::format("which does not belong to the certificate in '{}'", certificate));
  }
  identity.private_key = to_der(Botan::PKCS8::BER_encode(*secret));
  settings.identity = std::move(identity);
  return {};
} catch (const std::exception& thrown) {
  return refuse("key", key, std::format("or '{}' cannot be read: {}", certificate, thrown.what()));
}

Result<void> read_pins(Settings& settings, std::string_view path) try {
  if (path.empty()) return {};
  auto blocks = read_pem("pins", path);
  if (!blocks) return fail(std::move(blocks));
  for (const Block& block : *blocks) {
    if (is_certificate(block)) {
      settings.pinned.push_back(to_der(Botan::X509_Certificate(block.der).subject_public_key_info()));
    } else if (block.label == "PUBLIC KEY") {
      settings.pinned.push_back(to_der(block.der));
    } else {
      return refuse("pins", path, "expected PUBLIC KEY or CERTIFICATE, found " + block.label);
    }
  }
  return {};
} catch (const std::exception& thrown) {
  return refuse("pins", path, std::format("with a certificate that cannot be read: {}", thrown.what()));
}

Result<void> read_crls(Settings& settings, std::string_view path) try {
  if (path.empty()) return {};
  auto blocks = read_pem("crl", path);
  if (!blocks) return fail(std::move(blocks));
  settings.crls = std::make_shared<Botan::Certificate_Store_In_Memory>();
  for (const Block& block : *blocks) settings.crls->add_crl(Botan::X509_CRL(block.der));
  return {};
} catch (const std::exception& thrown) {
  return refuse("crl", path, std::format("with a list that cannot be read: {}", thrown.what()));
}

Result<void> read_preshared_keys(Settings& settings, std::string_view path) {
  if (path.empty()) return {};
  auto text = read_file("preshared-keys", path);
  if (!text) return fail(std::move(text));
  std::istringstream lines(*text);
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    const auto words = words_of(line);
    if (words.empty()) continue;
    const auto bad = [&](std::string_view what) {
      return refuse("preshared-keys", path, std::format("line {}: {}", number, what));
    };
    if (words.size() != 3) return bad("expected IDENTITY SHA-256|SHA-384 HEX");
    if (words[1] != "SHA-256" && words[1] != "SHA-384") return bad("expected SHA-256 or SHA-384 as the second word");
    try {
      const auto key = Botan::hex_decode(words[2], false);
      if (key.size() < 16) return bad("expected a key of at least 16 bytes");
      settings.preshared_keys.push_back({.identity = words[0], .hash = words[1], .key = to_der(key)});
    } catch (const std::exception&) {
      return bad("expected the key in hexadecimal");
    }
  }
  return {};
}

Result<void> read_ticket_key(Settings& settings, std::string_view path) {
  if (path.empty()) {
    settings.ticket_key = Botan::system_rng().random_vec<Botan::secure_vector<std::uint8_t>>(32);
    return {};
  }
  auto text = read_file("ticket-key", path);
  if (!text) return fail(std::move(text));
  if (text->size() != 32) {
    return refuse("ticket-key", path, std::format("which has {} bytes, expected 32", text->size()));
  }
  settings.ticket_key.assign(text->begin(), text->end());
  return {};
}

Result<void> read_ocsp(Settings& settings, std::string_view path) {
  if (path.empty()) return {};
  auto text = read_file("ocsp-response", path);
  if (!text) return fail(std::move(text));
  settings.ocsp_response.assign(text->begin(), text->end());
  return {};
}

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

template <class Table>
std::unexpected<Error> unknown(std::string_view what, std::string_view name, const Table& table) {
  std::string known;
  for (const auto& entry : table) {
    const auto& [first, second] = entry;
    known += (known.empty() ? "" : ", ") + std::string(first);
  }
  return fail(Reason::unsupported, std::format("found {} '{}', expected one of {}", what, name, known), 0, kLayer);
}

}  // namespace

std::span<const OptionSpec> tls_options() noexcept { return kOptions; }

Result<std::vector<Botan::TLS::Group_Params>> read_groups(std::span<const std::string> names) {
  std::vector<Botan::TLS::Group_Params> groups;
  for (const std::string& name : names) {
    const auto* const found = std::ranges::find(kGroups, name, &Name::name);
    if (found == std::end(kGroups)) return unknown("key exchange group", name, kGroups);
    groups.push_back(*Botan::TLS::Group_Params::from_string(found->library));
  }
  return groups;
}

Result<std::vector<std::string>> read_ciphers(std::span<const std::string> names) {
  std::vector<std::string> ciphers;
  for (const std::string& name : names) {
    const auto* const found = std::ranges::find(kCiphers, name, &Name::name);
    if (found == std::end(kCiphers)) return unknown("cipher suite", name, kCiphers);
    ciphers.emplace_back(found->library);
  }
  return ciphers;
}

Result<std::vector<Botan::TLS::Signature_Scheme>> read_signatures(std::span<const std::string> names) {
  std::vector<Botan::TLS::Signature_Scheme> schemes;
  for (const std::string& name : names) {
    const auto* const found = std::ranges::find(kSignatures, name, &std::pair<std::string_view, std::uint16_t>::first);
    if (found == std::end(kSignatures)) return unknown("signature algorithm", name, kSignatures);
    schemes.emplace_back(found->second);
  }
  return schemes;
}

Result<Settings> Settings::from(const Options& options) {
  Settings s;
  if (options.text("minimum-version") == "1.2") s.version_floor = 0x0303;
  if (auto done = read_anchors(s, options.text("trust")); !done) return fail(std::move(done));
  if (auto done = read_identity(s, options.text("certificate"), options.text("key")); !done) {
    return fail(std::move(done));
  }
  if (auto done = read_pins(s, options.text("pins")); !done) return fail(std::move(done));
  if (auto done = read_crls(s, options.text("crl")); !done) return fail(std::move(done));
  if (auto done = read_preshared_keys(s, options.text("preshared-keys")); !done) return fail(std::move(done));
  if (auto done = read_ticket_key(s, options.text("ticket-key")); !done) return fail(std::move(done));
  if (auto done = read_ocsp(s, options.text("ocsp-response")); !done) return fail(std::move(done));
  auto groups = read_groups(words_of(options.text("groups")));
  auto ciphers = read_ciphers(words_of(options.text("ciphers")));
  auto signatures = read_signatures(words_of(options.text("signatures")));
  if (!groups) return refuse("groups", options.text("groups"), groups.error().detail);
  if (!ciphers) return refuse("ciphers", options.text("ciphers"), ciphers.error().detail);
  if (!signatures) return refuse("signatures", options.text("signatures"), signatures.error().detail);
  s.algorithms = {std::move(*groups), std::move(*ciphers), std::move(*signatures)};
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
  s.key_log = options.flag("key-log");
  s.window = static_cast<std::size_t>(options.number("window-bytes"));
  return s;
}

}  // namespace trellis::tls
