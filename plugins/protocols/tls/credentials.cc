#include "credentials.h"

#include <botan/certstor_system.h>
#include <botan/hash.h>
#include <botan/hex.h>
#include <botan/pkcs8.h>
#include <botan/pkix_types.h>
#include <botan/x509_key.h>

#include <algorithm>
#include <format>

#include "hardware_key.h"
#include "tls_error.h"
#include "tls_policy.h"

namespace trellis::tls {
namespace {

constexpr std::size_t kCacheMost = 64;

std::unexpected<Error> unusable(std::string detail) {
  return std::unexpected(make_error(Reason::configuration, Code::identity, std::move(detail)));
}

/// The anchors of this system, read once per process when a connection first needs them.
Result<Botan::Certificate_Store*> system_anchors() try {
  static Botan::System_Certificate_Store store;
  return &store;
} catch (const std::exception& thrown) {
  return unusable(std::format("the system's trust anchors cannot be read: {}", thrown.what()));
}

bool is_certificate(const Der& der, std::vector<Botan::X509_Certificate>& into) try {
  into.emplace_back(octets(der).data(), der.size());
  return true;
} catch (const std::exception&) {
  return false;
}

bool says_nothing(const Security& s) {
  return s.server_identities.empty() && s.client_identities.empty() && s.trusted.empty() && s.pinned.empty() &&
         s.preshared_keys.empty() && s.groups.empty() && s.ciphers.empty() && s.signatures.empty() &&
         s.version_floor == Security{}.version_floor;
}

}  // namespace

Result<std::shared_ptr<Credentials>> Credentials::make(const Settings& settings, const Security& security,
                                                       bool server) try {
  std::shared_ptr<Credentials> made(new Credentials(settings, server));
  const auto& identities = server ? security.server_identities : security.client_identities;
  for (const Identity& identity : identities) {
    if (auto done = made->add(identity); !done) return fail(std::move(done));
  }
  if (identities.empty() && settings.identity) {
    if (auto done = made->add(*settings.identity); !done) return fail(std::move(done));
  }
  made->pinned_ = security.pinned.empty() ? settings.pinned : security.pinned;
  made->preshared_keys_ = security.preshared_keys.empty() ? settings.preshared_keys : security.preshared_keys;
  if (server && made->own_.empty() && made->preshared_keys_.empty()) {
    return unusable(
        "a server needs a certificate and its key (options certificate and key, or "
        "Security::server_identities) or a preshared key, found none");
  }
  if (auto done = made->read_trust(security); !done) return fail(std::move(done));
  if (auto done = made->read_algorithms(security); !done) return fail(std::move(done));
  made->mark(security);
  return made;
} catch (const std::exception& thrown) {
  return unusable(std::format("the security parameters cannot be used: {}", thrown.what()));
}

Result<void> Credentials::add(const Identity& identity) {
  Own own;
  if (identity.chain.empty()) return unusable("an identity has no certificate and no public key");
  for (const Der& der : identity.chain) {
    if (is_certificate(der, own.chain)) continue;
    if (identity.chain.size() > 1) return unusable("a certificate of our chain cannot be read");
    own.public_key = Botan::X509::load_key(octets(der));
  }
  if (!own.chain.empty()) own.public_key = own.chain.front().subject_public_key();
  if (!identity.private_key.empty()) {
    own.key = Botan::PKCS8::load_key(octets(identity.private_key));
    if (own.key->subject_public_key() != own.public_key->subject_public_key()) {
      return unusable("our private key does not belong to our certificate");
    }
  } else if (identity.sign) {
    own.key = std::make_shared<HardwareKey>(own.public_key);
    own.sign = identity.sign;
  } else {
    return unusable("an identity has neither a private key nor a signing function");
  }
  own_.push_back(std::move(own));
  return {};
}

Result<void> Credentials::read_trust(const Security& security) {
  if (!security.trusted.empty()) {
    for (const Der& der : security.trusted) {
      std::vector<Botan::X509_Certificate> parsed;
      if (!is_certificate(der, parsed)) return unusable("a trust anchor cannot be read as a certificate");
      given_anchors_.add_certificate(parsed.front());
    }
    anchors_.push_back(&given_anchors_);
    anchors_are_private_ = true;
  } else if (settings_.anchors) {
    anchors_.push_back(settings_.anchors.get());
    anchors_are_private_ = true;
  } else if (!server_ || settings_.client_certificate != ClientCertificate::none) {
    auto system = system_anchors();
    if (!system) return fail(std::move(system));
    anchors_.push_back(*system);
  }
  if (settings_.crls) anchors_.push_back(settings_.crls.get());
  return {};
}

Result<void> Credentials::read_algorithms(const Security& security) {
  Algorithms algorithms = settings_.algorithms;
  if (!security.groups.empty()) {
    auto groups = read_groups(security.groups);
    if (!groups) return fail(std::move(groups));
    algorithms.groups = std::move(*groups);
  }
  if (!security.ciphers.empty()) {
    auto ciphers = read_ciphers(security.ciphers);
    if (!ciphers) return fail(std::move(ciphers));
    algorithms.ciphers = std::move(*ciphers);
  }
  if (!security.signatures.empty()) {
    auto signatures = read_signatures(security.signatures);
    if (!signatures) return fail(std::move(signatures));
    algorithms.signatures = std::move(*signatures);
  }
  // The stricter of policy and application: neither weakens the other.
  const std::uint16_t floor = std::max(settings_.version_floor, security.version_floor);
  if (floor > 0x0304) {
    return std::unexpected(make_error(Reason::unsupported, Code::nothing_in_common,
                                      std::format("a TLS version of at least {:#06x} is asked for, the newest here is "
                                                  "TLS 1.3",
                                                  floor)));
  }
  policy_ = std::make_shared<TlsPolicy>(settings_, std::move(algorithms), floor, server_, settings_.raw_public_keys);
  return {};
}

void Credentials::mark(const Security& security) {
  const auto hash = Botan::HashFunction::create_or_throw("SHA-256");
  const auto add = [&](std::span<const std::byte> bytes) {
    hash->update_be(static_cast<std::uint64_t>(bytes.size()));
    hash->update(octets(bytes));
  };
  add(std::as_bytes(std::span(settings_.anchors_name)));
  for (const Der& der : security.trusted) add(der);
  for (const Der& der : pinned_) add(der);
  for (const Own& own : own_) hash->update(own.public_key->subject_public_key());
  hash->update(security.verify ? 1 : 0);
  fingerprint_ = Botan::hex_encode(hash->final(), false).substr(0, 16);
}

bool Credentials::pins_fit(std::span<const std::uint8_t> key) const {
  return pinned_.empty() ||
         std::ranges::any_of(pinned_, [key](const Der& pin) { return std::ranges::equal(octets(pin), key); });
}

const Credentials::Own* Credentials::signer(const Botan::Private_Key& key) const {
  const auto found = std::ranges::find_if(own_, [&](const Own& own) { return own.key.get() == &key && own.sign; });
  return found == own_.end() ? nullptr : &*found;
}

// A server that names authorities asks its clients for a certificate.
std::vector<Botan::Certificate_Store*> Credentials::trusted_certificate_authorities(const std::string&,
                                                                                    const std::string&) {
  if (server_ && (settings_.client_certificate == ClientCertificate::none || !anchors_are_private_)) return {};
  return anchors_;
}

std::vector<Botan::X509_Certificate> Credentials::find_cert_chain(const std::vector<std::string>& key_types,
                                                                  const std::vector<Botan::AlgorithmIdentifier>&,
                                                                  const std::vector<Botan::X509_DN>&,
                                                                  const std::string& type, const std::string& context) {
  const Own* first = nullptr;
  for (const Own& own : own_) {
    if (own.chain.empty() || !std::ranges::contains(key_types, own.public_key->algo_name())) continue;
    if (first == nullptr) first = &own;
    if (type == "tls-server" && !context.empty() && own.chain.front().matches_dns_name(context)) return own.chain;
  }
  return first == nullptr ? std::vector<Botan::X509_Certificate>() : first->chain;
}

std::shared_ptr<Botan::Public_Key> Credentials::find_raw_public_key(const std::vector<std::string>& key_types,
                                                                    const std::string&, const std::string&) {
  for (const Own& own : own_) {
    if (std::ranges::contains(key_types, own.public_key->algo_name())) return own.public_key;
  }
  return nullptr;
}

std::shared_ptr<Botan::Private_Key> Credentials::private_key_for(const Botan::X509_Certificate& certificate,
                                                                 const std::string&, const std::string&) {
  for (const Own& own : own_) {
    if (!own.chain.empty() && own.chain.front() == certificate) return own.key;
  }
  return nullptr;
}

std::shared_ptr<Botan::Private_Key> Credentials::private_key_for(const Botan::Public_Key& key, const std::string&,
                                                                 const std::string&) {
  for (const Own& own : own_) {
    if (own.public_key->subject_public_key() == key.subject_public_key()) return own.key;
  }
  return nullptr;
}

std::vector<Botan::TLS::ExternalPSK> Credentials::find_preshared_keys(std::string_view, Botan::TLS::Connection_Side,
                                                                      const std::vector<std::string>& identities,
                                                                      const std::optional<std::string>& hash) {
  std::vector<Botan::TLS::ExternalPSK> found;
  for (const PresharedKey& psk : preshared_keys_) {
    if (!identities.empty() && !std::ranges::contains(identities, psk.identity)) continue;
    if (hash && *hash != psk.hash) continue;
    const auto key = octets(psk.key);
    found.emplace_back(psk.identity, psk.hash, Botan::secure_vector<std::uint8_t>(key.begin(), key.end()));
  }
  return found;
}

Result<std::shared_ptr<Credentials>> CredentialsCache::get(const Security& security, bool server) {
  if (security.id == 0 && !says_nothing(security)) return Credentials::make(settings_, security, server);
  const std::lock_guard lock(mutex_);
  const auto key = std::pair(security.id, server);
  if (const auto found = parsed_.find(key); found != parsed_.end()) return found->second;
  auto made = Credentials::make(settings_, security, server);
  if (!made) return made;
  if (parsed_.size() >= kCacheMost) parsed_.clear();
  parsed_.emplace(key, *made);
  return made;
}

}  // namespace trellis::tls
