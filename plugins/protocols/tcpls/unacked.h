// unacked.h: frames that were sent on one connection and may have to be sent
// again on another one (TCPLS-77, TCPLS-83).
#pragma once
#include <cstdint>
#include <deque>
#include <variant>

#include "frame.h"
#include "trellis/clock.h"

namespace trellis::tcpls {

/// A frame that survives its connection. Stream data are the application's own
/// slices: records are copies.
using Kept = std::variant<std::monostate, StreamData, NewToken, ConnectionReset>;

inline std::size_t bytes_of(const Kept& frame) noexcept {
  const auto* const data = std::get_if<StreamData>(&frame);
  return data != nullptr ? data->data.size() : 0;
}

class Unacked {
 public:
  struct Sent {
    std::uint64_t sequence;  // of its record
    TimePoint at;
    Kept frame;
  };
  void add(std::uint64_t sequence, TimePoint at, Kept frame) { sent_.push_back({sequence, at, std::move(frame)}); }
  bool empty() const noexcept { return sent_.empty(); }
  /// Precondition: not empty.
  const Sent& oldest() const noexcept { return sent_.front(); }
  /// Forgets what is acknowledged; done(Sent&) for each.
  template <class Done>
  void acknowledge(std::uint64_t sequence, const Done& done) {
    while (!sent_.empty() && sent_.front().sequence <= sequence) {
      done(sent_.front());
      sent_.pop_front();
    }
  }
  /// Moves frames, in order, to `orphans`, until they have more than so many bytes of data.
  void give_up(std::deque<Kept>& orphans, std::size_t at_most = SIZE_MAX) {
    for (std::size_t bytes = 0; !sent_.empty() && bytes <= at_most; sent_.pop_front()) {
      Kept& frame = sent_.front().frame;
      bytes += bytes_of(frame);
      if (!std::holds_alternative<std::monostate>(frame)) orphans.push_back(std::move(frame));
    }
  }

 private:
  std::deque<Sent> sent_;
};

}  // namespace trellis::tcpls
