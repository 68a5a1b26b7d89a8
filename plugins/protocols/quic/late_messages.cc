#include "late_messages.h"

#include <ngtcp2/ngtcp2.h>

#include <algorithm>

namespace trellis::quic {

int LateMessages::read(std::span<const std::uint8_t> bytes, bool from_client) noexcept {
  constexpr std::uint8_t kNewSessionTicket = 4, kCertificateRequest = 13;
  constexpr std::uint8_t kHeaderBytes = 4;  // RFC 8446 section 4: a type, three of the length
  while (!bytes.empty()) {
    if (header_ == 0 && left_ == 0) {
      if (!from_client && bytes.front() == kCertificateRequest) return NGTCP2_ERR_PROTO;
      if (from_client || bytes.front() != kNewSessionTicket) return NGTCP2_ERR_CRYPTO;
      header_ = 1;
      bytes = bytes.subspan(1);
    } else if (header_ > 0) {
      left_ = left_ << 8 | bytes.front();
      if (++header_ == kHeaderBytes) header_ = 0;
      bytes = bytes.subspan(1);
    } else {
      const std::size_t gone = std::min<std::size_t>(left_, bytes.size());
      left_ -= static_cast<std::uint32_t>(gone);
      bytes = bytes.subspan(gone);
    }
  }
  return 0;
}

}  // namespace trellis::quic
