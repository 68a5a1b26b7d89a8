// quic_error.h: how a QUIC connection fails. Failures of the security handshake have the codes of every security
// protocol (security/peer_error.h); the application's codes and the transport's travel as they are.
#pragma once
#include <ngtcp2/ngtcp2.h>

#include <string>
#include <string_view>

#include "security/peer_error.h"

namespace trellis::quic {

using security::Code;

/// What the peer's CONNECTION_CLOSE means.
Error close_error(const ngtcp2_ccerr& close, std::string_view peer);

/// A stateless reset: the peer knows nothing of the connection. QUIC-81
Error lost_error(std::string_view peer);

/// What an error of the library means that ends the connection, when it is not the peer's close.
Error library_error(int error, std::uint8_t alert, std::string_view peer);

/// What the peer is told of it.
void describe(ngtcp2_ccerr& close, int error, std::uint8_t alert) noexcept;

}  // namespace trellis::quic
