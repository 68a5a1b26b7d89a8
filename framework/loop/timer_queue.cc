// timer_queue.cc: see timer_queue.h.
#include "loop/timer_queue.h"

#include <algorithm>
#include <cassert>

namespace trellis {

TimerQueue::~TimerQueue() {
  for (const Entry& entry : heap_) entry.alarm->slot = Alarm::kIdle;
}

void TimerQueue::arm(Alarm& alarm, TimePoint deadline) {
  // While alarms ring, nothing new may sort before those that still wait for their call: it would starve them.
  const Entry entry{std::max(deadline, ringing_), ++sequence_, &alarm};
  if (!alarm.armed()) {
    heap_.push_back(entry);
    sift_up(heap_.size() - 1, entry);
  } else if (before(entry, heap_[alarm.slot])) {
    sift_up(alarm.slot, entry);
  } else {
    sift_down(alarm.slot, entry);
  }
}

void TimerQueue::disarm(Alarm& alarm) noexcept {
  assert(alarm.slot < heap_.size() && heap_[alarm.slot].alarm == &alarm);
  const std::size_t hole = alarm.slot;
  alarm.slot = Alarm::kIdle;
  const Entry last = heap_.back();
  heap_.pop_back();
  if (hole == heap_.size()) return;
  if (hole > 0 && before(last, heap_[(hole - 1) / 2])) {
    sift_up(hole, last);
  } else {
    sift_down(hole, last);
  }
}

std::size_t TimerQueue::ring(TimePoint now) noexcept {
  const std::uint64_t newest = sequence_;
  std::size_t rung = 0;
  ringing_ = now;
  while (!heap_.empty() && heap_.front().deadline <= now && heap_.front().sequence <= newest) {
    Alarm& alarm = *heap_.front().alarm;
    disarm(alarm);
    ++rung;
    alarm.on_alarm();
  }
  ringing_ = TimePoint::min();
  return rung;
}

void TimerQueue::sift_up(std::size_t at, const Entry& entry) noexcept {
  while (at > 0) {
    const std::size_t parent = (at - 1) / 2;
    if (!before(entry, heap_[parent])) break;
    place(at, heap_[parent]);
    at = parent;
  }
  place(at, entry);
}

void TimerQueue::sift_down(std::size_t at, const Entry& entry) noexcept {
  for (;;) {
    std::size_t child = 2 * at + 1;
    if (child >= heap_.size()) break;
    if (child + 1 < heap_.size() && before(heap_[child + 1], heap_[child])) ++child;
    if (!before(heap_[child], entry)) break;
    place(at, heap_[child]);
    at = child;
  }
  place(at, entry);
}

}  // namespace trellis
