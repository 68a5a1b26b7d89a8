#include "tls_policy.h"

#include <algorithm>

namespace trellis::tls {
namespace {

using Botan::TLS::Certificate_Type;
using Botan::TLS::Group_Params;

Algorithms with_defaults(Algorithms algorithms, bool datagrams) {
  if (algorithms.ciphers.empty()) algorithms.ciphers = {"AES-128/GCM", "AES-256/GCM", "ChaCha20Poly1305"};
  if (algorithms.groups.empty()) {
    algorithms.groups = {Group_Params::HYBRID_X25519_ML_KEM_768, Group_Params::X25519, Group_Params::SECP256R1,
                         Group_Params::SECP384R1};
  }
  if (datagrams) std::erase_if(algorithms.groups, [](Group_Params g) { return g.is_pqc_hybrid(); });  // TLS 1.3 alone
  return algorithms;
}

}  // namespace

TlsPolicy::TlsPolicy(const Settings& settings, Algorithms algorithms, std::uint16_t version_floor, bool server)
    : settings_(settings),
      algorithms_(with_defaults(std::move(algorithms), settings.datagrams)),
      types_({settings.raw_public_keys ? Certificate_Type::RawPublicKey : Certificate_Type::X509}),
      version_floor_(version_floor),
      server_(server) {}

// The best group, and where that is a hybrid also the best plain one, for peers that do not know it.
std::vector<Group_Params> TlsPolicy::key_exchange_groups_to_offer() const {
  std::vector<Group_Params> offer = {algorithms_.groups.front()};
  if (offer.front().is_x25519() || offer.front().is_ecdh_named_curve()) return offer;
  const auto plain =
      std::ranges::find_if(algorithms_.groups, [](Group_Params g) { return g.is_x25519() || g.is_ecdh_named_curve(); });
  if (plain != algorithms_.groups.end()) offer.push_back(*plain);
  return offer;
}

std::vector<Botan::TLS::Signature_Scheme> TlsPolicy::allowed_signature_schemes() const {
  return algorithms_.signatures.empty() ? Policy::allowed_signature_schemes() : algorithms_.signatures;
}

std::vector<std::string> TlsPolicy::allowed_macs() const {
  return settings_.datagrams ? std::vector<std::string>{"AEAD"} : Policy::allowed_macs();
}

std::vector<std::string> TlsPolicy::allowed_key_exchange_methods() const {
  return settings_.datagrams ? std::vector<std::string>{"ECDH"} : Policy::allowed_key_exchange_methods();
}

bool TlsPolicy::require_extended_master_secret() const {
  return settings_.datagrams || Policy::require_extended_master_secret();
}

bool TlsPolicy::request_client_certificate_authentication() const {
  return server_ && settings_.client_certificate != security::ClientCertificate::none;
}

bool TlsPolicy::require_client_certificate_authentication() const {
  return server_ && settings_.client_certificate == security::ClientCertificate::require;
}

std::chrono::seconds TlsPolicy::session_ticket_lifetime() const {
  return std::chrono::duration_cast<std::chrono::seconds>(settings_.ticket_lifetime);
}

std::size_t TlsPolicy::new_session_tickets_upon_handshake_success() const { return server_ ? settings_.tickets : 0; }

}  // namespace trellis::tls
