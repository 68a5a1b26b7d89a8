// credentials.h: what Security and the options of the layer say, in the library's words: keys, certificates, and
// algorithms. Made once for many connections.
#pragma once
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>

#include <memory>
#include <string>
#include <vector>

#include "quic_settings.h"
#include "security/credentials_cache.h"
#include "security/peer_trust.h"

namespace trellis::quic {

/// The external key of a name that a client gives, for the library. Asks the owner of the session (tls_session.h).
int find_preshared_key(gnutls_session_t session, const gnutls_datum_t* name, gnutls_datum_t* key);

/// Frees what the library made.
struct LibraryFree {
  void operator()(gnutls_certificate_credentials_st* p) const noexcept { gnutls_certificate_free_credentials(p); }
  void operator()(gnutls_psk_client_credentials_st* p) const noexcept { gnutls_psk_free_client_credentials(p); }
  void operator()(gnutls_psk_server_credentials_st* p) const noexcept { gnutls_psk_free_server_credentials(p); }
  void operator()(gnutls_priority_st* p) const noexcept { gnutls_priority_deinit(p); }
};
template <class T>
using Owned = std::unique_ptr<T, LibraryFree>;

/// Immutable; shared by loops. The settings outlive it.
class Credentials {
 public:
  /// Errors: what cannot be read, does not fit together, or what the library cannot do.
  static Result<std::shared_ptr<const Credentials>> make(const Settings& settings, const Security& security,
                                                         bool server);
  static bool says_nothing(const Security& s) { return security::says_nothing(s) && s.alpn.empty(); }

  const security::PeerTrust& trust() const noexcept { return trust_; }
  /// Tells sessions that were authenticated by different rules apart.
  const std::string& fingerprint() const noexcept { return fingerprint_; }
  const PresharedKey* preshared_key(std::string_view identity) const noexcept;  ///< null: unknown
  bool asks_clients() const noexcept { return settings_.client_certificate != security::ClientCertificate::none; }
  /// Gives a new session all of this. Returns the library's error, or 0.
  int use_in(gnutls_session_t session) const noexcept;
  /// For tickets: other settings make other keys, so no ticket outlives what it promised. 64 bytes.
  gnutls_datum_t ticket_key() const noexcept;

 private:
  explicit Credentials(const Settings& settings, bool server) : settings_(settings), server_(server) {}
  Result<void> add(const Identity& identity);
  Result<void> add_certificates(const Identity& identity, gnutls_privkey_t key);
  Result<void> add_raw_key(const Identity& identity, gnutls_privkey_t key);
  Result<void> add_preshared_keys(const std::vector<PresharedKey>& keys);
  Result<void> set_priorities(const Security& security);
  void name_anchors(const Security& security) noexcept;
  void mark(const Security& security, const std::vector<std::string>& alpn);

  const Settings& settings_;
  bool server_;
  std::vector<Identity> own_;
  std::vector<PresharedKey> preshared_keys_;
  security::PeerTrust trust_;
  Owned<gnutls_certificate_credentials_st> certificates_;
  Owned<gnutls_psk_client_credentials_st> psk_client_;
  Owned<gnutls_psk_server_credentials_st> psk_server_;
  Owned<gnutls_priority_st> priorities_;
  std::string fingerprint_;
  mutable std::vector<std::uint8_t> ticket_key_;  // the library wants to be able to write
};

using CredentialsCache = security::CredentialsCache<const Credentials, Settings>;

}  // namespace trellis::quic
