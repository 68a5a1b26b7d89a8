#include "allocation_count.h"

#include <link.h>
#include <malloc.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)

namespace trellis::bench {
AllocationCount allocation_count() { return {}; }
bool count_allocations() { return false; }
void overlook_calls_of(std::initializer_list<std::string_view>) {}
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

// Code of libraries whose calls do not count.
struct Text {
  std::uintptr_t begin, end;
};
std::array<Text, 64> overlooked;
std::size_t overlooked_count = 0;

bool counts(const void* caller) {
  const auto at = reinterpret_cast<std::uintptr_t>(caller);
  const auto end = overlooked.begin() + static_cast<std::ptrdiff_t>(overlooked_count);
  return std::none_of(overlooked.begin(), end, [at](const Text& t) { return t.begin <= at && at < t.end; });
}

void* counted(void* block, const void* caller) {
  if (!counting.load(std::memory_order_relaxed)) return block;
  if (counts(caller)) add(calls, std::uint64_t{1});
  add(live_bytes, footprint(block));
  return block;
}

void forget(void* block) {
  if (counting.load(std::memory_order_relaxed)) add(live_bytes, std::size_t{0} - footprint(block));
}

}  // namespace

extern "C" {
void* malloc(std::size_t size) { return counted(__libc_malloc(size), __builtin_return_address(0)); }
void* calloc(std::size_t count, std::size_t size) {
  return counted(__libc_calloc(count, size), __builtin_return_address(0));
}
void* realloc(void* block, std::size_t size) {
  forget(block);
  return counted(__libc_realloc(block, size), __builtin_return_address(0));
}
void* memalign(std::size_t alignment, std::size_t size) {
  return counted(__libc_memalign(alignment, size), __builtin_return_address(0));
}
void* aligned_alloc(std::size_t alignment, std::size_t size) {
  return counted(__libc_memalign(alignment, size), __builtin_return_address(0));
}
int posix_memalign(void** block, std::size_t alignment, std::size_t size) {
  void* made = counted(__libc_memalign(alignment, size), __builtin_return_address(0));
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

void overlook_calls_of(std::initializer_list<std::string_view> libraries) {
  const auto look = [](dl_phdr_info* object, std::size_t, void* wanted) {
    const auto& names = *static_cast<const std::initializer_list<std::string_view>*>(wanted);
    const std::string_view name = object->dlpi_name;
    if (std::ranges::none_of(names, [name](std::string_view n) { return name.contains(n); })) return 0;
    for (int i = 0; i < object->dlpi_phnum && overlooked_count < overlooked.size(); ++i) {
      const auto& part = object->dlpi_phdr[i];
      if (part.p_type != PT_LOAD || (part.p_flags & PF_X) == 0) continue;
      const std::uintptr_t begin = object->dlpi_addr + part.p_vaddr;
      overlooked[overlooked_count++] = {begin, begin + part.p_memsz};
    }
    return 0;
  };
  overlooked_count = 0;
  dl_iterate_phdr(look, &libraries);
}
}  // namespace trellis::bench

#endif
