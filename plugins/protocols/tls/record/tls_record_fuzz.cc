// What a peer may send: any bytestream, cut anywhere, and any content in sound records. Only records of allowed sizes
// come out, every failure names an alert, and sound content is never lost.
//
// The first byte says what the rest is: bytes for the cutter and the opener as they stand (most will not be authentic),
// or pieces that are sealed first, so that what lies behind the AEAD is reached.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "record/record_cutter.h"
#include "record/record_opener.h"
#include "record/record_sealer.h"

namespace {

using namespace trellis;
using namespace trellis::tls;

void require(bool holds) {
  if (!holds) std::abort();
}

// Blocks of exactly the size that was asked for, so that a byte too far is seen.
class ExactPool final : public BlockPool {
 public:
  Slice allocate(std::uint32_t headroom, std::uint32_t size, std::uint32_t tailroom) override {
    const std::uint32_t capacity = headroom + size + tailroom;
    auto* block = new Block{new std::byte[capacity], capacity, 1, [](Block* of) noexcept {
                              delete[] of->data;
                              delete of;
                            }};
    return {block, headroom, size};
  }
};

class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : rest_(std::as_bytes(std::span(data, size))) {}
  bool empty() const { return rest_.empty(); }
  std::uint8_t number() {
    if (rest_.empty()) return 0;
    const auto first = std::to_integer<std::uint8_t>(rest_[0]);
    rest_ = rest_.subspan(1);
    return first;
  }
  std::span<const std::byte> take(std::size_t most) {
    const auto front = rest_.first(std::min(most, rest_.size()));
    rest_ = rest_.subspan(front.size());
    return front;
  }

 private:
  std::span<const std::byte> rest_;
};

Slice slice(BlockPool& pool, std::span<const std::byte> bytes) {
  Slice made = pool.allocate(0, static_cast<std::uint32_t>(bytes.size()), 0);
  if (!bytes.empty()) std::memcpy(made.edit().data(), bytes.data(), bytes.size());
  return made;
}

std::shared_ptr<RecordKey> key(CipherSuite suite, Direction direction) {
  const std::byte bytes[48] = {};
  return *RecordKey::make(suite, std::span(bytes).first(key_size(suite)), std::span(bytes).first(kNonce), direction);
}

void require_alert(const Error& error) {
  require(error.reason == Reason::protocol_violation && !error.detail.empty());
  require(to_string(static_cast<AlertDescription>(error.code)) != "unknown alert");
}

// One record around any inner plaintext.
Slice forge(RecordKey& key, std::uint64_t sequence, std::span<const std::byte> inner, std::size_t padding,
            BlockPool& pool) {
  const auto length = static_cast<std::uint32_t>(inner.size() + padding + kTag);
  Slice record = pool.allocate(0, kRecordHeader + length, 0);
  const auto bytes = record.edit();
  std::ranges::fill(bytes, std::byte{});
  const std::byte header[] = {std::byte{23}, std::byte{3}, std::byte{3}, static_cast<std::byte>(length >> 8),
                              static_cast<std::byte>(length)};
  std::ranges::copy(header, bytes.begin());
  std::ranges::copy(inner, bytes.begin() + kRecordHeader);
  key.aead().seal(key.nonce(0, sequence), header, bytes.subspan(kRecordHeader, length - kTag), bytes.last<kTag>());
  return record;
}

// A bytestream, cut where the input says.
void fuzz_stream(Input& input, CipherSuite suite) {
  ExactPool pool;
  RecordCutter cutter;
  RecordOpener opener(key(suite, Direction::open));
  Batch received;
  while (!input.empty()) {
    const std::size_t size = input.number() * std::size_t{input.number()};
    received.add({slice(pool, input.take(size))});
    for (;;) {
      auto record = cutter.next(received, pool);
      if (!record) return require_alert(record.error());
      if (record->size() == 0) break;
      require(record->size() >= kRecordHeader && record->size() <= kRecordMax && record->editable());
      const auto opened = opener.open(std::move(*record));
      if (!opened) return require_alert(opened.error());
      require(opened->payload.size() <= kPlaintextMax);
    }
    require(received.empty());
  }
}

// Sound records with any inner plaintext and padding.
void fuzz_content(Input& input, CipherSuite suite) {
  ExactPool pool;
  const auto sealing = key(suite, Direction::seal);
  RecordOpener opener(key(suite, Direction::open));
  for (std::uint64_t sequence = 0; !input.empty(); ++sequence) {
    const std::size_t padding = input.number() * std::size_t{65};
    const auto inner = input.take(input.number());
    const bool closed = opener.closed();
    const auto opened = opener.open(forge(*sealing, sequence, inner, padding, pool));
    if (!opened) return require_alert(opened.error());
    require(closed == (opened->type == ContentType::invalid));
    if (closed) continue;
    require(!inner.empty() && opened->payload.size() < inner.size());
    require(std::ranges::equal(opened->payload.bytes(), inner.first(opened->payload.size())));
    require(opened->key_update == KeyUpdate::none || opened->type == ContentType::handshake);
  }
}

// What our own sealer makes of any chunks is cut and opened to the same bytes.
void fuzz_round_trip(Input& input, CipherSuite suite) {
  ExactPool pool;
  RecordSealer sealer(key(suite, Direction::seal));
  RecordOpener opener(key(suite, Direction::open));
  RecordCutter cutter;
  Batch plain, sealed;
  std::vector<std::byte> sent, got;
  for (int chunks = 0; chunks < 16 && !input.empty(); ++chunks) {
    const std::size_t size = input.number() * std::size_t{input.number()};
    Slice data = pool.allocate(input.number() % 8, static_cast<std::uint32_t>(size), input.number() % 32);
    std::ranges::fill(data.edit(), static_cast<std::byte>(chunks));
    sent.insert(sent.end(), data.bytes().begin(), data.bytes().end());
    plain.add({std::move(data)});
  }
  require(sealer.seal(ContentType::application_data, plain, sealed, pool).has_value() && plain.empty());
  for (;;) {
    auto record = cutter.next(sealed, pool);
    require(record.has_value());
    if (record->size() == 0) break;
    const auto opened = opener.open(std::move(*record));
    require(opened.has_value() && opened->type == ContentType::application_data);
    got.insert(got.end(), opened->payload.bytes().begin(), opened->payload.bytes().end());
  }
  require(sent == got && !cutter.partial());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(data, size);
  const unsigned kind = input.number();
  const CipherSuite suites[] = {CipherSuite::aes_128_gcm_sha256, CipherSuite::chacha20_poly1305_sha256};
  const CipherSuite suite = suites[kind / 3 % 2];
  switch (kind % 3) {
    case 0: fuzz_stream(input, suite); break;
    case 1: fuzz_content(input, suite); break;
    default: fuzz_round_trip(input, suite); break;
  }
  return 0;
}
