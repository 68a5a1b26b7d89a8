#include "allocation_count.h"

#include <malloc.h>

#include <atomic>
#include <cerrno>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)

namespace trellis::bench {
AllocationCount allocation_count() { return {}; }
bool count_allocations() { return false; }
}  // namespace trellis::bench

#else

// The C library's own, under their second names; NOLINTBEGIN because those names are its choice.
// NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming)
extern "C" {
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* block, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);
void __libc_free(void* block);
}
// NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming)

namespace {

std::atomic<bool> counting;
// Atomic only so that several threads do no harm; adding with a lock prefix would slow what is measured.
std::atomic<std::uint64_t> calls;
std::atomic<std::size_t> live_bytes;

std::size_t footprint(void* block) { return block == nullptr ? 0 : malloc_usable_size(block) + sizeof(std::size_t); }

template <class T>
void add(std::atomic<T>& counter, T n) {
  counter.store(counter.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
}

void* counted(void* block) {
  if (!counting.load(std::memory_order_relaxed)) return block;
  add(calls, std::uint64_t{1});
  add(live_bytes, footprint(block));
  return block;
}

void forget(void* block) {
  if (counting.load(std::memory_order_relaxed)) add(live_bytes, std::size_t{0} - footprint(block));
}

}  // namespace

extern "C" {
void* malloc(std::size_t size) { return counted(__libc_malloc(size)); }
void* calloc(std::size_t count, std::size_t size) { return counted(__libc_calloc(count, size)); }
void* realloc(void* block, std::size_t size) {
  forget(block);
  return counted(__libc_realloc(block, size));
}
void* memalign(std::size_t alignment, std::size_t size) { return counted(__libc_memalign(alignment, size)); }
void* aligned_alloc(std::size_t alignment, std::size_t size) { return counted(__libc_memalign(alignment, size)); }
int posix_memalign(void** block, std::size_t alignment, std::size_t size) {
  void* made = counted(__libc_memalign(alignment, size));
  if (made == nullptr) return ENOMEM;
  *block = made;
  return 0;
}
void free(void* block) {
  forget(block);
  __libc_free(block);
}
}

namespace trellis::bench {
AllocationCount allocation_count() {
  return {calls.load(std::memory_order_relaxed), live_bytes.load(std::memory_order_relaxed)};
}
bool count_allocations() { return counting = true; }
}  // namespace trellis::bench

#endif
