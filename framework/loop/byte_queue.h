// byte_queue.h: bytes in, bytes out, in one piece of memory: the buffers of simulated TCP.
#pragma once
#include <cassert>
#include <cstddef>
#include <span>
#include <vector>

namespace trellis {

/// A queue of bytes whose content can be looked at anywhere.
class ByteQueue {
 public:
  void append(std::span<const std::byte> bytes) { bytes_.insert(bytes_.end(), bytes.begin(), bytes.end()); }
  /// Forgets the first n bytes. Precondition: n <= size().
  void drop_front(std::size_t n) {
    assert(n <= size());
    head_ += n;
    if (head_ * 2 < bytes_.size()) return;  // moving the rest is cheap only when it is the smaller half
    bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(head_));
    head_ = 0;
  }
  /// Precondition: offset + n <= size().
  std::span<const std::byte> view(std::size_t offset, std::size_t n) const noexcept {
    assert(offset + n <= size());
    return {bytes_.data() + head_ + offset, n};
  }
  std::size_t size() const noexcept { return bytes_.size() - head_; }  ///< bytes in the queue
  bool empty() const noexcept { return size() == 0; }                  ///< no byte in the queue

 private:
  std::vector<std::byte> bytes_;
  std::size_t head_ = 0;
};

}  // namespace trellis
