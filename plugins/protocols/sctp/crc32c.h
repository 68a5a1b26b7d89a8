// crc32c.h: the checksum of every SCTP packet (RFC 9260 appendix A). By the processor where it can (SSE4.2), else by
// tables.
#pragma once
#include <cstdint>
#include <span>

namespace trellis::sctp {

/// Goes on with a checksum; the first piece begins with kCrcStart.
std::uint32_t crc32c(std::uint32_t state, std::span<const std::byte> bytes) noexcept;
/// The same without the processor's help.
std::uint32_t crc32c_by_tables(std::uint32_t state, std::span<const std::byte> bytes) noexcept;
inline constexpr std::uint32_t kCrcStart = 0xffffffff;

/// Writes the checksum into a packet. Precondition: it holds a common header (12 bytes).
void seal_packet(std::span<std::byte> packet) noexcept;
/// True: long enough for a common header, and the checksum is right.
bool packet_is_sound(std::span<const std::byte> packet) noexcept;

}  // namespace trellis::sctp
