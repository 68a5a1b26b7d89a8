// code_points.h: numbers of the TLS extensions of TCPLS. The draft leaves them
// open (TCPLS-117, TCPLS-119).
#pragma once
#include <cstdint>

namespace trellis::tcpls {

struct CodePoints {
  std::uint16_t announce;  ///< tcpls
  std::uint16_t join;      ///< tcpls_join
};

inline constexpr CodePoints kPrivateUse{0xFF64, 0xFF65};
inline constexpr CodePoints kPrototypes{100, 101};

}  // namespace trellis::tcpls
