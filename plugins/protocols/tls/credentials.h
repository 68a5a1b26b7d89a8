// credentials.h: keys, certificates, trust anchors and algorithms of one side, parsed once for many connections.
#pragma once
#include <botan/credentials_manager.h>
#include <botan/pk_keys.h>
#include <botan/tls_external_psk.h>
#include <botan/tls_policy.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "security/credentials_cache.h"
#include "security/peer_trust.h"
#include "ticket_seal.h"
#include "tls_settings.h"

namespace trellis::tls {

/// What Security and the options of the layer say, in the library's words. Immutable; shared by loops.
class Credentials final : public Botan::Credentials_Manager {
 public:
  /// An identity of ours: a chain, or a raw key when the chain is empty.
  struct Own {
    std::vector<Botan::X509_Certificate> chain;
    std::shared_ptr<Botan::Public_Key> public_key;
    std::shared_ptr<Botan::Private_Key> key;
    std::function<Result<Der>(std::string_view, std::span<const std::byte>)> sign;  ///< for keys in hardware
  };

  /// Errors: what cannot be parsed or does not fit together.
  static Result<std::shared_ptr<Credentials>> make(const Settings& settings, const Security& security, bool server);
  static bool says_nothing(const Security& s) { return security::says_nothing(s); }

  const std::shared_ptr<Botan::TLS::Policy>& policy() const noexcept { return policy_; }
  /// Whom the peer must prove to be.
  const security::PeerTrust& trust() const noexcept { return trust_; }
  /// A server's tickets; null: a client's.
  const std::shared_ptr<TicketSeal>& ticket_seal() const noexcept { return ticket_seal_; }
  /// Who signs for this key; null: the library does.
  const Own* signer(const Botan::Private_Key& key) const;
  /// Tells sessions that were authenticated by different rules apart.
  const std::string& fingerprint() const noexcept { return fingerprint_; }

  std::vector<Botan::Certificate_Store*> trusted_certificate_authorities(const std::string& type,
                                                                         const std::string& context) override;
  std::vector<Botan::X509_Certificate> find_cert_chain(const std::vector<std::string>& key_types,
                                                       const std::vector<Botan::AlgorithmIdentifier>& schemes,
                                                       const std::vector<Botan::X509_DN>& authorities,
                                                       const std::string& type, const std::string& context) override;
  std::shared_ptr<Botan::Public_Key> find_raw_public_key(const std::vector<std::string>& key_types,
                                                         const std::string& type, const std::string& context) override;
  std::shared_ptr<Botan::Private_Key> private_key_for(const Botan::X509_Certificate& certificate,
                                                      const std::string& type, const std::string& context) override;
  std::shared_ptr<Botan::Private_Key> private_key_for(const Botan::Public_Key& key, const std::string& type,
                                                      const std::string& context) override;
  Botan::secure_vector<std::uint8_t> dtls_cookie_secret() override;
  std::vector<Botan::TLS::ExternalPSK> find_preshared_keys(std::string_view host, Botan::TLS::Connection_Side side,
                                                           const std::vector<std::string>& identities,
                                                           const std::optional<std::string>& hash) override;

 private:
  Credentials(const Settings& settings, bool server) : settings_(settings), server_(server) {
    if (server) ticket_seal_ = std::make_shared<TicketSeal>(settings.ticket_key);
  }
  Result<void> add(const Identity& identity);
  Result<void> read_algorithms(const Security& security);
  void mark(const Security& security);

  const Settings& settings_;
  bool server_;
  std::shared_ptr<TicketSeal> ticket_seal_;
  std::vector<Own> own_;
  security::PeerTrust trust_;
  std::vector<PresharedKey> preshared_keys_;
  std::shared_ptr<Botan::TLS::Policy> policy_;
  std::string fingerprint_;
};

using CredentialsCache = security::CredentialsCache<Credentials, Settings>;

}  // namespace trellis::tls
