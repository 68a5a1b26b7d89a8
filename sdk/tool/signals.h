// signals.h: SIGINT and SIGTERM as an orderly end of a loop, SIGHUP as the wish to read files again.
#pragma once
#include <atomic>
#include <functional>
#include <thread>

#include "trellis/loop.h"

namespace trellis::tool {

/// While it lives, SIGINT and SIGTERM stop the loop instead of killing the process, and SIGHUP calls on_hangup. To be
/// made before any other thread.
class Signals {
 public:
  explicit Signals(Loop& loop);
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;
  int received() const noexcept { return received_; }  ///< the signal that stopped the loop; 0: none
  std::function<void()> on_hangup;                     ///< called on the loop; empty: SIGHUP stops it too

 private:
  void hang_up();
  Loop& loop_;
  std::atomic<int> received_ = 0;
  std::atomic<bool> over_ = false;
  std::thread thread_;
};

}  // namespace trellis::tool
