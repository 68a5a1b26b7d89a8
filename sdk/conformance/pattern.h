// pattern.h: bytes that say where they belong, so that a receiver can judge every one of them without a copy of what
// was sent: the byte at a place of a stream or message depends on the key of the stream and on the place.
#pragma once
#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

#include "loop/seeded_random.h"

namespace trellis::conformance {

/// How a run of eight bytes looks. Text has only digits, letters and a few signs: nothing that ends a line or quotes.
constexpr std::uint64_t pattern_word(std::uint64_t key, std::uint64_t at, bool text) noexcept {
  const std::uint64_t word = mix(key + (at >> 3));
  return text ? (word & 0x3f3f3f3f3f3f3f3fu) + 0x3030303030303030u : word;
}

/// The byte at place `at`.
constexpr std::byte pattern(std::uint64_t key, std::uint64_t at, bool text) noexcept {
  return static_cast<std::byte>(pattern_word(key, at, text) >> ((at & 7) * 8));
}

/// Fills `out` with the bytes from place `at` on.
inline void fill_pattern(std::span<std::byte> out, std::uint64_t key, std::uint64_t at, bool text) noexcept {
  std::size_t i = 0;
  for (; i < out.size() && ((at + i) & 7) != 0; ++i) out[i] = pattern(key, at + i, text);
  for (; std::endian::native == std::endian::little && i + 8 <= out.size(); i += 8) {
    const std::uint64_t word = pattern_word(key, at + i, text);
    std::memcpy(out.data() + i, &word, sizeof word);
  }
  for (; i < out.size(); ++i) out[i] = pattern(key, at + i, text);
}

/// Where `bytes` stop being those from place `at` on; nothing: they all are.
inline std::optional<std::size_t> find_mismatch(std::span<const std::byte> bytes, std::uint64_t key, std::uint64_t at,
                                                bool text) noexcept {
  std::size_t i = 0;
  for (; i < bytes.size() && ((at + i) & 7) != 0; ++i) {
    if (bytes[i] != pattern(key, at + i, text)) return i;
  }
  for (; std::endian::native == std::endian::little && i + 8 <= bytes.size(); i += 8) {
    std::uint64_t word;
    std::memcpy(&word, bytes.data() + i, sizeof word);
    if (word != pattern_word(key, at + i, text)) break;
  }
  for (; i < bytes.size(); ++i) {
    if (bytes[i] != pattern(key, at + i, text)) return i;
  }
  return std::nullopt;
}

}  // namespace trellis::conformance
