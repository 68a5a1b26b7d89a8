// heap_pool.h: blocks from the heap, each by itself, for tests: a sanitizer sees every byte too far.
#pragma once
#include "trellis/buffer.h"

namespace trellis::tls {

struct HeapPool final : BlockPool {
  Slice allocate(std::uint32_t headroom, std::uint32_t size, std::uint32_t tailroom) override {
    const std::uint32_t capacity = headroom + size + tailroom;
    auto* block = new Block{new std::byte[capacity + 1], capacity, 1, [](Block* gone) noexcept {
                              delete[] gone->data;
                              delete gone;
                            }};
    return {block, headroom, size};
  }
};

}  // namespace trellis::tls
