// block_pool.h: the memory of one loop. Blocks in a few sizes, the last one freed is the first one given again, because
// it is still warm in the cache.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>

#include "trellis/buffer.h"

namespace trellis {

/// The BlockPool of both loops. Not safe for several threads, like every Slice.
///
/// Blocks may outlive the pool: what they share with it lives on until the last of them goes, so the order in which a
/// loop and its connections are destroyed does not matter for memory.
class SizeClassPool final : public BlockPool {
 public:
  /// Capacities in bytes: for a record header or a small message, a datagram, a TLS record, a large read, a large
  /// message of an application. The last three are powers of two and some room for headers and tags.
  static constexpr std::array<std::uint32_t, 5> kCapacities = {448, 2432, 16896, 66048, 263168};
  /// The bytes of a slice begin at a multiple of it, behind more headroom than was asked for: ciphers and checksums
  /// read 16 bytes at a time, and those that cross a line of the cache cost twice.
  static constexpr std::uint32_t kAlignment = 16;
  /// Free blocks kept in each size class; more go back to the system.
  static constexpr std::size_t kCachedBytesPerClass = 4u << 20;

  SizeClassPool();
  SizeClassPool(const SizeClassPool&) = delete;
  SizeClassPool& operator=(const SizeClassPool&) = delete;
  ~SizeClassPool();

  Slice allocate(std::uint32_t headroom, std::uint32_t size, std::uint32_t tailroom) override;

  std::size_t live_bytes() const noexcept;    ///< capacity of the blocks that slices hold; to find leaks
  std::size_t live_blocks() const noexcept;   ///< how many they are
  std::size_t cached_bytes() const noexcept;  ///< capacity of the free blocks kept for reuse

 private:
  struct Shared;
  struct Node;
  static void release(Block* block) noexcept;
  Shared* shared_;  // deleted by the last of: this pool, its blocks
};

}  // namespace trellis
