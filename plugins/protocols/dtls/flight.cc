#include "flight.h"

#include <algorithm>
#include <cstring>

namespace trellis::dtls {

void Flight::take(std::span<const std::byte> records) {
  parts_.clear();
  while (const auto header = RecordHeader::read(records)) {
    const std::size_t size = kRecordHeader + header->length;
    const auto from = header->epoch() > 0 ? records.first(size) : records.subspan(kRecordHeader, header->length);
    parts_.push_back({*header, {from.begin(), from.end()}});
    records = records.subspan(size);
  }
}

std::uint64_t Flight::next_sealed() const noexcept {
  std::uint64_t next = kFirstSealed;
  for (const Part& part : parts_) {
    if (part.sealed()) next = std::max(next, part.header.number + 1);
  }
  return next;
}

/// Fills datagrams.
class Flight::Packer {
 public:
  Packer(BlockPool& pool, std::size_t most, std::uint64_t& next)
      : pool_(pool), most_(std::max(most, kLeast)), next_(next) {}

  void add(const Part& part) {
    const std::span<const std::byte> content(part.bytes);
    if (part.sealed()) return put(content);
    const auto message = MessageHeader::read(content);
    if (part.header.type != ContentType::handshake || !message) return put_record(part.header, content);
    cut(part.header, *message, content.subspan(kMessageHeader, message->piece));
  }
  std::vector<Slice> done() {
    close();
    return std::move(datagrams_);
  }

 private:
  static constexpr std::size_t kWorthwhile = 64;  // bytes of a message, at the end of a datagram

  // A message may itself be a piece of a larger one.
  void cut(const RecordHeader& record, MessageHeader message, std::span<const std::byte> body) {
    do {
      const std::size_t headers = kRecordHeader + kMessageHeader;
      if (room() < headers + std::min(body.size(), kWorthwhile)) close();
      const auto piece = body.first(std::min(body.size(), room() - headers));
      message.piece = static_cast<std::uint32_t>(piece.size());
      std::vector<std::byte> content(kMessageHeader + piece.size());
      message.write(std::span(content).first<kMessageHeader>());
      std::ranges::copy(piece, content.begin() + kMessageHeader);
      put_record(record, content);
      message.offset += message.piece;
      body = body.subspan(piece.size());
    } while (!body.empty());
  }
  void put_record(RecordHeader header, std::span<const std::byte> content) {
    header.number = next_++;
    header.length = static_cast<std::uint16_t>(content.size());
    std::vector<std::byte> record(kRecordHeader + content.size());
    header.write(std::span(record).first<kRecordHeader>());
    std::ranges::copy(content, record.begin() + kRecordHeader);
    put(record);
  }
  void put(std::span<const std::byte> record) {
    if (room() < record.size()) close();
    datagram_.insert(datagram_.end(), record.begin(), record.end());
  }
  std::size_t room() const noexcept { return most_ - std::min(most_, datagram_.size()); }
  void close() {
    if (datagram_.empty()) return;
    Slice slice = pool_.allocate(0, static_cast<std::uint32_t>(datagram_.size()), 0);
    std::memcpy(slice.edit().data(), datagram_.data(), datagram_.size());
    datagrams_.push_back(std::move(slice));
    datagram_.clear();
  }

  BlockPool& pool_;
  const std::size_t most_;
  std::uint64_t& next_;
  std::vector<std::byte> datagram_;
  std::vector<Slice> datagrams_;
};

std::vector<Slice> Flight::pack(BlockPool& pool, std::size_t most, std::uint64_t& next) const {
  Packer packer(pool, most, next);
  for (const Part& part : parts_) packer.add(part);
  return packer.done();
}

}  // namespace trellis::dtls
