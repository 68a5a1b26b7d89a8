// outgoing_record.h: one record while it is made. Frames and short data go into a block of its own; long data stay
// where the application put them, and are encrypted there: sending copies no payload.
#pragma once
#include <algorithm>
#include <cassert>
#include <utility>

#include "frame.h"
#include "record/record_sealer.h"

namespace trellis::tcpls {

class OutgoingRecord {
 public:
  static constexpr std::uint32_t kInPlace = 1024;  ///< data of so many bytes are not copied

  /// Bytes of its own block that the first bytes of these data take.
  static std::uint32_t own_bytes(const Slice& data, std::uint32_t size) noexcept {
    return size >= kInPlace && data.editable() ? 0 : size;
  }

  /// Bytes of a Stream frame's header behind so many bytes of a record: there is padding in front, so that the data
  /// begin where a block of the cipher does. Between two blocks each of them would be worked on in two halves.
  static std::uint32_t header_bytes(std::uint32_t content) noexcept {
    constexpr std::uint32_t kCipherBlock = 16;
    return (content + kStreamHeader + kCipherBlock - 1) / kCipherBlock * kCipherBlock - content;
  }

  /// `own`: bytes of frames and of copied data at most. `pieces` is empty, and is what the record will consist of.
  OutgoingRecord(BlockPool& pool, std::uint32_t own, Batch& pieces)
      : block_(pool.allocate(0, tls::kRecordHeader + own + tls::kTailroom, 0)),
        writer_(block_.edit()),
        pieces_(pieces) {
    writer_.pad(tls::kRecordHeader);
  }
  template <class Frame>
  void put(const Frame& frame) noexcept {
    assert(own_left() >= Frame::kSize);
    writer_.put(frame);
    content_ += Frame::kSize;
  }
  void pad(std::uint32_t bytes) noexcept {
    writer_.pad(bytes);
    content_ += bytes;
  }
  /// A Stream frame; so many bytes of data must follow it.
  void put_header(std::uint32_t stream, std::uint64_t offset, std::uint32_t size, bool fin) noexcept {
    const std::uint32_t whole = header_bytes();
    assert(own_left() >= whole);
    writer_.pad(whole - kStreamHeader);
    writer_.put_header(stream, offset, size, fin);
    content_ += whole;
  }
  void put_data(Slice&& data) noexcept {
    content_ += data.size();
    if (own_bytes(data, data.size()) == 0) {
      if (data.size() == 0) return;
      cut();
      return pieces_.add(Chunk{.data = std::move(data)});
    }
    assert(own_left() >= data.size());
    writer_.bytes(data.bytes());
  }
  std::uint32_t header_bytes() const noexcept { return header_bytes(content_); }  ///< of the next Stream frame
  std::uint32_t size() const noexcept { return content_; }                        ///< bytes of frames
  std::uint32_t left() const noexcept { return tls::kPlaintextMax - content_; }   ///< bytes that it takes more
  /// The pieces, with room for header and tail.
  void finish() noexcept {
    writer_.pad(tls::kTailroom);
    cut();
  }

 private:
  std::uint32_t own_left() const noexcept { return writer_.left() - tls::kTailroom; }
  void cut() noexcept {
    const std::uint32_t size = writer_.written() - std::exchange(cut_, writer_.written());
    if (size > 0) pieces_.add(Chunk{.data = block_.split_front(size)});
  }
  Slice block_;
  FrameWriter writer_;
  Batch& pieces_;
  std::uint32_t content_ = 0, cut_ = 0;
  static_assert(2 * (tls::kPlaintextMax / kInPlace) + 1 <= tls::RecordSealer::kPiecesMax);
};

}  // namespace trellis::tcpls
