// block_pool.cc: see block_pool.h.
#include "loop/block_pool.h"

#include <cstdio>
#include <cstdlib>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#endif

namespace trellis {

struct SizeClassPool::Node : Block {
  Node* next;        // in the free list
  Shared* shared;    // of the pool that made it
  std::size_t kind;  // index of its size class; kCapacities.size(): larger than all, never kept
};

struct SizeClassPool::Shared {
  std::array<Node*, kCapacities.size()> free{};
  std::array<std::size_t, kCapacities.size()> cached{};  // length of each free list
  std::size_t live_bytes = 0;
  std::size_t live_blocks = 0;
  bool orphaned = false;  // the pool is gone
};

namespace {

[[noreturn]] void out_of_memory(std::size_t wanted) {
  std::fprintf(stderr, "trellis: out of memory: a block of %zu bytes was asked for\n", wanted);
  std::abort();
}

std::size_t class_of(std::size_t capacity) noexcept {
  std::size_t kind = 0;
  while (kind < SizeClassPool::kCapacities.size() && SizeClassPool::kCapacities[kind] < capacity) ++kind;
  return kind;
}

}  // namespace

SizeClassPool::SizeClassPool() : shared_(new Shared) {}

SizeClassPool::~SizeClassPool() {
  for (Node* node : shared_->free) {
    while (node != nullptr) std::free(std::exchange(node, node->next));
  }
  shared_->orphaned = true;
  if (shared_->live_blocks == 0) delete shared_;
}

Slice SizeClassPool::allocate(std::uint32_t headroom, std::uint32_t size, std::uint32_t tailroom) {
  static_assert(sizeof(Node) % kAlignment == 0 && alignof(std::max_align_t) % kAlignment == 0,
                "the bytes behind the header are aligned as malloc's");
  headroom = (headroom + kAlignment - 1) / kAlignment * kAlignment;
  const std::size_t wanted = std::size_t{headroom} + size + tailroom;
  if (wanted > INT32_MAX) out_of_memory(wanted);  // a Slice counts with 31 bits
  const std::size_t kind = class_of(wanted);
  const std::size_t capacity = kind < kCapacities.size() ? kCapacities[kind] : wanted;
  Node* node;
  if (kind < kCapacities.size() && shared_->free[kind] != nullptr) {
    node = shared_->free[kind];
    shared_->free[kind] = node->next;
    --shared_->cached[kind];
    ASAN_UNPOISON_MEMORY_REGION(node->data, node->capacity);
  } else {
    void* memory = std::malloc(sizeof(Node) + capacity);
    if (memory == nullptr) out_of_memory(wanted);
    node = new (memory) Node;
    node->data = static_cast<std::byte*>(memory) + sizeof(Node);
    node->capacity = static_cast<std::uint32_t>(capacity);
    node->release = &SizeClassPool::release;
    node->shared = shared_;
    node->kind = kind;
  }
  node->references = 1;
  shared_->live_bytes += capacity;
  ++shared_->live_blocks;
  return {node, headroom, size};
}

void SizeClassPool::release(Block* block) noexcept {
  Node* node = static_cast<Node*>(block);
  Shared& shared = *node->shared;
  shared.live_bytes -= node->capacity;
  --shared.live_blocks;
  const std::size_t kind = node->kind;
  if (!shared.orphaned && kind < kCapacities.size() &&
      (shared.cached[kind] + 1) * kCapacities[kind] <= kCachedBytesPerClass) {
    node->next = shared.free[kind];
    shared.free[kind] = node;
    ++shared.cached[kind];
    ASAN_POISON_MEMORY_REGION(node->data, node->capacity);  // a slice that is used too late is found, as with free()
    return;
  }
  std::free(node);
  if (shared.orphaned && shared.live_blocks == 0) delete &shared;
}

std::size_t SizeClassPool::live_bytes() const noexcept { return shared_->live_bytes; }

std::size_t SizeClassPool::live_blocks() const noexcept { return shared_->live_blocks; }

std::size_t SizeClassPool::cached_bytes() const noexcept {
  std::size_t bytes = 0;
  for (std::size_t kind = 0; kind < kCapacities.size(); ++kind) bytes += shared_->cached[kind] * kCapacities[kind];
  return bytes;
}

}  // namespace trellis
