#include "record_protection.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace trellis::dtls {
namespace {

constexpr std::uint64_t kBlock = 16;

// Number, type, version and length of the content (RFC 5246 section 6.2.3.3).
std::array<std::byte, kRecordHeader> additional_data(RecordHeader header, std::uint32_t content) noexcept {
  header.length = static_cast<std::uint16_t>(content);
  std::array<std::byte, kRecordHeader> written{}, data{};
  header.write(written);
  std::ranges::copy(std::span(written).subspan(3, 8), data.begin());
  std::ranges::copy(std::span(written).first(3), data.begin() + 8);
  std::ranges::copy(std::span(written).last(2), data.begin() + 11);
  return data;
}

Slice copy_of(std::span<const std::byte> bytes, BlockPool& pool, std::uint32_t headroom, std::uint32_t tailroom) {
  Slice copy = pool.allocate(headroom, static_cast<std::uint32_t>(bytes.size()), tailroom);
  if (!bytes.empty()) std::memcpy(copy.edit().data(), bytes.data(), bytes.size());
  return copy;
}

}  // namespace

Slice Sealer::seal(ContentType type, Slice&& content, BlockPool& pool) noexcept {
  const std::uint32_t size = content.size(), before = kRecordHeader + (explicit_nonce_ ? kExplicitNonce : 0);
  const RecordHeader header{
      .type = type, .number = next_++, .length = static_cast<std::uint16_t>(before - kRecordHeader + size + tls::kTag)};
  blocks_ += size / kBlock + 2;
  Slice record = std::move(content);
  if (!record.editable() || record.headroom() < before || record.tailroom() < tls::kTag)
    record = copy_of(record.bytes(), pool, kHeadroom, kTailroom);
  const auto tag = record.append(tls::kTag);
  const auto text = record.edit().first(size);
  const auto additional = additional_data(header, size);
  const auto nonce = key_->nonce(0, header.number);
  key_->aead().seal(nonce, additional, text, tag.first<tls::kTag>());
  const auto front = record.prepend(before);
  header.write(front.first<kRecordHeader>());
  // The number is unique under one key, so it serves as the explicit nonce too (RFC 5288 section 3).
  if (explicit_nonce_) std::ranges::copy(front.subspan(3, kExplicitNonce), front.begin() + kRecordHeader);
  return record;
}

bool ReplayWindow::seen(std::uint64_t number) const noexcept {
  if (number > newest_) return false;
  return newest_ - number >= kSize || seen_[newest_ - number];
}

void ReplayWindow::note(std::uint64_t number) noexcept {
  if (number > newest_) {
    const std::uint64_t ahead = number - newest_;
    seen_ = ahead < kSize ? seen_ << ahead : std::bitset<kSize>();
    newest_ = number;
  }
  seen_.set(newest_ - number);
}

std::optional<Slice> Opener::open(const RecordHeader& header, Slice&& record, BlockPool& pool) noexcept {
  const std::uint32_t before = kRecordHeader + (explicit_nonce_ ? kExplicitNonce : 0);
  if (window_.seen(header.number)) {
    ++replayed_;
    return std::nullopt;
  }
  if (record.size() < before + tls::kTag || record.size() - before - tls::kTag > kFragmentMost) {
    ++forged_;
    return std::nullopt;
  }
  Slice text = record.editable() ? std::move(record) : copy_of(record.bytes(), pool, 0, 0);
  const std::uint64_t nonce_number =
      explicit_nonce_ ? number_at<kExplicitNonce>(text.bytes(), kRecordHeader) : header.number;
  text.drop_front(before);
  std::array<std::byte, tls::kTag> tag{};
  std::ranges::copy(text.bytes().last<tls::kTag>(), tag.begin());
  text.drop_back(tls::kTag);
  const auto additional = additional_data(header, text.size());
  if (!key_->aead().open(key_->nonce(0, nonce_number), additional, text.edit(), tag)) {
    ++forged_;
    return std::nullopt;
  }
  window_.note(header.number);
  return text;
}

}  // namespace trellis::dtls
