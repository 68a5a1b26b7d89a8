// tls_session.h: the TLS 1.3 handshake of one connection. The library that does it is driven by ngtcp2; what it asks
// and tells comes here.
#pragma once
#include <gnutls/gnutls.h>
#include <ngtcp2/ngtcp2.h>
#include <ngtcp2/ngtcp2_crypto.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "credentials.h"
#include "late_messages.h"
#include "security/peer_check.h"
#include "trellis/protocol.h"

namespace trellis::quic {

class ReplayGuard;

/// What was agreed, for properties.
struct Agreed {
  std::string_view suite, group;
  std::string alpn;
  std::string peer;  ///< who it proved to be; empty: nobody was asked
  bool resumed = false;
};

class TlsSession {
 public:
  TlsSession(LayerHost& host, const Settings& settings, std::shared_ptr<const Credentials> credentials);
  ~TlsSession();
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  /// Sets the session up. Precondition for a server: `guard` outlives it.
  Result<void> begin(const OpenArgs& args, ReplayGuard* guard);
  gnutls_session_t native() const noexcept { return session_; }
  /// For ngtcp2, which finds the connection by it. Once the connection is made.
  void serve(ngtcp2_conn* connection) noexcept { connection_ = connection; }

  bool asks_clients() const noexcept { return server_ && credentials_->asks_clients(); }
  std::string peer_name() const;  ///< whom we talk to, for messages
  /// Transport parameters that the server promised to keep for early data; empty: there is no early data.
  std::span<const std::uint8_t> remembered() const noexcept { return remembered_; }
  bool early_data_accepted() const noexcept;  ///< once the handshake is complete
  /// Why the peer's certificate is refused; the handshake has failed then.
  const std::optional<Error>& refusal() const noexcept { return refusal_; }
  std::uint8_t refusal_alert() const;
  /// The application must be asked about the peer. Precondition for both: the handshake is complete.
  bool must_ask();
  std::unique_ptr<Security::Question> ask(Security::Answer answer);
  void send_tickets() noexcept;  ///< of a server, once the handshake is complete
  Agreed agreed() const;
  /// What came in CRYPTO frames. Returns the library's error, or 0.
  int take(ngtcp2_encryption_level level, std::uint64_t offset, std::span<const std::uint8_t> bytes) noexcept;
  /// Gives back what only a handshake needs, unless tickets are awaited. Once the handshake is confirmed; not from
  /// within a call to the library. What was agreed can still be asked.
  void let_go() noexcept;

 private:
  friend int find_preshared_key(gnutls_session_t, const gnutls_datum_t*, gnutls_datum_t*);
  static TlsSession& of(gnutls_session_t session) noexcept;
  static int verify(gnutls_session_t session);
  static int ticket_came(gnutls_session_t session, unsigned type, unsigned when, unsigned incoming,
                         const gnutls_datum_t* message);
  static int log_secret(gnutls_session_t session, const char* label, const gnutls_datum_t* secret);
  Result<void> begin_client(const OpenArgs& args);
  Result<void> begin_server(ReplayGuard* guard);
  Result<void> set_protocols(const OpenArgs& args);
  void take_ticket();
  void keep_ticket();
  bool awaits_tickets() const noexcept;
  int judge();
  bool shows_raw_key() const;
  std::vector<Der> shown() const;
  std::string ticket_detail() const;
  security::PeerCheck check(std::string_view peer) const;

  LayerHost& host_;
  const Settings& settings_;
  std::shared_ptr<const Credentials> credentials_;
  gnutls_session_t session_ = nullptr;  // null: it was let go
  ngtcp2_crypto_conn_ref reference_{};
  ngtcp2_conn* connection_ = nullptr;
  std::vector<std::string> alpn_;
  Address peer_address_{};
  std::string peer_name_;  // empty: it has none but its address
  std::vector<std::uint8_t> remembered_;
  std::optional<Error> refusal_;
  std::optional<Agreed> agreed_;  // once the session was let go
  LateMessages late_;
  unsigned tickets_kept_ = 0;
  bool server_ = false;
  bool peer_shown_ = false;
  bool peer_valid_ = true;
};

}  // namespace trellis::quic
