#include "record_header.h"

namespace trellis::dtls {
namespace {

template <std::size_t Bytes>
void put_at(std::span<std::byte> to, std::size_t at, std::uint64_t number) noexcept {
  for (std::size_t i = Bytes; i-- > 0; number >>= 8) to[at + i] = static_cast<std::byte>(number);
}

}  // namespace

std::optional<RecordHeader> RecordHeader::read(std::span<const std::byte> datagram) noexcept {
  constexpr std::uint64_t kMajor = 0xfe;
  if (datagram.size() < kRecordHeader) return std::nullopt;
  RecordHeader header{.type = static_cast<ContentType>(datagram[0]),
                      .version = static_cast<std::uint16_t>(number_at<2>(datagram, 1)),
                      .number = number_at<8>(datagram, 3),
                      .length = static_cast<std::uint16_t>(number_at<2>(datagram, 11))};
  if (header.version >> 8 != kMajor || header.length > datagram.size() - kRecordHeader) return std::nullopt;
  return header;
}

void RecordHeader::write(std::span<std::byte, kRecordHeader> out) const noexcept {
  out[0] = static_cast<std::byte>(type);
  put_at<2>(out, 1, version);
  put_at<8>(out, 3, number);
  put_at<2>(out, 11, length);
}

std::optional<MessageHeader> MessageHeader::read(std::span<const std::byte> record) noexcept {
  if (record.size() < kMessageHeader) return std::nullopt;
  MessageHeader header{.type = static_cast<MessageType>(record[0]),
                       .length = static_cast<std::uint32_t>(number_at<3>(record, 1)),
                       .sequence = static_cast<std::uint16_t>(number_at<2>(record, 4)),
                       .offset = static_cast<std::uint32_t>(number_at<3>(record, 6)),
                       .piece = static_cast<std::uint32_t>(number_at<3>(record, 9))};
  if (header.piece > record.size() - kMessageHeader || header.offset > header.length ||
      header.piece > header.length - header.offset) {
    return std::nullopt;
  }
  return header;
}

void MessageHeader::write(std::span<std::byte, kMessageHeader> out) const noexcept {
  out[0] = static_cast<std::byte>(type);
  put_at<3>(out, 1, length);
  put_at<2>(out, 4, sequence);
  put_at<3>(out, 6, offset);
  put_at<3>(out, 9, piece);
}

}  // namespace trellis::dtls
