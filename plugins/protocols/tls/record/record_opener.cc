#include "record/record_opener.h"

#include <algorithm>
#include <format>

#include "record/record_cutter.h"

namespace trellis::tls {
namespace {

// Bytes of content and type, without the padding behind them; 0: there is only padding. Stops at the first byte that is
// not zero: looking at every byte to hide the length of the padding would cost more than decrypting.
std::size_t unpadded(std::span<const std::byte> text) noexcept {
  const auto last = std::find_if(text.rbegin(), text.rend(), [](std::byte byte) { return byte != std::byte{}; });
  return static_cast<std::size_t>(text.rend() - last);
}

}  // namespace

RecordOpener::RecordOpener(std::shared_ptr<RecordKey> key, std::uint32_t connection_id, std::uint64_t sequence) noexcept
    : key_(std::move(key)), sequence_(sequence), connection_id_(connection_id) {}

void RecordOpener::rekey(std::shared_ptr<RecordKey> key) noexcept {
  key_ = std::move(key);
  sequence_ = 0;
}

Result<Opened> RecordOpener::open(Slice&& record) noexcept {
  if (closed_) return Opened{};
  auto opened = decrypt(std::move(record));
  if (!opened) return opened;
  if (auto sound = judge(*opened); !sound) return trellis::fail(std::move(sound));
  return opened;
}

Result<Opened> RecordOpener::decrypt(Slice&& record) noexcept {
  if (outer_type(record) != ContentType::application_data) {
    return fail(AlertDescription::unexpected_message,
                std::format("the peer sent an unprotected record of type {} among protected ones",
                            static_cast<unsigned>(outer_type(record))));
  }
  if (sequence_ == UINT64_MAX)
    return fail(AlertDescription::internal_error, "the sequence numbers of the peer's records are used up");
  if (record.size() < kRecordHeader + kTailroom) {
    return fail(AlertDescription::bad_record_mac,
                std::format("the peer sent a protected record of {} bytes, too few for a tag and a content type",
                            record.size() - kRecordHeader));
  }
  const auto bytes = record.edit();
  const auto text = bytes.subspan(kRecordHeader, bytes.size() - kRecordHeader - kTag);
  if (!key_->aead().open(key_->nonce(connection_id_, sequence_), bytes.first<kRecordHeader>(), text,
                         std::span<const std::byte>(bytes).last<kTag>())) {
    return fail(AlertDescription::bad_record_mac,
                std::format("record {} of the peer was damaged on the way or sealed with another key", sequence_));
  }
  ++sequence_;
  if (text.size() > kPlaintextMax + 1) {
    return fail(
        AlertDescription::record_overflow,
        std::format("the peer sent a record with {} bytes inside; {} are allowed", text.size() - 1, kPlaintextMax));
  }
  const std::size_t size = unpadded(text);
  if (size == 0) return fail(AlertDescription::unexpected_message, "the peer sent a record with nothing but padding");
  Opened opened{.type = static_cast<ContentType>(text[size - 1]), .payload = std::move(record)};
  opened.payload.drop_front(kRecordHeader);
  opened.payload.drop_back(static_cast<std::uint32_t>(text.size() - size + 1) + kTag);
  return opened;
}

Result<void> RecordOpener::judge(Opened& opened) noexcept {
  const bool application_data = opened.type == ContentType::application_data;
  if (!application_data && opened.type != ContentType::handshake && opened.type != ContentType::alert) {
    return fail(AlertDescription::unexpected_message,
                std::format("the peer sent a protected record of type {}, which may not be protected",
                            static_cast<unsigned>(opened.type)));
  }
  if (handshake_.partial() && opened.type != ContentType::handshake) {
    return fail(AlertDescription::unexpected_message, std::format("the peer sent {} within a handshake message",
                                                                  application_data ? "application data" : "an alert"));
  }
  if (opened.type == ContentType::handshake) {
    auto key_update = handshake_.take(opened.payload.bytes());
    if (!key_update) return trellis::fail(std::move(key_update));
    opened.key_update = *key_update;
    if (opened.key_update == KeyUpdate::none) return {};
  } else if (!application_data) {
    if (auto sound = judge_alert(opened); !sound) return sound;
  }
  fruitless_ = application_data && opened.payload.size() > 0 ? 0 : fruitless_ + 1;
  if (fruitless_ <= kFruitlessMax) return {};
  return fail(AlertDescription::unexpected_message,
              std::format("the peer sent {} records in a row that carry nothing", fruitless_));
}

// The level is ignored: the description alone says what is fatal (RFC 8446 section 6).
Result<void> RecordOpener::judge_alert(Opened& opened) noexcept {
  const auto content = opened.payload.bytes();
  if (content.empty()) return fail(AlertDescription::unexpected_message, "the peer sent an empty alert record");
  if (content.size() != 2) {
    return fail(AlertDescription::decode_error,
                std::format("the peer sent an alert record of {} bytes instead of 2", content.size()));
  }
  opened.alert = static_cast<AlertDescription>(content[1]);
  closed_ = opened.alert != AlertDescription::user_canceled;
  return {};
}

}  // namespace trellis::tls
