#include "library_memory.h"

#include <malloc.h>

#include <cstdlib>
#include <new>
#include <utility>

namespace trellis::sctp {
namespace {

constexpr std::size_t kStep = 64;                        // bytes; sizes are rounded up to it
constexpr std::size_t kClasses = 40;                     // up to 2.5 KiB: usrsctp's buffers have 2 KiB
constexpr std::size_t kKeptMost = std::size_t{4} << 20;  // bytes

struct Free {
  Free* next;
};

// Class n has blocks of n steps at least. The library has a second thread, which does next to nothing.
struct Kept {
  Free* first[kClasses] = {};
  std::size_t bytes = 0;
  ~Kept() { release(); }
  void release() noexcept {
    for (Free*& free : first)
      while (free != nullptr) std::free(std::exchange(free, free->next));
    bytes = 0;
  }
};
thread_local Kept kept;

}  // namespace

#if defined(__SANITIZE_ADDRESS__)  // it finds what is used too late only if nobody else gets it meanwhile
void* library_malloc(std::size_t bytes) noexcept { return std::malloc(bytes); }
void library_free(void* block) noexcept { std::free(block); }
#else
void* library_malloc(std::size_t bytes) noexcept {
  const std::size_t steps = (bytes + kStep - 1) / kStep;
  if (steps >= kClasses || steps == 0) return std::malloc(bytes);
  Free*& first = kept.first[steps];
  if (first == nullptr) return std::malloc(steps * kStep);
  kept.bytes -= steps * kStep;
  return std::exchange(first, first->next);
}

void library_free(void* block) noexcept {
  if (block == nullptr) return;
  const std::size_t steps = malloc_usable_size(block) / kStep;
  if (steps >= kClasses || steps == 0 || kept.bytes + steps * kStep > kKeptMost) return std::free(block);
  kept.bytes += steps * kStep;
  kept.first[steps] = new (block) Free{kept.first[steps]};
}
#endif

void release_library_memory() noexcept { kept.release(); }

}  // namespace trellis::sctp
