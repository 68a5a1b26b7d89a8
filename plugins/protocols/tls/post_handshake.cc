#include "post_handshake.h"

#include <algorithm>

namespace trellis::tls {
namespace {

constexpr std::byte kNewSessionTicket{4};
constexpr std::uint8_t kMessageHeader = 4;

}  // namespace

bool TicketFilter::only_tickets(std::span<const std::byte> payload) noexcept {
  while (!payload.empty()) {
    if (header_ < kMessageHeader) {
      const std::byte byte = payload.front();
      payload = payload.subspan(1);
      if (header_ == 0 && byte != kNewSessionTicket) return false;
      if (header_ > 0) length_ = length_ << 8 | std::to_integer<std::uint32_t>(byte);
      if (++header_ == kMessageHeader) left_ = length_;
    } else {
      const std::size_t n = std::min<std::size_t>(left_, payload.size());
      payload = payload.subspan(n);
      left_ -= static_cast<std::uint32_t>(n);
    }
    if (header_ == kMessageHeader && left_ == 0) header_ = 0, length_ = 0;
  }
  return true;
}

}  // namespace trellis::tls
