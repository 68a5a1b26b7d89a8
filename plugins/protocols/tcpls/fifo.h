// fifo.h: a queue in a ring that keeps its memory: in steady state it allocates and moves nothing.
#pragma once
#include <cstddef>
#include <utility>
#include <vector>

namespace trellis::tcpls {

template <class T>
class Fifo {
 public:
  void add(T item) {
    if (size_ == ring_.size()) grow();
    ring_[(head_ + size_++) & (ring_.size() - 1)] = std::move(item);
  }
  bool empty() const noexcept { return size_ == 0; }
  std::size_t size() const noexcept { return size_; }
  /// The i-th from the front. Precondition: there is one.
  T& operator[](std::size_t i) noexcept { return ring_[(head_ + i) & (ring_.size() - 1)]; }
  const T& operator[](std::size_t i) const noexcept { return ring_[(head_ + i) & (ring_.size() - 1)]; }
  const T& front() const noexcept { return ring_[head_]; }  ///< precondition: not empty
  const T& back() const noexcept {
    return ring_[(head_ + size_ - 1) & (ring_.size() - 1)];
  }  ///< precondition: not empty
  void drop_back() { ring_[(head_ + --size_) & (ring_.size() - 1)] = T(); }  ///< precondition: not empty
  /// Precondition: not empty.
  T pop() {
    T item = std::move(ring_[head_]);
    head_ = (head_ + 1) & (ring_.size() - 1);
    --size_;
    return item;
  }

  /// Takes this item out, if it is here.
  void erase(const T& item) {
    for (std::size_t left = size_; left > 0; --left) {
      T front = pop();
      if (front != item) add(std::move(front));
    }
  }

 private:
  static constexpr std::size_t kLeast = 16;  // a power of two, as all sizes of the ring
  void grow() {
    std::vector<T> larger(ring_.empty() ? kLeast : ring_.size() * 2);
    for (std::size_t i = 0; i < size_; ++i) larger[i] = std::move((*this)[i]);
    ring_ = std::move(larger);
    head_ = 0;
  }
  std::vector<T> ring_;
  std::size_t head_ = 0, size_ = 0;
};

}  // namespace trellis::tcpls
