// record_header.h: the headers of records and of handshake messages (RFC 6347 sections 4.1 and 4.2.2).
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "record/record.h"

namespace trellis::dtls {

using tls::ContentType;

inline constexpr std::size_t kRecordHeader = 13;
inline constexpr std::size_t kMessageHeader = 12;
inline constexpr std::size_t kFragmentMost = 1 << 14;  ///< bytes of content in one record
inline constexpr std::uint16_t kVersion12 = 0xfefd;
inline constexpr unsigned kEpochShift = 48;  ///< the epoch is above the sequence number

inline constexpr std::uint64_t kFirstSealed = std::uint64_t{1} << kEpochShift;  ///< number of epoch 1's first record

/// Those handshake messages that are told apart here (RFC 6347 section 4.3.2).
enum class MessageType : std::uint8_t { none = 0, client_hello = 1, server_hello = 2, hello_verify_request = 3 };

/// The header of a record.
struct RecordHeader {
  ContentType type = ContentType::invalid;
  std::uint16_t version = kVersion12;
  std::uint64_t number = 0;  ///< epoch and sequence number
  std::uint16_t length = 0;  ///< bytes behind the header

  std::uint16_t epoch() const noexcept { return static_cast<std::uint16_t>(number >> kEpochShift); }
  /// Reads the record that a datagram begins with. Nothing: it has no whole record of DTLS.
  static std::optional<RecordHeader> read(std::span<const std::byte> datagram) noexcept;
  void write(std::span<std::byte, kRecordHeader> out) const noexcept;
};

/// The header of a handshake message, or of a piece of one.
struct MessageHeader {
  MessageType type = MessageType::none;
  std::uint32_t length = 0;  ///< bytes of the whole message without its header
  std::uint16_t sequence = 0;
  std::uint32_t offset = 0, piece = 0;  ///< which bytes of it follow

  bool whole() const noexcept { return offset == 0 && piece == length; }
  /// Reads what a record goes on with. Nothing: no header, or one that contradicts itself or what follows it.
  static std::optional<MessageHeader> read(std::span<const std::byte> record) noexcept;
  void write(std::span<std::byte, kMessageHeader> out) const noexcept;
};

/// A number in network order. Precondition: it is all there.
template <std::size_t Bytes>
std::uint64_t number_at(std::span<const std::byte> from, std::size_t at) noexcept {
  std::uint64_t number = 0;
  for (const std::byte byte : from.subspan(at, Bytes)) number = number << 8 | std::to_integer<std::uint64_t>(byte);
  return number;
}

}  // namespace trellis::dtls
