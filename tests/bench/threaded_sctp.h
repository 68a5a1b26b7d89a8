// threaded_sctp.h: usrsctp as its own test tool (tsctp) uses it: with threads of its own that read UDP sockets (RFC
// 6951), over sockets that block. The tool itself, as Debian has it, writes a line for every step it takes, which would
// be measured too.
#pragma once
#include <cstddef>
#include <cstdint>

#include "transfer.h"

namespace trellis::bench {

/// Moves `bytes` in messages of so many.
Transfer threaded_sctp(std::size_t bytes, std::uint32_t message);

}  // namespace trellis::bench
