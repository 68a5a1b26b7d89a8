// clock.h: the only notion of time. Its now() is Executor::now(), so a whole race can be replayed.
#pragma once
#include <chrono>

namespace trellis {

/// A clock without now(): time is read from the executor only.
struct Clock {
  using duration = std::chrono::nanoseconds;          ///< the resolution of every deadline
  using rep = duration::rep;                          ///< for std::chrono
  using period = duration::period;                    ///< for std::chrono
  using time_point = std::chrono::time_point<Clock>;  ///< counted from an arbitrary start
  static constexpr bool is_steady = true;             ///< never goes back
};
using TimePoint = Clock::time_point;  ///< a moment on the executor's clock; max() means never
using Duration = Clock::duration;     ///< a span of time in nanoseconds; max() means disabled

}  // namespace trellis
