// peer_check.h: is the peer who it must be? The usual check of a certificate chain, with an answer for people.
#pragma once
#include <botan/ocsp.h>
#include <botan/pk_keys.h>
#include <botan/pkix_enums.h>
#include <botan/tls_alert.h>
#include <botan/x509cert.h>

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "security/peer_trust.h"
#include "trellis/result.h"

namespace trellis::security {

/// What is checked, and against what.
struct PeerCheck {
  const char* layer;  ///< of the Error
  const PeerTrust& trust;
  Revocation revocation;
  bool peer_is_server;
  std::string_view name;  ///< that a server's certificate must be for; of a client: how to speak of it
  std::chrono::system_clock::time_point now;
};

/// Why the chain is refused, or nothing. Throws what the library throws on malformed certificates.
std::optional<Error> refusal_of(const PeerCheck& check, const std::vector<Botan::X509_Certificate>& chain,
                                const std::vector<std::optional<Botan::OCSP::Response>>& ocsp);

/// The same for a protocol whose library gives DER; a certificate that cannot be parsed is refused. `staple` is the
/// OCSP response for the leaf; empty: none.
std::optional<Error> refusal_of(const PeerCheck& check, std::span<const Der> chain, std::span<const std::byte> staple);

/// The same for a key without a certificate: it must be pinned.
std::optional<Error> refusal_of(const PeerCheck& check, const Botan::Public_Key& key);

/// A certificate or key is required and was not shown.
Error no_certificate(const PeerCheck& check);

/// The subjects of a chain, leaf first, for messages.
std::string subjects(const std::vector<Botan::X509_Certificate>& chain);

/// The same of names that a peer wrote: printable, and not too long.
std::string printable(std::string text);

/// The alert that tells the peer (RFC 8446 section 6.2).
Botan::TLS::AlertType alert_for(const Error& refusal);

/// Whether a certificate is for a name or an address literal (RFC 9525).
bool is_for(const Botan::X509_Certificate& certificate, std::string_view name);

}  // namespace trellis::security
