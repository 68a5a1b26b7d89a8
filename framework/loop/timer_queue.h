// timer_queue.h: which alarm rings next. Shared by the real and the virtual loop, so that ties break equally in both.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "trellis/executor.h"

namespace trellis {

/// A binary heap over intrusive alarms, which know their place in it: arming again and disarming need no search.
/// Alarms with the same deadline ring in the order in which they were armed; arming again counts as new.
/// Destroying the queue disarms what is left, so that an alarm may outlive its loop.
class TimerQueue {
 public:
  TimerQueue() = default;
  TimerQueue(const TimerQueue&) = delete;
  TimerQueue& operator=(const TimerQueue&) = delete;
  ~TimerQueue();

  /// Behind Executor::arm. Replaces an earlier deadline of the same alarm.
  void arm(Alarm& alarm, TimePoint deadline);
  /// Behind Executor::disarm. Precondition: the alarm is armed in this queue.
  void disarm(Alarm& alarm) noexcept;
  /// The next deadline; TimePoint::max() when none is armed.
  TimePoint first() const noexcept { return heap_.empty() ? TimePoint::max() : heap_.front().deadline; }
  bool empty() const noexcept { return heap_.empty(); }       ///< no alarm is armed
  std::size_t size() const noexcept { return heap_.size(); }  ///< armed alarms
  /// Rings every alarm that is due at `now` and was armed before this call; returns how many. Alarms may arm, disarm
  /// and destroy each other and themselves meanwhile. What they arm anew rings at the next call at the earliest, even
  /// if its deadline has passed: an alarm that keeps arming itself must not hold the loop.
  std::size_t ring(TimePoint now) noexcept;

 private:
  struct Entry {
    TimePoint deadline;
    std::uint64_t sequence;
    Alarm* alarm;
  };
  static bool before(const Entry& a, const Entry& b) noexcept {
    return a.deadline != b.deadline ? a.deadline < b.deadline : a.sequence < b.sequence;
  }
  void place(std::size_t at, const Entry& entry) noexcept {
    heap_[at] = entry;
    entry.alarm->slot = static_cast<std::uint32_t>(at);
  }
  void sift_up(std::size_t at, const Entry& entry) noexcept;
  void sift_down(std::size_t at, const Entry& entry) noexcept;

  std::vector<Entry> heap_;
  std::uint64_t sequence_ = 0;
  TimePoint ringing_ = TimePoint::min();  // the `now` of the call to ring() that runs, or min()
};

}  // namespace trellis
