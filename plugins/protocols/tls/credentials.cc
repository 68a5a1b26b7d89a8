#include "credentials.h"

#include <botan/mac.h>
#include <botan/pkcs8.h>
#include <botan/pkix_types.h>
#include <botan/x509_key.h>

#include <algorithm>
#include <format>

#include "hardware_key.h"
#include "security/peer_check.h"
#include "tls_error.h"
#include "tls_policy.h"

namespace trellis::tls {
namespace {

std::unexpected<Error> unusable(std::string detail) {
  return std::unexpected(make_error(Reason::configuration, Code::identity, std::move(detail)));
}

bool is_certificate(const Der& der, std::vector<Botan::X509_Certificate>& into) try {
  into.emplace_back(octets(der).data(), der.size());
  return true;
} catch (const std::exception&) {
  return false;
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
  made->preshared_keys_ = security.preshared_keys.empty() ? settings.preshared_keys : security.preshared_keys;
  if (server && made->own_.empty() && made->preshared_keys_.empty()) {
    return unusable(
        "a server needs a certificate and its key (options certificate and key, or "
        "Security::server_identities) or a preshared key, found none");
  }
  auto trust = security::PeerTrust::make(settings, security, server, kLayer);
  if (!trust) return fail(std::move(trust));
  made->trust_ = std::move(*trust);
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
  if (!can_sign(*own.public_key)) {
    return unusable(std::format("our key is an {} key, expected RSA or ECDSA", own.public_key->algo_name()));
  }
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

Result<void> Credentials::read_algorithms(const Security& security) {
  auto names = security::algorithms_of(settings_, security, kLayer);
  if (!names) return fail(std::move(names));
  auto floor = security::version_floor_of(settings_.version_floor, security, kLayer);
  if (!floor) return fail(std::move(floor));
  Algorithms algorithms = library_names(*names);
  if (settings_.datagrams && !algorithms.groups.empty() &&
      std::ranges::all_of(algorithms.groups, [](const auto& group) { return group.is_pqc_hybrid(); })) {
    return unusable("all groups that are asked for are those of TLS 1.3 alone, expected one that DTLS 1.2 has too");
  }
  policy_ = std::make_shared<TlsPolicy>(settings_, std::move(algorithms), *floor, server_);
  return {};
}

void Credentials::mark(const Security& security) {
  std::vector<Der> keys;
  keys.reserve(own_.size());
  for (const Own& own : own_) keys.push_back(to_der(own.public_key->subject_public_key()));
  fingerprint_ = trust_.fingerprint(security, keys);
}

const Credentials::Own* Credentials::signer(const Botan::Private_Key& key) const {
  const auto found = std::ranges::find_if(own_, [&](const Own& own) { return own.key.get() == &key && own.sign; });
  return found == own_.end() ? nullptr : &*found;
}

// A server that names authorities asks its clients for a certificate.
std::vector<Botan::Certificate_Store*> Credentials::trusted_certificate_authorities(const std::string&,
                                                                                    const std::string&) {
  if (server_ && (settings_.client_certificate == security::ClientCertificate::none || !trust_.anchors_are_given()))
    return {};
  return trust_.anchors();
}

std::vector<Botan::X509_Certificate> Credentials::find_cert_chain(const std::vector<std::string>& key_types,
                                                                  const std::vector<Botan::AlgorithmIdentifier>&,
                                                                  const std::vector<Botan::X509_DN>&,
                                                                  const std::string& type, const std::string& context) {
  const Own* first = nullptr;
  for (const Own& own : own_) {
    if (own.chain.empty() || !std::ranges::contains(key_types, own.public_key->algo_name())) continue;
    if (first == nullptr) first = &own;
    if (own_.size() == 1) break;  // whatever the name is
    if (type == "tls-server" && !context.empty() && security::is_for(own.chain.front(), context)) return own.chain;
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

// One that the servers of a fleet share, as they do their tickets, and that tells nothing of the tickets' key.
Botan::secure_vector<std::uint8_t> Credentials::dtls_cookie_secret() {
  if (!settings_.datagrams || !server_) return {};
  const auto mac = Botan::MessageAuthenticationCode::create_or_throw("HMAC(SHA-256)");
  mac->set_key(settings_.ticket_key);
  mac->update("dtls cookies");
  return mac->final();
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

}  // namespace trellis::tls
