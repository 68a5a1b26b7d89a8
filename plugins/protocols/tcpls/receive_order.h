// receive_order.h: the bytes of one stream in order again. Frames may come
// twice, overlap, and overtake each other on several connections (TCPLS-46).
#pragma once
#include <cstdint>
#include <map>

#include "frame.h"
#include "trellis/buffer.h"

namespace trellis::tcpls {

class ReceiveOrder {
 public:
  static constexpr std::size_t kEntryCost = 256;  ///< of a piece besides its bytes, so that small ones are bounded too
  /// Takes the data of a frame. What is in order is added to `ready`. Fails
  /// with illegal_parameter: sizes that contradict each other or do not fit
  /// (TCPLS-102). True: it came out of order.
  Result<bool> take(StreamData&& frame, Batch& ready) noexcept;
  /// All bytes up to the final size are in order.
  bool complete() const noexcept { return expected_ == final_size_; }
  std::size_t held() const noexcept { return held_; }  ///< bytes behind a gap, with what keeping them costs
  void forget() noexcept {                             ///< nobody wants them any more
    gaps_.clear();
    held_ = 0;
  }

 private:
  void keep(std::uint64_t offset, Slice&& data);
  void close_gap(Batch& ready);
  std::map<std::uint64_t, Slice> gaps_;  // pieces that do not overlap
  std::uint64_t expected_ = 0;           // offset of the next byte in order
  std::uint64_t final_size_ = UINT64_MAX;
  std::uint64_t highest_ = 0;  // end of what was seen
  std::size_t held_ = 0;
};

}  // namespace trellis::tcpls
