// socket_error.h: what the kernel says, in the contract's terms.
#pragma once
#include <string>

#include "trellis/result.h"

namespace trellis {

/// The reason that fits an errno of a socket call.
Reason reason_of(int error) noexcept;

/// An Error of layer "socket" whose code is the errno, e.g. "connect to 127.0.0.1:1: Connection refused".
Error socket_error(int error, const std::string& doing);

}  // namespace trellis
