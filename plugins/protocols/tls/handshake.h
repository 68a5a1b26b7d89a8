// handshake.h: Botan runs the handshake. It is fed one record at a time, so that not a byte behind the handshake
// enters it; then the traffic secrets leave it for our own records.
//
// The library asks synchronously whether it trusts the peer. Where the application answers later, our last flight is
// held back until then: the peer sees no proof of ours and no Finished before the answer.
#pragma once
#include <botan/tls_callbacks.h>
#include <botan/tls_channel.h>
#include <botan/tls_extensions.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "credentials.h"
#include "loop_random.h"
#include "record/record_sealer.h"
#include "security/peer_check.h"
#include "ticket_seal.h"
#include "ticket_store.h"
#include "trellis/protocol.h"

namespace trellis::tls {

/// What both sides have agreed upon.
struct Agreed {
  std::uint16_t version = 0;  ///< 0x0304 is TLS 1.3
  std::uint16_t suite = 0;    ///< number of the cipher suite
  std::string suite_name, group, alpn, peer;
  bool resumed = false;
};

/// What the keys of a DTLS 1.2 association come from (RFC 5246 section 6.3). Wiped when they go, never printed.
struct MasterSecret {
  Botan::secure_vector<std::uint8_t> secret;
  std::vector<std::uint8_t> client_random, server_random;
};

/// Extensions of a protocol that stands on this handshake (TCPLS). What is wrong is thrown as a TLS_Exception of Botan.
class HandshakeExtras {
 public:
  /// Our message `type` is about to be made.
  virtual void modify(Botan::TLS::Extensions& extensions, Botan::TLS::Handshake_Type type) = 0;
  /// The peer's message `type` was read.
  virtual void examine(const Botan::TLS::Extensions& extensions, Botan::TLS::Handshake_Type type) = 0;

 protected:
  ~HandshakeExtras() = default;
};

class Handshake final : private Botan::TLS::Callbacks {
 public:
  /// `settings` and `extras` outlive it.
  Handshake(LayerHost& host, const Settings& settings, std::shared_ptr<Credentials> credentials,
            HandshakeExtras* extras = nullptr);
  ~Handshake() override;

  /// Makes the channel; a client's first flight is in output() then. `client_address`: what the cookies of a DTLS
  /// server are bound to.
  Result<void> begin(const OpenArgs& args, std::string client_address = {});
  /// Takes one whole record. An Error: it has failed, and what the peer shall hear of it is in output().
  Result<void> feed(std::span<const std::uint8_t> record) noexcept;
  bool complete() const { return channel_->is_handshake_complete(); }
  /// The peer's close_notify came (TLS 1.2).
  bool peer_closed() const noexcept { return peer_closed_; }

  /// Bytes for the peer.
  std::vector<std::uint8_t>& output() noexcept { return output_; }
  /// The peer has shown itself and the application wants to be asked: nothing is fed or sent before its answer.
  bool must_ask() const;
  /// Asks it. Precondition: must_ask().
  std::unique_ptr<Security::Question> ask(Security::Answer answer);
  /// Puts in output() what the peer hears instead of our held flight when the application refuses it.
  void refuse() noexcept;

  const Agreed& agreed() const noexcept { return agreed_; }
  const std::string& peer_name() const noexcept { return peer_name_; }

  // After a handshake of TLS 1.3:
  Result<TrafficSecret> sending() const { return secret_of(server_ ? server_secret_ : client_secret_); }
  Result<TrafficSecret> receiving() const { return secret_of(server_ ? client_secret_ : server_secret_); }
  /// Records that were sealed with the sending secret already: a server's tickets.
  std::uint64_t records_sent() const noexcept { return tickets_sent_; }
  /// More tickets would be kept; if not, nothing behind the handshake needs this object.
  bool wants_tickets() const noexcept;
  /// What a handshake record of the server held behind the handshake: tickets.
  Result<void> tickets(Slice&& payload) noexcept;

  // With datagrams:
  /// Puts our last flight in output() once more, with records of new numbers.
  void repeat() noexcept;
  /// After the handshake.
  const MasterSecret& master_secret() const noexcept { return master_secret_; }

  // After a handshake of TLS 1.2, whose records the channel makes:
  Result<void> send(std::span<const std::uint8_t> data) noexcept;
  void close() noexcept;
  std::vector<std::uint8_t>& received() noexcept { return received_; }

 private:
  void tls_emit_data(std::span<const std::uint8_t> data) override;
  void tls_record_received(std::uint64_t sequence, std::span<const std::uint8_t> data) override;
  void tls_alert(Botan::TLS::Alert alert) override;
  bool tls_peer_closed_connection() override { return false; }
  void tls_session_established(const Botan::TLS::Session_Summary& summary) override;
  bool tls_should_persist_resumption_information(const Botan::TLS::Session& session) override;
  void tls_verify_cert_chain(const std::vector<Botan::X509_Certificate>& chain,
                             const std::vector<std::optional<Botan::OCSP::Response>>& ocsp,
                             const std::vector<Botan::Certificate_Store*>& anchors, Botan::Usage_Type usage,
                             std::string_view host, const Botan::TLS::Policy& policy) override;
  void tls_verify_raw_public_key(const Botan::Public_Key& key, Botan::Usage_Type usage, std::string_view host,
                                 const Botan::TLS::Policy& policy) override;
  std::vector<std::uint8_t> tls_provide_cert_status(const std::vector<Botan::X509_Certificate>& chain,
                                                    const Botan::TLS::Certificate_Status_Request& request) override;
  std::vector<std::uint8_t> tls_sign_message(const Botan::Private_Key& key, Botan::RandomNumberGenerator& random,
                                             std::string_view padding, Botan::Signature_Format format,
                                             const std::vector<std::uint8_t>& message) override;
  std::string tls_peer_network_identity() override { return client_address_; }
  std::string tls_server_choose_app_protocol(const std::vector<std::string>& offered) override;
  std::chrono::system_clock::time_point tls_current_timestamp() override;
  void tls_modify_extensions(Botan::TLS::Extensions& extensions, Botan::TLS::Connection_Side side,
                             Botan::TLS::Handshake_Type type) override;
  void tls_examine_extensions(const Botan::TLS::Extensions& extensions, Botan::TLS::Connection_Side side,
                              Botan::TLS::Handshake_Type type) override;
  void tls_inspect_handshake_msg(const Botan::TLS::Handshake_Message& message) override;
  void tls_ssl_key_log_data(std::string_view label, std::span<const std::uint8_t> client_random,
                            std::span<const std::uint8_t> secret) const override;

  using Secret = Botan::secure_vector<std::uint8_t>;
  Result<void> run(std::span<const std::uint8_t> record) noexcept;
  void judge(std::optional<Error> refusal);
  security::PeerCheck check() const;
  Result<TrafficSecret> secret_of(const Secret& secret) const;

  LayerHost& host_;
  const Settings& settings_;
  std::shared_ptr<Credentials> credentials_;
  HandshakeExtras* extras_;  // null: none
  LoopRandom random_;
  std::shared_ptr<TicketStore> store_;  // of a client's tickets
  std::unique_ptr<Botan::TLS::Channel> channel_;
  std::unique_ptr<RecordSealer> to_channel_;  // seals a client's tickets again for the channel
  std::vector<std::uint8_t> output_, received_;
  std::vector<std::string> alpn_;
  std::string peer_name_, client_address_;
  std::vector<Botan::X509_Certificate> peer_certificates_;  // good or bad
  std::optional<Error> refusal_, alert_;
  mutable MasterSecret master_secret_;
  mutable Secret client_handshake_, client_secret_, server_secret_;
  Agreed agreed_;
  CipherSuite suite_{};  // known before the rest
  std::uint64_t tickets_sent_ = 0;
  bool server_ = false;
  bool peer_shown_ = false;  // a certificate or key, now or when the resumed session began
  bool peer_valid_ = true;   // what the usual check said
  bool peer_closed_ = false;
};

}  // namespace trellis::tls
