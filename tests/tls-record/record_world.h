// record_world.h: what the record layer's tests share: bytes, keys, a peer that can lie, and a receiver.
#pragma once
#include <gtest/gtest.h>

#include <cstring>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "loop/block_pool.h"
#include "record/record_cutter.h"
#include "record/record_opener.h"
#include "record/record_sealer.h"

namespace trellis::tls {

inline void PrintTo(CipherSuite suite, std::ostream* out) { *out << std::hex << static_cast<unsigned>(suite); }
inline void PrintTo(AlertDescription alert, std::ostream* out) { *out << to_string(alert); }

namespace tests {

using Bytes = std::vector<std::byte>;
inline constexpr CipherSuite kSuites[] = {CipherSuite::aes_128_gcm_sha256, CipherSuite::aes_256_gcm_sha384,
                                          CipherSuite::chacha20_poly1305_sha256};

inline Bytes hex(std::string_view digits) {
  Bytes bytes;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2)
    bytes.push_back(static_cast<std::byte>(std::stoi(std::string(digits.substr(i, 2)), nullptr, 16)));
  return bytes;
}
inline std::string hex(std::span<const std::byte> bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string digits;
  for (const std::byte byte : bytes) {
    digits += kDigits[std::to_integer<unsigned>(byte) >> 4];
    digits += kDigits[std::to_integer<unsigned>(byte) & 15u];
  }
  return digits;
}
inline Bytes text(std::string_view characters) {
  const auto bytes = std::as_bytes(std::span(characters));
  return {bytes.begin(), bytes.end()};
}
inline Bytes all_of(const Batch& batch) {
  Bytes all;
  for (const Chunk& chunk : batch) all.insert(all.end(), chunk.data.bytes().begin(), chunk.data.bytes().end());
  return all;
}
/// Bytes that tell where they were.
inline Bytes pattern(std::size_t size, std::size_t seed = 0) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>((i + seed) * 2654435761u >> 13);
  return bytes;
}
inline Slice slice(BlockPool& pool, std::span<const std::byte> bytes, std::uint32_t headroom = 0,
                   std::uint32_t tailroom = 0) {
  Slice made = pool.allocate(headroom, static_cast<std::uint32_t>(bytes.size()), tailroom);
  if (!bytes.empty()) std::memcpy(made.edit().data(), bytes.data(), bytes.size());
  return made;
}

inline TrafficSecret secret(CipherSuite suite) {
  auto made = TrafficSecret::make(suite, pattern(secret_size(suite), 7));
  EXPECT_TRUE(made.has_value());
  return *made;
}
inline std::shared_ptr<RecordKey> key(const TrafficSecret& secret, Direction direction) {
  auto made = RecordKey::derive(secret, direction);
  EXPECT_TRUE(made.has_value());
  return *made;
}

/// Seals what no sealer would: any inner plaintext, any header.
class Forger {
 public:
  explicit Forger(const TrafficSecret& secret) : key_(key(secret, Direction::seal)) {}
  /// A record around content, content type and padding.
  Bytes record(std::span<const std::byte> content, int type, std::size_t padding = 0, int outer_type = 23) {
    Bytes inner(content.begin(), content.end());
    inner.push_back(static_cast<std::byte>(type));
    inner.resize(inner.size() + padding);
    return around(inner, outer_type);
  }
  /// A record around any inner plaintext.
  Bytes around(std::span<const std::byte> inner, int outer_type = 23) {
    const std::size_t length = inner.size() + kTag;
    Bytes record = {static_cast<std::byte>(outer_type), std::byte{3}, std::byte{3}, static_cast<std::byte>(length >> 8),
                    static_cast<std::byte>(length)};
    record.insert(record.end(), inner.begin(), inner.end());
    record.resize(record.size() + kTag);
    const std::span all(record);
    key_->aead().seal(key_->nonce(0, sequence_++), all.first(kRecordHeader), all.subspan(kRecordHeader, inner.size()),
                      all.last<kTag>());
    return record;
  }
  void rekey(const TrafficSecret& secret) {
    key_ = key(secret, Direction::seal);
    sequence_ = 0;
  }

 private:
  std::shared_ptr<RecordKey> key_;
  std::uint64_t sequence_ = 0;
};

/// What one record held, out of its block.
struct Received {
  ContentType type;
  Bytes payload;
  AlertDescription alert;
  KeyUpdate key_update;
};

/// Cuts and opens, and keeps what came.
struct Receiver {
  explicit Receiver(const TrafficSecret& of) : secret(of), opener(key(of, Direction::open)) {}

  void take(Batch& batch) {
    while (!error) {
      auto record = cutter.next(batch, pool);
      if (!record) {
        error = record.error();
      } else if (record->size() == 0) {
        return;
      } else {
        take(std::move(*record));
      }
    }
  }
  void take(Slice&& record) {
    auto opened = opener.open(std::move(record));
    if (!opened) {
      error = opened.error();
      return;
    }
    received.push_back({opened->type, all_of(opened->payload), opened->alert, opened->key_update});
    if (opened->key_update == KeyUpdate::none) return;
    secret = *secret.next();
    opener.rekey(key(secret, Direction::open));
  }
  void take(std::span<const std::byte> bytes) {
    Batch batch;
    batch.add({slice(pool, bytes)});
    take(batch);
  }
  /// The alert that is to be sent; nothing when all was well.
  std::optional<AlertDescription> alert() const {
    if (!error) return {};
    EXPECT_EQ(error->reason, Reason::protocol_violation);
    EXPECT_STREQ(error->layer, "tls");
    EXPECT_FALSE(error->detail.empty());
    return static_cast<AlertDescription>(error->code);
  }
  Bytes data() const {
    Bytes all;
    for (const Received& one : received)
      if (one.type == ContentType::application_data) all.insert(all.end(), one.payload.begin(), one.payload.end());
    return all;
  }

  SizeClassPool pool;
  TrafficSecret secret;
  RecordCutter cutter;
  RecordOpener opener;
  std::vector<Received> received;
  std::optional<Error> error;

 private:
  static Bytes all_of(const Slice& s) { return {s.bytes().begin(), s.bytes().end()}; }
};

}  // namespace tests
}  // namespace trellis::tls
