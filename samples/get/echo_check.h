// echo_check.h: sends bytes to an echo server and checks that the same come back.
#pragma once
#include <cstdint>

#include "trellis/connection.h"

/// Sends `bytes` bytes, compares what comes back with them, and prints how fast that was.
trellis::Task<trellis::Result<void>> echo_check(trellis::Connection& connection, std::uint64_t bytes);
