// our_transfer.h: bulk transfers over the framework, between two processes, for rows that compare stacks or baselines.
#pragma once
#include <string>

#include "transfer.h"

namespace trellis::bench {

/// What moves in one transfer.
struct Load {
  std::size_t bytes;        ///< of all streams together
  std::uint32_t message;    ///< bytes that the application sends at a time
  std::size_t streams = 1;  ///< Connections of one group; each carries its part, one of them begins the session
};

/// Moves the load over the stack and ends cleanly. The process ends when a byte is missing.
Transfer our_transfer(const std::string& stack, const Load& load);

}  // namespace trellis::bench
