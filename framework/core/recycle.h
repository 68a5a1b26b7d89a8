// recycle.h: memory for what is made and destroyed with each connection. Blocks of one thread go around among its
// objects of about the same size, warm in the cache, instead of through malloc().
#pragma once
#include <cstddef>
#include <vector>

namespace trellis {

/// As operator new and operator delete. The size may differ between the two by less than kRecycleStep.
void* recycled_new(std::size_t size);
void recycled_delete(void* block, std::size_t size) noexcept;

inline constexpr std::size_t kRecycleStep = 64;  // bytes; sizes are rounded up to it

/// Objects of a class that inherits it.
struct Recycled {
  static void* operator new(std::size_t size) { return recycled_new(size); }
  static void operator delete(void* block, std::size_t size) noexcept { recycled_delete(block, size); }
};

/// What a container holds: an allocator.
template <class T>
struct Recycling {
  using value_type = T;
  Recycling() = default;
  template <class U>
  constexpr Recycling(const Recycling<U>&) noexcept {}
  T* allocate(std::size_t n) { return static_cast<T*>(recycled_new(n * sizeof(T))); }
  void deallocate(T* block, std::size_t n) noexcept { recycled_delete(block, n * sizeof(T)); }
  bool operator==(const Recycling&) const = default;
};
template <class T>
using RecycledVector = std::vector<T, Recycling<T>>;

}  // namespace trellis
