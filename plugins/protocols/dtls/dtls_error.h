// dtls_error.h: the errors of this layer: those that all security protocols share, and the layer's name.
#pragma once
#include "security/peer_error.h"

namespace trellis::dtls {

using security::Code;
inline constexpr const char* kLayer = "dtls";

/// An Error of this layer.
inline Error make_error(Reason reason, Code code, std::string detail) {
  return security::make_error(kLayer, reason, code, std::move(detail));
}

/// What the handshake that is shared with the plugin tls says, in this layer's name.
inline Error own(Error error) {
  error.layer = kLayer;
  return error;
}

}  // namespace trellis::dtls
