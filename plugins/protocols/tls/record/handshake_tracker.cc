#include "record/handshake_tracker.h"

#include <algorithm>
#include <format>

namespace trellis::tls {
namespace {

constexpr std::uint8_t kMessageHeader = 4;  // type, and a length of three bytes
constexpr std::uint8_t kKeyUpdate = 24;

}  // namespace

Result<KeyUpdate> HandshakeTracker::take(std::span<const std::byte> payload) noexcept {
  if (payload.empty()) return fail(AlertDescription::unexpected_message, "the peer sent an empty handshake record");
  while (!payload.empty()) {
    if (header_ < kMessageHeader) {
      take_header(std::to_integer<std::uint8_t>(payload[0]));
      payload = payload.subspan(1);
      if (header_ < kMessageHeader) continue;
      if (auto sound = judge_length(); !sound) return trellis::fail(std::move(sound));
    } else if (type_ == kKeyUpdate) {
      header_ = 0;
      return judge_key_update(payload);
    } else {
      const auto n = static_cast<std::uint32_t>(std::min<std::size_t>(left_, payload.size()));
      left_ -= n;
      payload = payload.subspan(n);
    }
    if (left_ == 0) header_ = 0;
  }
  return KeyUpdate::none;
}

void HandshakeTracker::take_header(std::uint8_t byte) noexcept {
  if (header_++ == 0) {
    type_ = byte;
    left_ = 0;
  } else {
    left_ = left_ << 8 | byte;
  }
}

Result<void> HandshakeTracker::judge_length() const noexcept {
  if (left_ > kMessageMax) {
    return fail(AlertDescription::illegal_parameter,
                std::format("the peer sent a handshake message of {} bytes; {} are allowed", left_, kMessageMax));
  }
  if (type_ == kKeyUpdate && left_ != 1)
    return fail(AlertDescription::decode_error,
                std::format("the peer sent a KeyUpdate of {} bytes instead of 1", left_));
  return {};
}

Result<KeyUpdate> HandshakeTracker::judge_key_update(std::span<const std::byte> rest) noexcept {
  if (rest.size() > 1)
    return fail(AlertDescription::unexpected_message, "the peer sent more in a record behind its KeyUpdate");
  switch (std::to_integer<unsigned>(rest[0])) {
    case 0: return KeyUpdate::update_not_requested;
    case 1: return KeyUpdate::update_requested;
    default:
      return fail(AlertDescription::illegal_parameter,
                  std::format("the peer sent a KeyUpdate with request_update {}; 0 and 1 are allowed",
                              std::to_integer<unsigned>(rest[0])));
  }
}

}  // namespace trellis::tls
