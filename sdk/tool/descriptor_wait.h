// descriptor_wait.h: a blocking wait for a descriptor that another thread can end.
#pragma once

namespace trellis::tool {

/// A switch that is thrown once and then ends every wait for it.
class StopSwitch {
 public:
  StopSwitch();
  ~StopSwitch();
  StopSwitch(const StopSwitch&) = delete;
  StopSwitch& operator=(const StopSwitch&) = delete;
  void stop() noexcept;           ///< from any thread
  bool stopped() const noexcept;  ///< it was thrown
  /// Waits until poll(2) reports `events`, an error or the end on `fd`. False: stopped.
  bool wait(int fd, short events) const noexcept;

 private:
  int event_;
};

}  // namespace trellis::tool
