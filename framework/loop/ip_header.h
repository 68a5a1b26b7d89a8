// ip_header.h: the IPv4 header that a raw socket gives with each packet.
#pragma once
#include <cstddef>
#include <span>

namespace trellis {

/// Bytes of the header at the front of an IPv4 packet, options included (RFC 791 section 3.1); 0: it is no IPv4 packet,
/// or the header is not all there.
constexpr std::size_t ipv4_header_bytes(std::span<const std::byte> packet) noexcept {
  constexpr std::size_t kLeast = 20;
  if (packet.size() < kLeast || std::to_integer<unsigned>(packet[0]) >> 4 != 4) return 0;
  const std::size_t bytes = (std::to_integer<std::size_t>(packet[0]) & 15) * 4;
  return bytes < kLeast || bytes > packet.size() ? 0 : bytes;
}

}  // namespace trellis
