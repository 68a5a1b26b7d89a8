// send_queue.h: what a stream has to send. The library points into the bytes until they are acknowledged and copies
// nothing, so the chunks stay here: those in front of the mark are on their way, those behind it have not left yet.
#pragma once
#include <ngtcp2/ngtcp2.h>

#include <span>

#include "trellis/buffer.h"

namespace trellis::quic {

class SendQueue {
 public:
  void add(Chunk&& chunk) noexcept;
  bool empty() const noexcept { return chunks_.empty(); }    ///< nothing waits or is on its way
  std::size_t waiting() const noexcept { return waiting_; }  ///< bytes that wait for their first time
  /// The bytes behind the mark, in pieces. `all`: nothing is left out.
  std::size_t gather(std::span<ngtcp2_vec> into, bool& all) noexcept;
  /// Moves the mark: so many bytes are in packets now. Chunks that are complete are reported as sent.
  void sent(std::size_t bytes) noexcept;
  /// The peer has everything below this offset of the stream. Chunks that are complete are let go.
  void acknowledged(std::uint64_t below) noexcept;
  /// Nothing has arrived: all is to be sent again (refused early data). Precondition: nothing was acknowledged.
  void rewind() noexcept;
  /// Nothing of it will be sent (again). What was not reported as sent has failed.
  void drop(const Error& why) noexcept;

 private:
  Batch chunks_;
  std::size_t next_ = 0;     // index of the first chunk that is not completely in packets
  std::size_t part_ = 0;     // bytes of it that are
  std::size_t waiting_ = 0;  // bytes behind the mark
  std::uint64_t begin_ = 0;  // offset in the stream of the first chunk
};

}  // namespace trellis::quic
