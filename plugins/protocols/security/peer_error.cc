#include "security/peer_error.h"

#include <chrono>
#include <format>

namespace trellis::security {
namespace {

using tls::AlertDescription;

Reason reason_of(AlertDescription alert) noexcept {
  switch (alert) {
    case AlertDescription::bad_certificate:
    case AlertDescription::unsupported_certificate:
    case AlertDescription::certificate_revoked:
    case AlertDescription::certificate_expired:
    case AlertDescription::certificate_unknown:
    case AlertDescription::unknown_ca:
    case AlertDescription::access_denied:
    case AlertDescription::decrypt_error:
    case AlertDescription::inappropriate_fallback:
    case AlertDescription::unrecognized_name:
    case AlertDescription::bad_certificate_status_response:
    case AlertDescription::unknown_psk_identity:
    case AlertDescription::certificate_required: return Reason::authentication;
    case AlertDescription::handshake_failure:
    case AlertDescription::protocol_version:
    case AlertDescription::insufficient_security:
    case AlertDescription::no_application_protocol: return Reason::unsupported;
    case AlertDescription::close_notify:
    case AlertDescription::internal_error:
    case AlertDescription::user_canceled: return Reason::reset;
    default: return Reason::protocol_violation;
  }
}

// What a peer means that says no more than this; it may have no key but Ed25519's, which nobody here can check.
constexpr const char* kNothingShared =
    ": nothing is in common, be it a version, a group, a suite, or a certificate of an RSA or ECDSA key";

auto milliseconds(Duration limit) { return std::chrono::duration_cast<std::chrono::milliseconds>(limit).count(); }

}  // namespace

Error make_error(const char* layer, Reason reason, Code code, std::string detail) {
  return {reason, static_cast<std::uint64_t>(code), layer, std::move(detail)};
}

Error alert_error(const char* layer, AlertDescription alert, std::string_view peer) {
  const auto number = static_cast<std::uint8_t>(alert);
  return {reason_of(alert), static_cast<std::uint64_t>(Code::alert_received) + number, layer,
          std::format("{} ended the connection with the alert {} ({}){}", peer, to_string(alert), number,
                      alert == AlertDescription::handshake_failure ? kNothingShared : "")};
}

Error timeout_error(const char* layer, std::string_view peer, Duration limit) {
  return make_error(layer, Reason::timed_out, Code::handshake_timeout,
                    std::format("the handshake with {} was not complete after {} ms", peer, milliseconds(limit)));
}

Error unanswered_error(const char* layer, std::string_view peer, Duration limit) {
  return make_error(
      layer, Reason::timed_out, Code::unanswered,
      std::format("the application has not said within {} ms whether it trusts {}", milliseconds(limit), peer));
}

Error refusal_error(const char* layer, std::string_view peer, std::string_view why) {
  return make_error(layer, Reason::authentication, Code::refused,
                    std::format("{} was refused by the application: {}", peer, why));
}

}  // namespace trellis::security
