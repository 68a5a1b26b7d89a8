// ares_call.h: c-ares lives by the time and the random numbers of a loop. It has no hooks for them, so the plugin
// carries its own copy of it, linked statically, whose calls of clock_gettime(2) and arc4random_buf(3) end up here.
#pragma once
#include "trellis/executor.h"

namespace trellis::dns {

/// While one exists on a thread, c-ares reads the clock of this loop and draws from its secrets. Every call into c-ares
/// that reads or draws is made inside one.
class AresCall {
 public:
  explicit AresCall(Executor& executor) noexcept;
  ~AresCall();
  AresCall(const AresCall&) = delete;
  AresCall& operator=(const AresCall&) = delete;

 private:
  Executor* outer_;
};

}  // namespace trellis::dns
