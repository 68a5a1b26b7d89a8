// datagram.h: what the kernel's and the simulated datagram sockets see alike.
#pragma once
#include <cstddef>

#include "trellis/buffer.h"

namespace trellis {

constexpr std::size_t kDatagramExpected = 1500;  ///< bytes: how large a datagram is thought to be before one came

/// The properties of a datagram that is to be sent; the defaults where it has none.
inline const MessageInfo& properties_of(const Chunk& chunk) noexcept {
  static const MessageInfo kNone;
  return chunk.info ? *chunk.info.get() : kNone;
}

}  // namespace trellis
