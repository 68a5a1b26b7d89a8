#include "record/record_sealer.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>
#include <format>

namespace trellis::tls {
namespace {

void copy(std::span<const std::byte> from, std::span<std::byte> to) noexcept {
  std::memcpy(to.data(), from.data(), from.size());
}

Slice with_room(std::span<const std::byte> bytes, BlockPool& pool) {
  Slice roomy = pool.allocate(kHeadroom, static_cast<std::uint32_t>(bytes.size()), kTailroom);
  if (!bytes.empty()) copy(bytes, roomy.edit());
  return roomy;
}

// How many chunks at the front are small and fit one record together.
std::uint32_t small_run(const Batch& plain) noexcept {
  std::uint32_t count = 0, bytes = 0;
  for (const Chunk& chunk : plain) {
    bytes += chunk.data.size();
    if (chunk.data.size() >= RecordSealer::kSmall || bytes > kPlaintextMax) break;
    ++count;
  }
  return count;
}

}  // namespace

RecordSealer::RecordSealer(std::shared_ptr<RecordKey> key, std::uint32_t connection_id, std::uint64_t sequence) noexcept
    : key_(std::move(key)), sequence_(sequence), connection_id_(connection_id) {}

void RecordSealer::rekey(std::shared_ptr<RecordKey> key) noexcept {
  key_ = std::move(key);
  sequence_ = 0;
}

Result<void> RecordSealer::seal(ContentType type, Batch& plain, Batch& sealed, BlockPool& pool) noexcept {
  while (!plain.empty()) {
    const std::uint32_t run = type == ContentType::application_data ? small_run(plain) : 0;
    auto done = run > 1 ? seal_together(plain, run, sealed, pool) : seal_front(type, plain, sealed, pool);
    if (!done) return done;
  }
  return {};
}

Result<void> RecordSealer::seal(ContentType type, Slice&& plain, Batch& sealed, BlockPool& pool) noexcept {
  assert(plain.size() <= kPlaintextMax);
  if (auto may = may_seal(); !may) return may;
  seal_one(type, Chunk{std::move(plain)}, sealed, pool);
  return {};
}

Result<void> RecordSealer::seal(AlertDescription alert, Batch& sealed, BlockPool& pool) noexcept {
  const bool warning = alert == AlertDescription::close_notify || alert == AlertDescription::user_canceled;
  const std::byte content[] = {warning ? std::byte{1} : std::byte{2}, static_cast<std::byte>(alert)};
  return seal(ContentType::alert, with_room(content, pool), sealed, pool);
}

// Small chunks as one record. Whoever waits for them hears of it by empty chunks behind the record.
Result<void> RecordSealer::seal_together(Batch& plain, std::uint32_t count, Batch& sealed, BlockPool& pool) noexcept {
  std::uint32_t size = 0;
  for (std::uint32_t i = 0; i < count; ++i) size += plain.begin()[i].data.size();
  if (size > 0) {
    if (auto may = may_seal(); !may) return may;
    Slice record = pool.allocate(kHeadroom, size, kTailroom);
    std::span<std::byte> rest = record.edit();
    for (std::uint32_t i = 0; i < count; ++i) {
      const auto bytes = plain.begin()[i].data.bytes();
      if (!bytes.empty()) copy(bytes, rest);
      rest = rest.subspan(bytes.size());
    }
    seal_one(ContentType::application_data, Chunk{std::move(record)}, sealed, pool);
  }
  for (; count > 0; --count) {
    Chunk chunk = plain.pop();
    if (chunk.info) sealed.add(Chunk{.data = {}, .info = std::move(chunk.info)});
  }
  return {};
}

// The first chunk. All records but its last are copies, because a tag needs the room where the next one's data lies;
// the last has its room where the one before was.
Result<void> RecordSealer::seal_front(ContentType type, Batch& plain, Batch& sealed, BlockPool& pool) noexcept {
  Slice& data = plain.front().data;
  if (data.size() == 0) {
    sealed.add(plain.pop());
    return {};
  }
  while (data.size() > kPlaintextMax) {
    if (auto may = may_seal(); !may) return may;
    seal_one(type, Chunk{with_room(data.bytes().first(kPlaintextMax), pool)}, sealed, pool);
    data.drop_front(kPlaintextMax);
  }
  if (auto may = may_seal(); !may) return may;
  seal_one(type, plain.pop(), sealed, pool);
  return {};
}

void RecordSealer::seal_one(ContentType type, Chunk&& chunk, Batch& sealed, BlockPool& pool) noexcept {
  Slice& record = chunk.data;
  if (record.headroom() < kHeadroom || record.tailroom() < kTailroom) record = with_room(record.bytes(), pool);
  record.append(kTailroom)[0] = static_cast<std::byte>(type);
  const auto header = record.prepend(kRecordHeader);
  const auto bytes = record.edit().subspan(kRecordHeader);
  const std::span<std::byte> text[] = {bytes.first(bytes.size() - kTag)};
  protect(static_cast<std::uint32_t>(bytes.size()), header, text, bytes.last<kTag>());
  sealed.add(std::move(chunk));
}

Result<void> RecordSealer::seal_pieces(Batch& pieces, Batch& sealed) noexcept {
  assert(!pieces.empty() && pieces.size() <= kPiecesMax);
  if (auto may = may_seal(); !may) return may;
  std::array<std::span<std::byte>, kPiecesMax> text;
  std::size_t count = 0, length = 0;
  for (Chunk& piece : pieces) {
    text[count++] = piece.data.edit();
    length += piece.data.size();
  }
  length -= kRecordHeader;
  assert(length <= kPlaintextMax + kTailroom);
  const auto header = text[0].first(kRecordHeader);
  text[0] = text[0].subspan(kRecordHeader);
  std::span<std::byte>& last = text[count - 1];
  const auto tag = last.last<kTag>();
  last = last.first(last.size() - kTag);
  last.back() = static_cast<std::byte>(ContentType::application_data);
  protect(static_cast<std::uint32_t>(length), header, std::span(text).first(count), tag);
  sealed.append(pieces);
  return {};
}

// Writes the header of a record of so many bytes, and encrypts what follows it.
void RecordSealer::protect(std::uint32_t length, std::span<std::byte> header,
                           std::span<const std::span<std::byte>> text, std::span<std::byte, kTag> tag) noexcept {
  const std::byte content[] = {static_cast<std::byte>(ContentType::application_data), std::byte{3}, std::byte{3},
                               static_cast<std::byte>(length >> 8), static_cast<std::byte>(length)};
  copy(content, header);
  key_->aead().seal(key_->nonce(connection_id_, sequence_), header, text, tag);
  key_->count();
  ++sequence_;
}

Result<void> RecordSealer::may_seal() const noexcept {
  if (key_->exhausted()) {
    return trellis::fail(Reason::exhausted, "the key has sealed as many records as it may; a KeyUpdate was due before",
                         static_cast<std::uint64_t>(AlertDescription::internal_error), "tls");
  }
  if (sequence_ == UINT64_MAX) {
    return trellis::fail(Reason::exhausted, "the sequence numbers of this connection's records are used up",
                         static_cast<std::uint64_t>(AlertDescription::internal_error), "tls");
  }
  return {};
}

}  // namespace trellis::tls
