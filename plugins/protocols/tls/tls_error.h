// tls_error.h: the errors of this layer: those that all security protocols share, and the layer's name.
#pragma once
#include "security/peer_error.h"

namespace trellis::tls {

using security::Code;
inline constexpr const char* kLayer = "tls";

/// An Error of this layer.
inline Error make_error(Reason reason, Code code, std::string detail) {
  return security::make_error(kLayer, reason, code, std::move(detail));
}

}  // namespace trellis::tls
