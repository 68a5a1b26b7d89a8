// refill.h: how a layer that passes credit on does it.
#pragma once
#include <cstddef>

namespace trellis {

/// Raises a window to its level; nothing while half of it is left, since a grant costs a visit.
void refill(auto port, std::size_t level) noexcept {
  if (port.granted() * 2 <= level) port.grant_to(level);
}

}  // namespace trellis
