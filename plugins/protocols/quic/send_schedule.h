// send_schedule.h: which stream is next. The most urgent priority first; streams of one priority take turns, packet by
// packet.
#pragma once
#include <algorithm>
#include <vector>

#include "stream.h"

namespace trellis::quic {

class SendSchedule {
 public:
  /// It has something to send. No-op when it is in already.
  void add(Stream& stream) {
    if (std::exchange(stream.scheduled, true)) return;
    stream.turn = ++clock_;
    heap_.push_back(&stream);
    std::ranges::push_heap(heap_, later);
  }
  /// No-op when it is not in.
  void remove(Stream& stream) noexcept {
    if (!std::exchange(stream.scheduled, false)) return;
    if (heap_.front() == &stream) {
      std::ranges::pop_heap(heap_, later);
      heap_.pop_back();
      return;
    }
    std::erase(heap_, &stream);
    std::ranges::make_heap(heap_, later);
  }
  Stream* front() const noexcept { return heap_.empty() ? nullptr : heap_.front(); }  ///< null: none
  /// The front has had a packet: others of its priority come first now.
  void next_turn() {
    if (heap_.size() < 2) return;
    std::ranges::pop_heap(heap_, later);
    heap_.back()->turn = ++clock_;
    std::ranges::push_heap(heap_, later);
  }
  bool empty() const noexcept { return heap_.empty(); }

 private:
  static bool later(const Stream* a, const Stream* b) noexcept {
    return a->priority != b->priority ? a->priority > b->priority : a->turn > b->turn;
  }
  std::vector<Stream*> heap_;
  std::uint64_t clock_ = 0;
};

}  // namespace trellis::quic
