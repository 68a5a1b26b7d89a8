#include "credentials.h"

#include <botan/hash.h>

#include <algorithm>
#include <format>

#include "algorithm_names.h"
#include "quic_error.h"

namespace trellis::quic {
namespace {

constexpr unsigned kChainMost = 16;

std::unexpected<Error> unusable(std::string detail) {
  return std::unexpected(security::make_error(kLayer, Reason::configuration, Code::identity, std::move(detail)));
}

gnutls_datum_t datum(std::span<const std::byte> bytes) noexcept {
  // The library takes what it only reads as if it could write.
  return {const_cast<std::uint8_t*>(octets(bytes).data()), static_cast<unsigned>(bytes.size())};
}

// ---- keys that somebody else holds: the library asks for signatures

int sign_elsewhere(gnutls_privkey_t, gnutls_sign_algorithm_t algorithm, void* own, unsigned, const gnutls_datum_t* data,
                   gnutls_datum_t* signature) {
  const auto& identity = *static_cast<const Identity*>(own);
  auto made = identity.sign(signature_name(algorithm), std::as_bytes(std::span(data->data, data->size)));
  if (!made || made->empty()) return GNUTLS_E_PK_SIGN_FAILED;
  signature->data = static_cast<std::uint8_t*>(gnutls_malloc(made->size()));
  if (signature->data == nullptr) return GNUTLS_E_MEMORY_ERROR;
  signature->size = static_cast<unsigned>(made->size());
  std::ranges::copy(octets(*made), signature->data);
  return 0;
}

/// What the library asks about such a key; it is told by the certificate.
int key_facts(gnutls_privkey_t, unsigned flags, void* own) {
  const auto& identity = *static_cast<const Identity*>(own);
  gnutls_pubkey_t key = nullptr;
  if (gnutls_pubkey_init(&key) != 0) return -1;
  const gnutls_datum_t leaf = datum(identity.chain.front());
  gnutls_x509_crt_t certificate = nullptr;
  int read = gnutls_x509_crt_init(&certificate);
  if (read == 0 && gnutls_x509_crt_import(certificate, &leaf, GNUTLS_X509_FMT_DER) == 0)
    read = gnutls_pubkey_import_x509(key, certificate, 0);
  else
    read = gnutls_pubkey_import(key, &leaf, GNUTLS_X509_FMT_DER);
  gnutls_x509_crt_deinit(certificate);
  unsigned bits = 0;
  const int algorithm = read == 0 ? gnutls_pubkey_get_pk_algorithm(key, &bits) : -1;
  int answer = -1;
  if (algorithm >= 0 && (flags & GNUTLS_PRIVKEY_INFO_PK_ALGO) != 0) answer = algorithm;
  if (algorithm >= 0 && (flags & GNUTLS_PRIVKEY_INFO_PK_ALGO_BITS) != 0) answer = static_cast<int>(bits);
  if (algorithm >= 0 && (flags & GNUTLS_PRIVKEY_INFO_HAVE_SIGN_ALGO) != 0) {
    const auto signs = static_cast<gnutls_sign_algorithm_t>(GNUTLS_FLAGS_TO_SIGN_ALGO(flags));
    answer = gnutls_sign_supports_pk_algorithm(signs, static_cast<gnutls_pk_algorithm_t>(algorithm)) != 0 &&
             !signature_name(signs).empty();
  }
  gnutls_pubkey_deinit(key);
  return answer;
}

Result<gnutls_privkey_t> private_key_of(const Identity& identity) {
  gnutls_privkey_t key = nullptr;
  if (gnutls_privkey_init(&key) != 0) return unusable("out of memory for a key");
  int done = 0;
  if (!identity.private_key.empty()) {
    const gnutls_datum_t der = datum(identity.private_key);
    done = gnutls_privkey_import_x509_raw(key, &der, GNUTLS_X509_FMT_DER, nullptr, GNUTLS_PKCS_PLAIN);
  } else if (identity.sign) {
    done = gnutls_privkey_import_ext4(key, const_cast<Identity*>(&identity), sign_elsewhere, nullptr, nullptr, nullptr,
                                      key_facts, 0);
  } else {
    gnutls_privkey_deinit(key);
    return unusable("an identity has neither a private key nor a signing function");
  }
  if (done == 0) return key;
  gnutls_privkey_deinit(key);
  return unusable(std::format("our private key cannot be used: {}", gnutls_strerror(done)));
}

}  // namespace

Result<std::shared_ptr<const Credentials>> Credentials::make(const Settings& settings, const Security& security,
                                                             bool server) try {
  std::shared_ptr<Credentials> made(new Credentials(settings, server));
  gnutls_certificate_credentials_t certificates = nullptr;
  if (gnutls_certificate_allocate_credentials(&certificates) != 0) return unusable("out of memory for credentials");
  made->certificates_.reset(certificates);
  made->own_ = server ? security.server_identities : security.client_identities;
  if (made->own_.empty() && settings.identity) made->own_.push_back(*settings.identity);
  for (const Identity& identity : made->own_) {
    if (auto done = made->add(identity); !done) return fail(std::move(done));
  }
  const auto& keys = security.preshared_keys.empty() ? settings.preshared_keys : security.preshared_keys;
  if (auto done = made->add_preshared_keys(keys); !done) return fail(std::move(done));
  if (server && made->own_.empty() && keys.empty()) {
    return unusable(
        "a server needs a certificate and its key (options certificate and key, or "
        "Security::server_identities) or a preshared key, found none");
  }
  auto trust = security::PeerTrust::make(settings, security, server, kLayer);
  if (!trust) return fail(std::move(trust));
  made->trust_ = std::move(*trust);
  if (server && made->asks_clients()) made->name_anchors(security);
  auto floor = security::version_floor_of(0x0304, security, kLayer);
  if (!floor) return fail(std::move(floor));
  if (auto done = made->set_priorities(security); !done) return fail(std::move(done));
  made->mark(security, security.alpn.empty() ? settings.alpn : security.alpn);
  return made;
} catch (const std::exception& thrown) {
  return unusable(std::format("the security parameters cannot be used: {}", thrown.what()));
}

Result<void> Credentials::add(const Identity& identity) {
  if (identity.chain.empty()) return unusable("an identity has no certificate and no public key");
  auto key = private_key_of(identity);
  if (!key) return fail(std::move(key));
  auto done = settings_.raw_public_keys ? add_raw_key(identity, *key) : add_certificates(identity, *key);
  if (!done) gnutls_privkey_deinit(*key);
  return done;
}

// The library takes the key over when it has accepted it.
Result<void> Credentials::add_certificates(const Identity& identity, gnutls_privkey_t key) {
  gnutls_pcert_st chain[kChainMost];
  unsigned count = 0;
  int done = 0;
  for (const Der& der : identity.chain) {
    if (count == kChainMost) return unusable(std::format("our chain has more than {} certificates", kChainMost));
    const gnutls_datum_t one = datum(der);
    done = gnutls_pcert_import_x509_raw(&chain[count], &one, GNUTLS_X509_FMT_DER, 0);
    if (done != 0) break;
    ++count;
  }
  if (done == 0)
    done = gnutls_certificate_set_key(certificates_.get(), nullptr, 0, chain, static_cast<int>(count), key);
  if (done >= 0 && !settings_.ocsp_response.empty() && server_) {
    const gnutls_datum_t response = datum(std::as_bytes(std::span(settings_.ocsp_response)));
    gnutls_certificate_set_ocsp_status_request_mem(certificates_.get(), &response, static_cast<unsigned>(done),
                                                   GNUTLS_X509_FMT_DER);
  }
  if (done >= 0) return {};
  for (unsigned i = 0; i < count; ++i) gnutls_pcert_deinit(&chain[i]);
  return unusable(std::format("our certificate or its key cannot be used: {}", gnutls_strerror(done)));
}

Result<void> Credentials::add_raw_key(const Identity& identity, gnutls_privkey_t key) {
  gnutls_pubkey_t shown = nullptr;
  gnutls_pcert_st raw{};
  int done = gnutls_pubkey_init(&shown);
  if (done == 0) done = gnutls_pubkey_import_privkey(shown, key, 0, 0);
  if (done != 0) {  // a key that is held elsewhere: what it shows is in the identity
    const gnutls_datum_t spki = datum(identity.chain.front());
    done = gnutls_pubkey_import(shown, &spki, GNUTLS_X509_FMT_DER);
  }
  if (done == 0) done = gnutls_pcert_import_rawpk(&raw, shown, 0);
  if (done == 0) done = gnutls_certificate_set_key(certificates_.get(), nullptr, 0, &raw, 1, key);
  if (done >= 0) return {};
  return unusable(std::format("our public key or its private key cannot be used: {}", gnutls_strerror(done)));
}

// The library's external keys go with SHA-256 only.
Result<void> Credentials::add_preshared_keys(const std::vector<PresharedKey>& keys) {
  for (const PresharedKey& key : keys) {
    if (key.hash == "SHA-256") preshared_keys_.push_back(key);
  }
  if (preshared_keys_.empty()) {
    if (keys.empty()) return {};
    return fail(Reason::unsupported, "found external keys for SHA-384 only, over QUIC they must be for SHA-256", 0,
                kLayer);
  }
  if (server_) {
    gnutls_psk_server_credentials_t made = nullptr;
    if (gnutls_psk_allocate_server_credentials(&made) != 0) return unusable("out of memory for keys");
    psk_server_.reset(made);
    gnutls_psk_set_server_credentials_function2(made, find_preshared_key);
    return {};
  }
  gnutls_psk_client_credentials_t made = nullptr;
  if (gnutls_psk_allocate_client_credentials(&made) != 0) return unusable("out of memory for keys");
  psk_client_.reset(made);
  const gnutls_datum_t name = datum(std::as_bytes(std::span(preshared_keys_.front().identity)));
  const gnutls_datum_t key = datum(preshared_keys_.front().key);
  if (const int done = gnutls_psk_set_client_credentials2(made, &name, &key, GNUTLS_PSK_KEY_RAW); done != 0)
    return unusable(std::format("the external key cannot be used: {}", gnutls_strerror(done)));
  return {};
}

const PresharedKey* Credentials::preshared_key(std::string_view identity) const noexcept {
  const auto found = std::ranges::find(preshared_keys_, identity, &PresharedKey::identity);
  return found == preshared_keys_.end() ? nullptr : &*found;
}

Result<void> Credentials::set_priorities(const Security& security) {
  auto names = security::algorithms_of(settings_, security, kLayer);
  if (!names) return fail(std::move(names));
  auto text = priorities_of(*names, !preshared_keys_.empty(), settings_.raw_public_keys);
  if (!text) return fail(std::move(text));
  const char* at = nullptr;
  gnutls_priority_t made = nullptr;
  if (const int done = gnutls_priority_init(&made, text->c_str(), &at); done != 0)
    return unusable(std::format("the security library refuses its priorities: {}", gnutls_strerror(done)));
  priorities_.reset(made);
  return {};
}

// Clients choose their certificate by the names of the authorities.
void Credentials::name_anchors(const Security& security) noexcept {
  for (const Der& der : security.trusted.empty() ? settings_.anchors : security.trusted) {
    const gnutls_datum_t one = datum(der);
    gnutls_certificate_set_x509_trust_mem(certificates_.get(), &one, GNUTLS_X509_FMT_DER);
  }
}

void Credentials::mark(const Security& security, const std::vector<std::string>& alpn) {
  std::vector<Der> shown;
  shown.reserve(own_.size());
  for (const Identity& identity : own_) shown.push_back(identity.chain.front());
  fingerprint_ = trust_.fingerprint(security, shown);
  const auto hash = Botan::HashFunction::create_or_throw("SHA-512");
  hash->update(settings_.ticket_key.data(), settings_.ticket_key.size());
  hash->update("trellis quic ticket " + fingerprint_);
  for (const std::string& protocol : alpn) hash->update("/" + protocol);
  for (const std::uint64_t limit : {settings_.streams_bidi, settings_.streams_uni, settings_.stream_window,
                                    settings_.window, std::uint64_t{settings_.datagrams}}) {
    hash->update_be(limit);
  }
  const auto key = hash->final();
  ticket_key_.assign(key.begin(), key.end());
}

gnutls_datum_t Credentials::ticket_key() const noexcept {
  return {ticket_key_.data(), static_cast<unsigned>(ticket_key_.size())};
}

int Credentials::use_in(gnutls_session_t session) const noexcept {
  if (const int done = gnutls_priority_set(session, priorities_.get()); done != 0) return done;
  if (psk_client_) gnutls_credentials_set(session, GNUTLS_CRD_PSK, psk_client_.get());
  if (psk_server_) gnutls_credentials_set(session, GNUTLS_CRD_PSK, psk_server_.get());
  return gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, certificates_.get());
}

}  // namespace trellis::quic
