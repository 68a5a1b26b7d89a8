// services.h: what `trellis listen` can do with a peer by itself.
#pragma once
#include <cstdint>

#include "trellis/connection.h"
#include "trellis/task.h"

namespace trellis::tool {

/// Sends everything back as it came, until the peer has finished.
Task<Result<void>> echo(Connection& connection);
/// Receives and forgets, until the peer has finished.
Task<Result<void>> discard(Connection& connection);
/// Sends this many bytes, 0 to 255 over and over, and finishes; what comes is forgotten.
Task<Result<void>> source(Connection& connection, std::uint64_t bytes);

}  // namespace trellis::tool
