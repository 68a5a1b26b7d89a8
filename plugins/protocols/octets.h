// octets.h: bytes as libraries of cryptography want them. Compiled into each protocol that needs it.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

namespace trellis {

inline std::span<const std::uint8_t> octets(std::span<const std::byte> bytes) noexcept {
  return {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
}

}  // namespace trellis
