// tls_policy.h: what the library may negotiate.
#pragma once
#include <botan/tls_policy.h>

#include "record/record.h"
#include "tls_settings.h"

namespace trellis::tls {

/// The settings of the layer and the algorithms of the application as the library's policy.
class TlsPolicy final : public Botan::TLS::Policy {
 public:
  /// `settings` outlive it.
  TlsPolicy(const Settings& settings, Algorithms algorithms, std::uint16_t version_floor, bool server);

  bool allow_tls12() const override { return !settings_.datagrams && version_floor_ <= 0x0303; }
  bool allow_tls13() const override { return !settings_.datagrams; }
  bool allow_dtls12() const override { return settings_.datagrams; }
  // What TLS 1.3 has anyway, datagrams get by choice: AEADs, ephemeral keys, a master secret of the whole handshake.
  std::vector<std::string> allowed_macs() const override;
  std::vector<std::string> allowed_key_exchange_methods() const override;
  bool require_extended_master_secret() const override;
  std::size_t dtls_initial_timeout() const override { return 0; }  // the loop's clock decides when
  std::size_t dtls_maximum_timeout() const override { return 0; }
  std::size_t dtls_default_mtu() const override { return kLargestMessage; }  // whoever sends its records cuts them
  bool allow_ssl_key_log_file() const override { return true; }  // the way to the traffic secrets, not to a file
  std::vector<std::string> allowed_ciphers() const override { return algorithms_.ciphers; }
  std::vector<Botan::TLS::Group_Params> key_exchange_groups() const override { return algorithms_.groups; }
  std::vector<Botan::TLS::Group_Params> key_exchange_groups_to_offer() const override;
  std::vector<Botan::TLS::Signature_Scheme> allowed_signature_schemes() const override;
  std::vector<Botan::TLS::Signature_Scheme> acceptable_signature_schemes() const override {
    return allowed_signature_schemes();
  }
  void check_peer_key_acceptable(const Botan::Public_Key&) const override {}  // as below, with words for people
  bool require_cert_revocation_info() const override { return false; }        // peer_check.h decides
  bool support_cert_status_message() const override {
    return settings_.revocation != security::Revocation::off || server_;
  }
  bool request_client_certificate_authentication() const override;
  bool require_client_certificate_authentication() const override;
  std::vector<Botan::TLS::Certificate_Type> accepted_client_certificate_types() const override { return types_; }
  std::vector<Botan::TLS::Certificate_Type> accepted_server_certificate_types() const override { return types_; }
  std::chrono::seconds session_ticket_lifetime() const override;
  std::size_t new_session_tickets_upon_handshake_success() const override;
  std::size_t maximum_session_tickets_per_client_hello() const override { return 1; }
  bool reuse_session_tickets() const override { return false; }

 private:
  static constexpr std::size_t kLargestMessage = kPlaintextMax + 13;  // one record with its header
  const Settings& settings_;
  Algorithms algorithms_;
  std::vector<Botan::TLS::Certificate_Type> types_;
  std::uint16_t version_floor_;
  bool server_;
};

}  // namespace trellis::tls
