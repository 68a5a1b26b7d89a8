#include "frame.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <format>

namespace trellis::tcpls {
namespace {

using tls::AlertDescription;

constexpr std::uint8_t kPadding = 0;
constexpr std::uint8_t kPing = 1;
constexpr std::uint8_t kStream = 2;
constexpr std::uint8_t kStreamFin = 3;
constexpr std::uint8_t kAck = 4;
constexpr std::uint8_t kNewToken = 5;
constexpr std::uint8_t kConnectionReset = 6;

template <class Number>
Number in_network_order(Number number) noexcept {
  return std::endian::native == std::endian::little ? std::byteswap(number) : number;
}
template <class Number>
Number number_at(std::span<const std::byte> bytes, std::size_t at) noexcept {
  Number number;
  std::memcpy(&number, bytes.subspan(at, sizeof number).data(), sizeof number);
  return in_network_order(number);
}

}  // namespace

// Precondition: rest_ begins with the frame's type.
Result<std::span<const std::byte>> FrameReader::fields(std::uint32_t size, const char* name) noexcept {
  if (rest_.size() < size) {
    return tls::fail(AlertDescription::decode_error,
                     std::format("the peer sent a {} frame of {} bytes, expected {}", name, rest_.size(), size));
  }
  return rest_.bytes().first(size);
}

Result<std::optional<Frame>> FrameReader::next() noexcept {
  const auto bytes = rest_.bytes();
  const auto begin = std::ranges::find_if(bytes, [](std::byte b) { return b != std::byte{kPadding}; });
  rest_.drop_front(static_cast<std::uint32_t>(begin - bytes.begin()));
  if (rest_.size() == 0) return std::nullopt;
  const auto type = std::to_integer<std::uint8_t>(rest_.bytes()[0]);
  const auto take = [this](std::uint32_t size, Frame frame) {
    rest_.drop_front(size);
    return std::optional<Frame>(std::move(frame));
  };
  switch (type) {
    case kPing: return take(Ping::kSize, Ping{});
    case kStream:
    case kStreamFin: {
      auto f = fields(kStreamHeader, "Stream");
      if (!f) return trellis::fail(std::move(f));
      const std::uint32_t size = number_at<std::uint16_t>(*f, 13);
      StreamData frame{.stream = number_at<std::uint32_t>(*f, 1), .offset = number_at<std::uint64_t>(*f, 5)};
      frame.fin = type == kStreamFin;
      if (auto whole = fields(kStreamHeader + size, "Stream"); !whole) return trellis::fail(std::move(whole));
      rest_.drop_front(kStreamHeader);
      frame.data = rest_.split_front(size);
      return std::optional<Frame>(std::move(frame));
    }
    case kAck: {
      auto f = fields(Ack::kSize, "ACK");
      if (!f) return trellis::fail(std::move(f));
      return take(Ack::kSize, Ack{number_at<std::uint32_t>(*f, 1), number_at<std::uint64_t>(*f, 5)});
    }
    case kNewToken: {
      auto f = fields(NewToken::kSize, "New Token");
      if (!f) return trellis::fail(std::move(f));
      NewToken frame{.sequence = std::to_integer<std::uint8_t>((*f)[1])};
      std::ranges::copy(f->subspan(2), frame.token.begin());
      return take(NewToken::kSize, frame);
    }
    case kConnectionReset: {
      auto f = fields(ConnectionReset::kSize, "Connection Reset");
      if (!f) return trellis::fail(std::move(f));
      return take(ConnectionReset::kSize, ConnectionReset{number_at<std::uint32_t>(*f, 1)});
    }
    default:
      return tls::fail(AlertDescription::illegal_parameter,
                       std::format("the peer sent a frame of type {:#04x}, which does not exist", type));
  }
}

template <class Number>
void FrameWriter::number(Number value) noexcept {
  value = in_network_order(value);
  std::memcpy(room_.subspan(at_, sizeof value).data(), &value, sizeof value);
  at_ += sizeof value;
}
void FrameWriter::bytes(std::span<const std::byte> from) noexcept {
  if (!from.empty()) std::memcpy(room_.data() + at_, from.data(), from.size());
  at_ += static_cast<std::uint32_t>(from.size());
}
void FrameWriter::put(const Ping&) noexcept { byte(kPing); }
void FrameWriter::put(const Ack& ack) noexcept {
  byte(kAck);
  number(ack.connection);
  number(ack.sequence);
}
void FrameWriter::put(const NewToken& token) noexcept {
  byte(kNewToken);
  byte(token.sequence);
  bytes(token.token);
}
void FrameWriter::put(const ConnectionReset& reset) noexcept {
  byte(kConnectionReset);
  number(reset.connection);
}
void FrameWriter::put_header(std::uint32_t stream, std::uint64_t offset, std::uint32_t size, bool fin) noexcept {
  byte(fin ? kStreamFin : kStream);
  number(stream);
  number(offset);
  number(static_cast<std::uint16_t>(size));
}
void FrameWriter::put(std::uint32_t stream, std::uint64_t offset, std::span<const std::byte> data, bool fin) noexcept {
  put_header(stream, offset, static_cast<std::uint32_t>(data.size()), fin);
  bytes(data);
}
void FrameWriter::pad(std::uint32_t bytes) noexcept {
  std::memset(room_.data() + at_, kPadding, bytes);
  at_ += bytes;
}

}  // namespace trellis::tcpls
