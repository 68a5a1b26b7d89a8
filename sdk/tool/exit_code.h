// exit_code.h: how the commands that carry data end. Scripts rely on these numbers.
#pragma once
#include "trellis/result.h"

namespace trellis::tool {

using ExitCode = int;
inline constexpr ExitCode kDone = 0;
inline constexpr ExitCode kUsage = 1;             // the command line is wrong; nothing was tried
inline constexpr ExitCode kNotConnected = 2;      // could not connect, or could not listen
inline constexpr ExitCode kBroken = 3;            // the connection broke, or standard input or output did
inline constexpr ExitCode kNotAuthenticated = 4;  // the peer is not who it must be
inline constexpr ExitCode kRefused = 5;           // a policy or a plugin was refused, or forbids what was asked
inline constexpr ExitCode kHungUp = 129;          // SIGHUP, as shells report it
inline constexpr ExitCode kInterrupted = 130;     // SIGINT, as shells report it

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
