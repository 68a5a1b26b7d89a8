// callbacks.h: what the library asks and tells.
#pragma once
#include <ngtcp2/ngtcp2.h>

namespace trellis::quic {

/// For connections whose user data is a QuicInstance.
ngtcp2_callbacks library_callbacks(bool server) noexcept;

}  // namespace trellis::quic
