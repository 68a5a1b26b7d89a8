// chunks.h: what a packet is made of (RFC 9260 section 3): a common header and chunks. For what is ours to do beside
// usrsctp: the paths of an association that has several.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace trellis::sctp {

inline constexpr std::size_t kPacketHeader = 12;  // ports, verification tag, checksum
inline constexpr std::size_t kChunkHeader = 4;    // type, flags, length; of a parameter: type, length
inline constexpr std::size_t kTagAt = 4;
inline constexpr std::size_t kInitFields = 16;  // of an INIT or INIT ACK, before its parameters; the tag is the first
inline constexpr std::size_t kTsnInInit = 12;   // of these
inline constexpr std::uint8_t kIData = 0x40, kReConfig = 0x82;  // RFC 8260, RFC 6525

/// Big-endian numbers. Precondition: they are there.
constexpr std::uint16_t read_16(std::span<const std::byte> bytes, std::size_t at) noexcept {
  return static_cast<std::uint16_t>(std::to_integer<unsigned>(bytes[at]) << 8 |
                                    std::to_integer<unsigned>(bytes[at + 1]));
}
constexpr std::uint32_t read_32(std::span<const std::byte> bytes, std::size_t at) noexcept {
  return std::uint32_t{read_16(bytes, at)} << 16 | read_16(bytes, at + 2);
}
constexpr void write_16(std::span<std::byte> bytes, std::size_t at, std::size_t value) noexcept {
  bytes[at] = static_cast<std::byte>(value >> 8);
  bytes[at + 1] = static_cast<std::byte>(value);
}
constexpr void write_32(std::span<std::byte> bytes, std::size_t at, std::uint32_t value) noexcept {
  write_16(bytes, at, value >> 16);
  write_16(bytes, at + 2, value);
}
constexpr std::size_t padded(std::size_t length) noexcept { return (length + 3) / 4 * 4; }

/// The verification tag of a packet; 0: it is too short.
constexpr std::uint32_t tag_of(std::span<const std::byte> packet) noexcept {
  return packet.size() < kPacketHeader ? 0 : read_32(packet, kTagAt);
}
/// The type of the first chunk of a packet; -1: it has none.
constexpr int first_type(std::span<const std::byte> packet) noexcept {
  return packet.size() < kPacketHeader + kChunkHeader ? -1 : std::to_integer<int>(packet[kPacketHeader]);
}
/// The tag that the sender of a packet with an INIT or INIT ACK wants to see; 0: it is too short.
constexpr std::uint32_t initiate_tag(std::span<const std::byte> packet) noexcept {
  constexpr std::size_t kAt = kPacketHeader + kChunkHeader;
  return packet.size() < kAt + kInitFields ? 0 : read_32(packet, kAt);
}

/// Its initial TSN. Precondition: initiate_tag() is not 0.
constexpr std::uint32_t initial_tsn(std::span<const std::byte> packet) noexcept {
  return read_32(packet, kPacketHeader + kChunkHeader + kTsnInInit);
}
/// Whether a packet comes from where one with this header goes: its ports are those turned round, its tag is this one.
constexpr bool comes_back(std::span<const std::byte> packet, std::span<const std::byte> header,
                          std::uint32_t tag) noexcept {
  return tag_of(packet) == tag && packet.size() >= kPacketHeader && read_16(packet, 0) == read_16(header, 2) &&
         read_16(packet, 2) == read_16(header, 0);
}

/// A chunk, or a parameter of one.
struct Item {
  std::uint16_t type = 0;              ///< of a chunk: in the high byte; the flags are in the low one
  std::span<const std::byte> value{};  ///< without header and padding
  std::uint8_t chunk() const noexcept { return static_cast<std::uint8_t>(type >> 8); }  ///< type of a chunk
};

/// Takes the first one from what is left of a packet, or of a chunk. Empty: there is none that is whole.
constexpr std::optional<Item> take_item(std::span<const std::byte>& rest) noexcept {
  if (rest.size() < kChunkHeader) return {};
  const std::size_t length = read_16(rest, 2);
  if (length < kChunkHeader || length > rest.size()) return {};
  const Item item{read_16(rest, 0), rest.subspan(kChunkHeader, length - kChunkHeader)};
  rest = rest.subspan(padded(length) < rest.size() ? padded(length) : rest.size());
  return item;
}

/// Puts a parameter behind what is there. Not padded.
inline void append_item(std::vector<std::byte>& to, std::uint16_t type, std::span<const std::byte> value) {
  const std::size_t at = to.size();
  to.resize(at + kChunkHeader);
  write_16(to, at, type);
  write_16(to, at + 2, kChunkHeader + value.size());
  to.insert(to.end(), value.begin(), value.end());
}
/// Behind parameters that are padded: so is the last one then.
inline void pad(std::vector<std::byte>& parameters) { parameters.resize(padded(parameters.size())); }

/// What is behind the common header.
constexpr std::span<const std::byte> chunks_of(std::span<const std::byte> packet) noexcept {
  return packet.size() < kPacketHeader ? std::span<const std::byte>() : packet.subspan(kPacketHeader);
}

}  // namespace trellis::sctp
