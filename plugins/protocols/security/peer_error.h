// peer_error.h: how a secured connection fails. Each way has a code of its own, the same in every security protocol, so
// that a program can tell them apart whatever stack has won.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "record/record.h"
#include "trellis/clock.h"
#include "trellis/result.h"

namespace trellis::security {

/// Error::code of a security layer. Below 256 it is the alert that was sent because the peer broke the protocol
/// (RFC 8446 section 6). README.md lists them for users.
enum class Code : std::uint64_t {
  certificate_expired = 0x101,
  certificate_not_yet_valid = 0x102,
  wrong_name = 0x103,            ///< the certificate is for other names
  unknown_issuer = 0x104,        ///< no trust anchor leads to it
  revoked = 0x105,               ///< by a stapled OCSP response or a CRL
  weak_key = 0x106,              ///< a key or a signature below the limit
  no_revocation_status = 0x107,  ///< the policy requires one
  not_pinned = 0x108,            ///< valid, but with another key than was pinned
  refused = 0x109,               ///< by the application's own check
  no_certificate = 0x10a,        ///< required and not shown
  bad_certificate = 0x10b,       ///< anything else that is wrong with it
  bad_signature = 0x10c,         ///< the peer has not proved that a key is its own
  handshake_timeout = 0x120,
  truncated = 0x121,          ///< the stream ended without close_notify
  unanswered = 0x122,         ///< the application has not said whether it trusts the peer
  nothing_in_common = 0x123,  ///< no version, cipher suite, group or application protocol
  internal = 0x124,           ///< a library failed on our side
  identity = 0x125,           ///< our own certificate or key cannot be used
  alert_received = 0x200,     ///< plus the number of the alert (RFC 8446 section 6)
};

/// An Error of that layer; `layer` lives as long as the plugin.
Error make_error(const char* layer, Reason reason, Code code, std::string detail);

/// What the peer's alert means. QUIC has the same numbers behind 0x100 (RFC 9001 section 4.8).
Error alert_error(const char* layer, tls::AlertDescription alert, std::string_view peer);

/// The handshake took longer than the option handshake-timeout-ms allows.
Error timeout_error(const char* layer, std::string_view peer, Duration limit);

/// The application has not answered within the time of option answer-timeout-ms.
Error unanswered_error(const char* layer, std::string_view peer, Duration limit);

/// The application's own check said no.
Error refusal_error(const char* layer, std::string_view peer, std::string_view why);

}  // namespace trellis::security
