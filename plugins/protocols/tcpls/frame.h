// frame.h: the frames of TCPLS (draft-piraux-tcpls-00 section 5.2). A record
// holds whole frames, back to back.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <variant>

#include "record/record.h"
#include "trellis/buffer.h"

namespace trellis::tcpls {

using Token = std::array<std::byte, 32>;

inline constexpr std::uint32_t kStreamHeader = 15;                                   ///< in front of the data
inline constexpr std::uint32_t kStreamDataMax = tls::kPlaintextMax - kStreamHeader;  ///< in one frame

/// The peer wants to know whether its records arrive.
struct Ping {
  static constexpr std::uint32_t kSize = 1;  ///< bytes on the wire, as in all of them
  bool operator==(const Ping&) const = default;
};
/// Bytes of a stream. Offset + size is the final size if `fin`.
struct StreamData {
  std::uint32_t stream = 0;
  std::uint64_t offset = 0;
  Slice data = {};
  bool fin = false;
};
/// All records up to this one have arrived on the connection.
struct Ack {
  static constexpr std::uint32_t kSize = 13;
  std::uint32_t connection = 0;
  std::uint64_t sequence = 0;
  bool operator==(const Ack&) const = default;
};
/// Invites to one more connection, whose id will be `sequence`.
struct NewToken {
  static constexpr std::uint32_t kSize = 34;
  std::uint8_t sequence = 0;
  Token token{};
  bool operator==(const NewToken&) const = default;
};
/// The connection was reset or has failed.
struct ConnectionReset {
  static constexpr std::uint32_t kSize = 5;
  std::uint32_t connection = 0;
  bool operator==(const ConnectionReset&) const = default;
};

using Frame = std::variant<Ping, StreamData, Ack, NewToken, ConnectionReset>;

/// Reads the frames of a record, front to back. Padding is skipped.
class FrameReader {
 public:
  explicit FrameReader(Slice payload) noexcept : rest_(std::move(payload)) {}
  /// None: the record is over. Fails with illegal_parameter (an unknown type)
  /// or decode_error (a frame that is cut off); the session must end then,
  /// because frames cannot be skipped.
  Result<std::optional<Frame>> next() noexcept;

 private:
  Result<std::span<const std::byte>> fields(std::uint32_t size, const char* name) noexcept;
  Slice rest_;
};

/// Writes frames into a buffer that is large enough.
class FrameWriter {
 public:
  explicit FrameWriter(std::span<std::byte> room) noexcept : room_(room) {}
  void put(const Ping&) noexcept;
  void put(const Ack&) noexcept;
  void put(const NewToken&) noexcept;
  void put(const ConnectionReset&) noexcept;
  void put(std::uint32_t stream, std::uint64_t offset, std::span<const std::byte> data, bool fin) noexcept;
  /// Of a Stream frame; `size` bytes of data follow it.
  void put_header(std::uint32_t stream, std::uint64_t offset, std::uint32_t size, bool fin) noexcept;
  void bytes(std::span<const std::byte> from) noexcept;
  void pad(std::uint32_t bytes) noexcept;
  std::uint32_t written() const noexcept { return at_; }
  std::uint32_t left() const noexcept { return static_cast<std::uint32_t>(room_.size()) - at_; }

 private:
  void byte(std::uint8_t value) noexcept { room_[at_++] = static_cast<std::byte>(value); }
  template <class Number>
  void number(Number value) noexcept;  // in network byte order
  std::span<std::byte> room_;
  std::uint32_t at_ = 0;
};

}  // namespace trellis::tcpls
