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

/// What a failure means to a script; `otherwise` when its reason does not decide that. A code means that the system or
/// a peer said no, and then neither the command line nor a policy is to blame.
constexpr ExitCode exit_code(const Error& error, ExitCode otherwise) {
  if (error.reason == Reason::authentication) return kNotAuthenticated;
  if (error.code != 0) return otherwise;
  switch (error.reason) {
    case Reason::invalid_argument: return otherwise == kNotConnected ? kUsage : otherwise;
    case Reason::configuration:
    case Reason::prohibited:
    case Reason::unsupported: return kRefused;
    default: return otherwise;
  }
}

}  // namespace trellis::tool
