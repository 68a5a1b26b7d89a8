// exit_code.h: how the commands that carry data end. Scripts rely on these numbers.
#pragma once
#include "trellis/result.h"

namespace trellis::tool {

enum ExitCode : int {
  kDone = 0,
  kUsage = 1,             // the command line is wrong; nothing was tried
  kNotConnected = 2,      // could not connect, or could not listen
  kBroken = 3,            // the connection broke, or standard input or output did
  kNotAuthenticated = 4,  // the peer is not who it must be
  kRefused = 5,           // a policy or a plugin was refused, or forbids what was asked
  kInterrupted = 130,     // SIGINT, as shells report it
};

/// What a failure means to a script; `otherwise` when its reason does not decide that.
constexpr ExitCode exit_code(const Error& error, ExitCode otherwise) {
  switch (error.reason) {
    case Reason::authentication: return kNotAuthenticated;
    case Reason::invalid_argument: return otherwise == kNotConnected ? kUsage : otherwise;
    case Reason::configuration:
    case Reason::prohibited:
    case Reason::unsupported: return kRefused;
    default: return otherwise;
  }
}

}  // namespace trellis::tool
