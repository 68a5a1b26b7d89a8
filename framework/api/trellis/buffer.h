// buffer.h: bytes in motion. Owned slices of pooled blocks; nothing here copies payload.
//
// A Block belongs to one loop and its count is not atomic. Bytes that leave the loop are copied.
// Two ways to have two slices of one block: split_front() gives disjoint ranges, both may be edited;
// share() gives overlapping ranges, none may be edited until the others are gone.
#pragma once
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "trellis/message.h"

namespace trellis {

/// A piece of pooled memory. Only pools make them; everybody else holds Slices.
struct Block {
  std::byte* data;                   ///< first byte
  std::uint32_t capacity;            ///< bytes
  std::uint32_t references;          ///< slices that hold it; one loop, so not atomic
  void (*release)(Block*) noexcept;  ///< whoever allocated frees, in its own shared object
};

/// An owned range of a Block, with room before and behind it where headers and tags can be written in place.
class Slice {
 public:
  Slice() = default;
  /// Takes over one reference of `adopted`. For pools.
  Slice(Block* adopted, std::uint32_t offset, std::uint32_t size) noexcept
      : block_(adopted), offset_(offset), size_(size & kSizeMask), shared_(0) {}
  Slice(Slice&& o) noexcept
      : block_(std::exchange(o.block_, nullptr)), offset_(o.offset_), size_(o.size_), shared_(o.shared_) {
    o.size_ = 0;
  }
  Slice& operator=(Slice&& o) noexcept {
    if (this != &o) {
      let_go();
      block_ = std::exchange(o.block_, nullptr);
      offset_ = o.offset_;
      size_ = o.size_;
      shared_ = o.shared_;
      o.size_ = 0;
    }
    return *this;
  }
  Slice(const Slice&) = delete;  // sharing is explicit
  Slice& operator=(const Slice&) = delete;
  ~Slice() { let_go(); }

  std::uint32_t size() const noexcept { return size_; }                           ///< bytes
  std::span<const std::byte> bytes() const noexcept { return {begin(), size_}; }  ///< to read
  /// True while no shared() slice overlaps this one.
  bool editable() const noexcept { return shared_ == 0 || exclusive(); }
  /// To write. Precondition: editable().
  std::span<std::byte> edit() noexcept {
    assert(editable());
    return {begin(), size_};
  }

  /// A second, overlapping slice of the same bytes (retransmission, early data of several leaves): both become
  /// read-only until the other is gone.
  Slice share(std::uint32_t offset, std::uint32_t size) noexcept {
    assert(offset <= size_ && size <= size_ - offset);
    shared_ = 1;
    return reference(offset, size);
  }
  Slice share() noexcept { return share(0, size_); }  ///< shares all of it
  /// Cuts the first n bytes off as a slice of their own (records of one read, messages of one record).
  Slice split_front(std::uint32_t n) noexcept {
    assert(n <= size_);
    Slice front = reference(0, n);
    drop_front(n);
    return front;
  }
  /// Forgets the first n bytes.
  void drop_front(std::uint32_t n) noexcept {
    assert(n <= size_);
    offset_ += n;
    size_ = (size_ - n) & kSizeMask;
  }
  /// Forgets the last n bytes.
  void drop_back(std::uint32_t n) noexcept {
    assert(n <= size_);
    size_ = (size_ - n) & kSizeMask;
  }

  /// Bytes that prepend() may take; the composer reserves what the stack's layers declare (LayerTraits::headroom).
  std::uint32_t headroom() const noexcept { return exclusive() ? offset_ : 0; }
  /// Bytes that append() may take.
  std::uint32_t tailroom() const noexcept { return exclusive() ? block_->capacity - offset_ - size_ : 0; }
  /// Grows the slice to the front and returns the new bytes. Precondition: n <= headroom().
  std::span<std::byte> prepend(std::uint32_t n) noexcept {
    assert(n <= headroom());
    offset_ -= n;
    size_ = (size_ + n) & kSizeMask;
    return {begin(), n};
  }
  /// Grows the slice to the back and returns the new bytes. Precondition: n <= tailroom().
  std::span<std::byte> append(std::uint32_t n) noexcept {
    assert(n <= tailroom());
    size_ = (size_ + n) & kSizeMask;
    return {begin() + size_ - n, n};
  }

 private:
  static constexpr std::uint32_t kSizeMask = 0x7fffffffu;
  void let_go() noexcept {
    if (block_ != nullptr && --block_->references == 0) block_->release(block_);
  }
  bool exclusive() const noexcept { return block_ != nullptr && block_->references == 1; }
  std::byte* begin() const noexcept { return block_ == nullptr ? nullptr : block_->data + offset_; }
  Slice reference(std::uint32_t offset, std::uint32_t n) noexcept {
    if (block_ != nullptr) ++block_->references;
    Slice other(block_, offset_ + offset, n);
    other.shared_ = shared_;
    return other;
  }
  Block* block_ = nullptr;
  std::uint32_t offset_ = 0;
  std::uint32_t size_ : 31 = 0;
  std::uint32_t shared_ : 1 = 0;
};

/// Bytes with what travels beside them: one datagram, part of a message, or a piece of a bytestream.
struct Chunk {
  Slice data;                      ///< the bytes; may be empty (an empty message)
  MessageRef info = {};            ///< null: all defaults, nobody waits for the fate
  std::uint16_t segment_size = 0;  ///< >0: datagrams of this size, the last may be shorter (GSO, GRO)
  std::uint8_t ecn = 0;            ///< the two ECN bits of the IP header, on datagram ports
  bool end_of_message = false;     ///< datagram: always true; bytestream: no meaning for the receiver
  std::uint8_t dscp = kOwnDscp;    ///< downwards, on datagram ports: its code point; kOwnDscp: the socket's
  static constexpr std::uint8_t kOwnDscp = 0xff;
};
static_assert(sizeof(Slice) == 16 && sizeof(Chunk) == 32, "part of the ABI");

/// What moves between layers: many chunks, one call. A queue that keeps its memory, so that a connection in
/// steady state allocates nothing for it. Chunks may be edited, narrowed or widened in place.
class Batch {
 public:
  /// Adds a chunk at the end.
  void add(Chunk&& chunk) {
    if (head_ > kCompactAt && head_ * 2 > chunks_.size()) {  // a queue that is never empty must not grow for ever
      chunks_.erase(chunks_.begin(), chunks_.begin() + static_cast<std::ptrdiff_t>(head_));
      head_ = 0;
    }
    chunks_.push_back(std::move(chunk));
  }
  Chunk& front() noexcept { return chunks_[head_]; }  ///< precondition: not empty
  Chunk& back() noexcept { return chunks_.back(); }   ///< precondition: not empty
  /// Takes the first chunk. Precondition: not empty.
  Chunk pop() {
    Chunk chunk = std::move(chunks_[head_++]);
    if (head_ == chunks_.size()) clear();
    return chunk;
  }
  /// Takes all chunks of `other`; swaps when this one is empty.
  void append(Batch& other) {
    if (empty()) {
      clear();
      std::swap(*this, other);
      return;
    }
    while (!other.empty()) add(other.pop());
  }
  /// Drops the first n bytes, as after a partial write. Empty chunks on the way are dropped too.
  void consume(std::size_t n) {
    while (!empty() && n >= front().data.size()) {
      n -= front().data.size();
      pop();
    }
    assert(n == 0 || !empty());
    if (n > 0) front().data.drop_front(static_cast<std::uint32_t>(n));
  }
  /// Drops everything.
  void clear() noexcept {
    chunks_.clear();
    head_ = 0;
  }
  bool empty() const noexcept { return head_ == chunks_.size(); }       ///< no chunk; an empty chunk counts
  std::size_t size() const noexcept { return chunks_.size() - head_; }  ///< chunks
  /// Payload bytes, summed now because chunks are edited in place.
  std::size_t bytes() const noexcept {
    std::size_t n = 0;
    for (const Chunk& chunk : *this) n += chunk.data.size();
    return n;
  }
  Chunk* begin() noexcept { return chunks_.data() + head_; }                     ///< for range-for
  Chunk* end() noexcept { return chunks_.data() + chunks_.size(); }              ///< for range-for
  const Chunk* begin() const noexcept { return chunks_.data() + head_; }         ///< for range-for
  const Chunk* end() const noexcept { return chunks_.data() + chunks_.size(); }  ///< for range-for

 private:
  static constexpr std::size_t kCompactAt = 64;
  std::vector<Chunk> chunks_;
  std::size_t head_ = 0;
};

/// Gives memory for slices. One per loop; blocks go back to it when their last slice goes.
class BlockPool {
 public:
  /// A slice of `size` bytes, not initialised, with room before and behind it (all in bytes). Never fails: out of
  /// memory ends the process.
  virtual Slice allocate(std::uint32_t headroom, std::uint32_t size, std::uint32_t tailroom) = 0;

 protected:
  ~BlockPool() = default;
};

}  // namespace trellis
