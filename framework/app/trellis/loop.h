// loop.h: the loops that an application runs. One thread each; a Connection belongs to one loop for life.
#pragma once
#include <memory>

#include "trellis/executor.h"

struct event_base;

namespace trellis {

/// A loop that can be run. The thread that calls run() is the loop's thread.
class Loop : public Executor {
 public:
  virtual ~Loop() = default;
  virtual void run() noexcept = 0;                ///< until stop(); returns at once when stop() came before
  virtual void run_once(bool wait) noexcept = 0;  ///< one poll and its turn; wait: sleep until something happens
  virtual void stop() noexcept = 0;               ///< ends run() after the current turn; safe from any thread
};

/// How to make a loop.
struct LoopOptions {
  unsigned index = 0;          ///< this loop's number, 0 … count-1
  unsigned count = 1;          ///< how many loops the application runs
  event_base* base = nullptr;  ///< libevent base of an application to live in (not owned); null: a base of its own
};

/// A loop over libevent. Never null; running out of descriptors here ends the process with a message.
std::unique_ptr<Loop> make_loop(const LoopOptions& = {});

}  // namespace trellis
