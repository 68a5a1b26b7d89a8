// message_size.h: how much to put into one message.
#pragma once
#include "trellis/connection.h"

namespace trellis::tool {

/// Bytes to read or make at a time: what one message of the Connection can carry, 64 KiB at most. Datagrams are kept
/// small enough for the path, so that none is fragmented.
std::uint32_t message_most(const Connection& connection);

}  // namespace trellis::tool
