// sockets.h: the TCP connections of a host, as its kernel sees them.
#pragma once
#include <cstdint>

#include "host.h"

namespace trellis::netlab {

/// The host's kernel ends its IPv4 connections to this port, established or on their way: programs see an error, peers
/// a reset that TCP takes at once. In less than a millisecond. Returns how many there were. Throws LabError.
unsigned end_connections(const Host& host, std::uint16_t to_port);

}  // namespace trellis::netlab
