#include "tls_error.h"

#include <format>

namespace trellis::tls {
namespace {

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

}  // namespace

Error make_error(Reason reason, Code code, std::string detail) {
  return {reason, static_cast<std::uint64_t>(code), kLayer, std::move(detail)};
}

Error alert_error(AlertDescription alert, std::string_view peer) {
  const auto number = static_cast<std::uint8_t>(alert);
  return {reason_of(alert), static_cast<std::uint64_t>(Code::alert_received) + number, kLayer,
          std::format("{} ended the connection with the alert {} ({})", peer, to_string(alert), number)};
}

}  // namespace trellis::tls
