// receive_queue.h: what came on a stream and the layer above has not asked for. The library decrypts into a buffer of
// its own, so this is the one copy; what comes in many packets is joined in few blocks.
#pragma once
#include <span>

#include "trellis/port.h"

namespace trellis::quic {

class ReceiveQueue {
 public:
  /// Copies. `expected`: bytes that may follow soon, so that they find room in the same block. `info` says more about
  /// the bytes; those with another one are kept apart.
  void add(BlockPool& pool, std::span<const std::uint8_t> bytes, std::size_t expected, const MessageRef& info);
  /// A whole message, which is never joined with others.
  void add(Chunk&& message, std::size_t least_charge);
  /// Pushes what the port has credit for. Returns the bytes that have gone up.
  std::size_t hand_up(UpperPort port) noexcept;
  bool empty() const noexcept { return chunks_.empty(); }
  std::size_t bytes() const noexcept { return bytes_; }
  std::size_t charge() const noexcept { return charge_; }  ///< of messages
  /// Returns the bytes that were in it.
  std::size_t drop() noexcept;

 private:
  Batch chunks_;
  std::size_t bytes_ = 0;
  std::size_t charge_ = 0;
};

}  // namespace trellis::quic
