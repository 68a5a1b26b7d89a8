// What we say is cut to the size of the path, and said again with new numbers.
#include "flight.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "heap_pool.h"
#include "reassembly.h"

namespace trellis::dtls {
namespace {

void add(std::vector<std::byte>& to, RecordHeader header, std::span<const std::byte> content) {
  header.length = static_cast<std::uint16_t>(content.size());
  std::vector<std::byte> record(kRecordHeader + content.size());
  header.write(std::span(record).first<kRecordHeader>());
  std::ranges::copy(content, record.begin() + kRecordHeader);
  to.insert(to.end(), record.begin(), record.end());
}

std::vector<std::byte> message(std::uint16_t sequence, std::uint32_t size) {
  std::vector<std::byte> made(kMessageHeader + size, static_cast<std::byte>('a' + sequence));
  MessageHeader{.length = size, .sequence = sequence, .piece = size}.write(std::span(made).first<kMessageHeader>());
  return made;
}

/// Two messages, a change of ciphers, and a sealed record.
std::vector<std::byte> some_records() {
  std::vector<std::byte> all;
  add(all, {.type = ContentType::handshake, .number = 4}, message(0, 90));
  add(all, {.type = ContentType::handshake, .number = 5}, message(1, 1500));
  const std::byte change[] = {std::byte{1}};
  add(all, {.type = ContentType::change_cipher_spec, .number = 6}, change);
  add(all, {.type = ContentType::handshake, .number = std::uint64_t{1} << kEpochShift}, std::vector<std::byte>(40));
  return all;
}

TEST(Flight, IsCutAndKeepsItsOrder) {
  tls::HeapPool pool;
  for (const std::size_t most : {256u, 300u, 700u, 1232u, 9000u}) {
    Flight flight;
    flight.take(some_records());
    EXPECT_EQ(flight.next_sealed(), kFirstSealed + 1);
    std::uint64_t next = 7;
    Reassembly in;
    std::vector<std::uint64_t> numbers;
    std::vector<ContentType> types;
    for (const Slice& datagram : flight.pack(pool, most, next)) {
      EXPECT_LE(datagram.size(), most);
      auto rest = datagram.bytes();
      while (const auto header = RecordHeader::read(rest)) {
        if (header->epoch() == 0) numbers.push_back(header->number);
        types.push_back(header->type);
        if (header->type == ContentType::handshake && header->epoch() == 0)
          in.add(rest.subspan(kRecordHeader, header->length));
        rest = rest.subspan(kRecordHeader + header->length);
      }
      EXPECT_TRUE(rest.empty());
    }
    for (std::size_t i = 0; i < numbers.size(); ++i) EXPECT_EQ(numbers[i], 7 + i);
    EXPECT_EQ(next, 7 + numbers.size());
    EXPECT_EQ(types[types.size() - 2], ContentType::change_cipher_spec);
    EXPECT_EQ(in.next(), message(0, 90));
    EXPECT_EQ(in.next(), message(1, 1500));
  }
}

TEST(Flight, SealedRecordsAreNeverSealedTwice) {
  tls::HeapPool pool;
  Flight flight;
  flight.take(some_records());
  std::uint64_t next = 0;
  const auto last = [&] {
    auto all = flight.pack(pool, 9000, next);
    const auto bytes = all.back().bytes();
    return std::vector<std::byte>(bytes.end() - 53, bytes.end());
  };
  EXPECT_EQ(last(), last());
}

}  // namespace
}  // namespace trellis::dtls
