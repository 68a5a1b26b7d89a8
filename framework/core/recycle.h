// recycle.h: memory for what is made and destroyed with each connection. Blocks of one thread go around among its
// objects of about the same size, warm in the cache, instead of through malloc().
#pragma once
#include <cstddef>

namespace trellis {

/// As operator new and operator delete. The size may differ between the two by less than kRecycleStep.
void* recycled_new(std::size_t size);
void recycled_delete(void* block, std::size_t size) noexcept;

inline constexpr std::size_t kRecycleStep = 64;  // bytes; sizes are rounded up to it

}  // namespace trellis
