// crc32c.cc: CRC32c, with polynomial 0x1EDC6F41, bits reflected.
#include "crc32c.h"

#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace trellis::sctp {
namespace {

constexpr std::size_t kHeader = 12, kChecksumAt = 8;

// Eight bytes at a time: table n tells what a byte does that n others follow.
constexpr auto kTables = [] {
  std::array<std::array<std::uint32_t, 256>, 8> tables{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78u : 0u);
    tables[0][i] = crc;
  }
  for (std::size_t n = 1; n < 8; ++n) {
    for (std::size_t i = 0; i < 256; ++i) tables[n][i] = (tables[n - 1][i] >> 8) ^ tables[0][tables[n - 1][i] & 0xff];
  }
  return tables;
}();

std::uint8_t octet(std::byte b) noexcept { return std::to_integer<std::uint8_t>(b); }

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) std::uint32_t crc32c_by_processor(std::uint32_t state,
                                                                    std::span<const std::byte> bytes) noexcept {
  std::uint64_t crc = state;
  for (; bytes.size() >= 8; bytes = bytes.subspan(8)) {
    std::uint64_t word;
    std::memcpy(&word, bytes.data(), 8);
    crc = _mm_crc32_u64(crc, word);
  }
  for (const std::byte b : bytes) crc = _mm_crc32_u8(static_cast<std::uint32_t>(crc), octet(b));
  return static_cast<std::uint32_t>(crc);
}

const bool kByProcessor = __builtin_cpu_supports("sse4.2") != 0;
#endif

// The checksum as if its own field were zero; the field need not be writable.
std::uint32_t checksum(std::span<const std::byte> packet) noexcept {
  constexpr std::byte kZeros[4] = {};
  std::uint32_t crc = crc32c(kCrcStart, packet.first(kChecksumAt));
  crc = crc32c(crc, kZeros);
  return ~crc32c(crc, packet.subspan(kHeader));
}

}  // namespace

std::uint32_t crc32c_by_tables(std::uint32_t crc, std::span<const std::byte> bytes) noexcept {
  for (; bytes.size() >= 8; bytes = bytes.subspan(8)) {
    std::uint32_t next = 0;
    for (std::size_t i = 0; i < 4; ++i) next ^= kTables[7 - i][octet(bytes[i]) ^ ((crc >> (8 * i)) & 0xff)];
    for (std::size_t i = 4; i < 8; ++i) next ^= kTables[7 - i][octet(bytes[i])];
    crc = next;
  }
  for (const std::byte b : bytes) crc = (crc >> 8) ^ kTables[0][(crc ^ octet(b)) & 0xff];
  return crc;
}

std::uint32_t crc32c(std::uint32_t state, std::span<const std::byte> bytes) noexcept {
#if defined(__x86_64__)
  if (kByProcessor) return crc32c_by_processor(state, bytes);
#endif
  return crc32c_by_tables(state, bytes);
}

void seal_packet(std::span<std::byte> packet) noexcept {
  const std::uint32_t crc = checksum(packet);
  for (unsigned i = 0; i < 4; ++i) packet[kChecksumAt + i] = static_cast<std::byte>(crc >> (8 * i));
}

bool packet_is_sound(std::span<const std::byte> packet) noexcept {
  if (packet.size() < kHeader) return false;
  std::uint32_t said = 0;
  for (unsigned i = 0; i < 4; ++i) said |= std::uint32_t{octet(packet[kChecksumAt + i])} << (8 * i);
  return said == checksum(packet);
}

}  // namespace trellis::sctp
