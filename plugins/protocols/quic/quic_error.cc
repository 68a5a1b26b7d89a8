#include "quic_error.h"

#include <format>

#include "quic_settings.h"
#include "security/peer_check.h"

namespace trellis::quic {
namespace {

std::string said(const ngtcp2_ccerr& close) {
  if (close.reason == nullptr || close.reasonlen == 0) return {};
  return ": " + security::printable(std::string(reinterpret_cast<const char*>(close.reason), close.reasonlen));
}

/// What a failed handshake is, by the alert that is sent for it.
std::pair<Reason, Code> kind_of(std::uint8_t alert) {
  using tls::AlertDescription;
  switch (static_cast<AlertDescription>(alert)) {
    case AlertDescription::handshake_failure:
    case AlertDescription::protocol_version:
    case AlertDescription::no_application_protocol:
    case AlertDescription::missing_extension: return {Reason::unsupported, Code::nothing_in_common};
    case AlertDescription::insufficient_security: return {Reason::authentication, Code::weak_key};
    case AlertDescription::certificate_required: return {Reason::authentication, Code::no_certificate};
    case AlertDescription::decrypt_error:
    case AlertDescription::unknown_psk_identity: return {Reason::authentication, Code::bad_signature};
    case AlertDescription::bad_certificate:
    case AlertDescription::unsupported_certificate:
    case AlertDescription::certificate_unknown: return {Reason::authentication, Code::bad_certificate};
    case AlertDescription::internal_error: return {Reason::unsupported, Code::internal};
    default: return {Reason::protocol_violation, static_cast<Code>(alert)};
  }
}

}  // namespace

Error close_error(const ngtcp2_ccerr& close, std::string_view peer) {
  if (close.type == NGTCP2_CCERR_TYPE_APPLICATION) {
    return {
        Reason::reset, close.error_code, kLayer,
        std::format("{} closed the connection with the application's code {}{}", peer, close.error_code, said(close))};
  }
  constexpr std::uint64_t kCryptoErrors = 0x100;  // RFC 9001 section 4.8: plus the alert
  if (close.error_code >= kCryptoErrors && close.error_code < 2 * kCryptoErrors) {
    return security::alert_error(kLayer, static_cast<tls::AlertDescription>(close.error_code - kCryptoErrors), peer);
  }
  const bool refused = close.error_code == NGTCP2_CONNECTION_REFUSED;
  return {refused ? Reason::unreachable : Reason::reset, close.error_code, kLayer,
          std::format("{} {} (transport error {:#x}){}", peer,
                      refused ? "refused the connection" : "ended the connection", close.error_code, said(close))};
}

Error lost_error(std::string_view peer) {
  return {Reason::reset, 0, kLayer,
          std::format("{} knows nothing of the connection any more (stateless reset): it was started anew, or the "
                      "connection was idle for too long",
                      peer)};
}

Error library_error(int error, std::uint8_t alert, std::string_view peer) {
  if (error == NGTCP2_ERR_CRYPTO) {
    const auto [reason, code] = kind_of(alert);
    return security::make_error(
        kLayer, reason, code,
        std::format("the handshake with {} failed ({})", peer, to_string(static_cast<tls::AlertDescription>(alert))));
  }
  if (error == NGTCP2_ERR_IDLE_CLOSE)
    return {Reason::timed_out, 0, kLayer, std::format("nothing was heard of {} for too long", peer)};
  if (error == NGTCP2_ERR_RECV_VERSION_NEGOTIATION || error == NGTCP2_ERR_VERSION_NEGOTIATION_FAILURE) {
    return security::make_error(kLayer, Reason::unsupported, Code::nothing_in_common,
                                std::format("{} has no version of QUIC in common with us", peer));
  }
  if (error == NGTCP2_ERR_NO_VIABLE_PATH)
    return {Reason::unreachable, 0, kLayer, std::format("no path leads to {} any more", peer)};
  const std::uint64_t code = ngtcp2_err_infer_quic_transport_error_code(error);
  const bool ours = error == NGTCP2_ERR_INTERNAL || ngtcp2_err_is_fatal(error) != 0;
  return {ours ? Reason::unsupported : Reason::protocol_violation, code, kLayer,
          std::format("the connection with {} ended: {}", peer, ngtcp2_strerror(error))};
}

void describe(ngtcp2_ccerr& close, int error, std::uint8_t alert) noexcept {
  ngtcp2_ccerr_default(&close);
  if (error == NGTCP2_ERR_CRYPTO)
    ngtcp2_ccerr_set_tls_alert(&close, alert, nullptr, 0);
  else
    ngtcp2_ccerr_set_liberr(&close, error, nullptr, 0);
}

}  // namespace trellis::quic
