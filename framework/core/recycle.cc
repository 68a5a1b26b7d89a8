#include "core/recycle.h"

#include <new>
#include <utility>

namespace trellis {
namespace {

constexpr std::size_t kClasses = 32;    // up to 2 KiB; what is larger goes through malloc()
constexpr unsigned kKeptPerClass = 64;  // so at most 2 MiB wait in each thread that runs connections

struct Free {
  Free* next;
};

struct Recycler {
  Free* first[kClasses] = {};
  unsigned kept[kClasses] = {};
  ~Recycler() {
    for (Free* free : first) {
      while (free != nullptr) ::operator delete(std::exchange(free, free->next));
    }
  }
};
thread_local Recycler recycler;

}  // namespace

#if defined(__SANITIZE_ADDRESS__)  // it finds what is used too late only if nobody else gets it meanwhile
void* recycled_new(std::size_t size) { return ::operator new(size); }
void recycled_delete(void* block, std::size_t) noexcept { ::operator delete(block); }
#else
static std::size_t class_of(std::size_t size) { return (size - 1) / kRecycleStep; }

void* recycled_new(std::size_t size) {
  const std::size_t kind = class_of(size);
  if (kind >= kClasses) return ::operator new(size);
  Free*& first = recycler.first[kind];
  if (first == nullptr) return ::operator new((kind + 1) * kRecycleStep);
  --recycler.kept[kind];
  return std::exchange(first, first->next);
}

void recycled_delete(void* block, std::size_t size) noexcept {
  const std::size_t kind = class_of(size);
  if (kind >= kClasses || recycler.kept[kind] == kKeptPerClass) return ::operator delete(block);
  ++recycler.kept[kind];
  recycler.first[kind] = new (block) Free{recycler.first[kind]};
}
#endif

}  // namespace trellis
