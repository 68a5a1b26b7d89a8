#include "record/record_cutter.h"

#include <algorithm>
#include <cstring>
#include <format>

namespace trellis::tls {
namespace {

std::uint32_t body_size(std::span<const std::byte> header) noexcept {
  return std::to_integer<std::uint32_t>(header[3]) << 8 | std::to_integer<std::uint32_t>(header[4]);
}

// The version in a header is ignored, as RFC 8446 section 5.1 demands.
Result<void> judge_header(std::span<const std::byte> header) noexcept {
  const auto type = std::to_integer<unsigned>(header[0]);
  if (type < static_cast<unsigned>(ContentType::change_cipher_spec) ||
      type > static_cast<unsigned>(ContentType::application_data)) {
    return fail(AlertDescription::unexpected_message,
                std::format("a TLS record was expected, and the peer sent one of type {}, which there is not", type));
  }
  const bool protected_record = type == static_cast<unsigned>(ContentType::application_data);
  const std::uint32_t most = protected_record ? kCiphertextMax : kPlaintextMax;
  if (body_size(header) <= most) return {};
  return fail(AlertDescription::record_overflow,
              std::format("the peer sent a record of {} bytes; {} are allowed", body_size(header), most));
}

// Moves bytes from the front of `received` to the end of what is filled of `into`.
void fill(std::span<std::byte> into, std::uint32_t& filled, Batch& received) {
  while (filled < into.size() && !received.empty()) {
    const std::uint32_t n = std::min(static_cast<std::uint32_t>(into.size()) - filled, received.front().data.size());
    if (n > 0) std::memcpy(into.data() + filled, received.front().data.bytes().data(), n);
    filled += n;
    received.front().data.drop_front(n);
    if (received.front().data.size() == 0) received.pop();
  }
}

}  // namespace

ContentType outer_type(const Slice& record) noexcept { return static_cast<ContentType>(record.bytes()[0]); }

Result<Slice> RecordCutter::next(Batch& received, BlockPool& pool) noexcept {
  while (!received.empty() && received.front().data.size() == 0) received.pop();
  if (received.empty()) return Slice{};
  Slice& data = received.front().data;
  if (filled_ > 0 || data.size() < kRecordHeader || !data.editable()) return gather(received, pool);
  if (auto sound = judge_header(data.bytes()); !sound) return trellis::fail(std::move(sound));
  const std::uint32_t size = kRecordHeader + body_size(data.bytes());
  if (data.size() < size) return gather(received, pool);
  if (data.size() == size) return received.pop().data;
  return data.split_front(size);
}

Result<Slice> RecordCutter::gather(Batch& received, BlockPool& pool) noexcept {
  if (record_.size() == 0) {
    fill(header_, filled_, received);
    if (filled_ < kRecordHeader) return Slice{};
    if (auto sound = judge_header(header_); !sound) return trellis::fail(std::move(sound));
    record_ = pool.allocate(0, kRecordHeader + body_size(header_), 0);
    std::ranges::copy(header_, record_.edit().begin());
  }
  fill(record_.edit(), filled_, received);
  if (filled_ < record_.size()) return Slice{};
  filled_ = 0;
  return std::move(record_);
}

}  // namespace trellis::tls
