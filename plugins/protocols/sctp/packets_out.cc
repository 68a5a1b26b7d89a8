// packets_out.cc: one block for up to 64 packets of one size.
#include "packets_out.h"

#include <algorithm>
#include <cstring>

namespace trellis::sctp {
namespace {

constexpr std::size_t kWaitingMost = 1 << 20;  // bytes; more are as good as lost, and the library is told so
constexpr std::uint32_t kBlock = 64'000;       // bytes that the kernel cuts at once
constexpr std::uint32_t kSegmentsMost = 64;
constexpr std::uint32_t kFew = 4;  // packets

}  // namespace

bool PacketsOut::add(std::span<const std::byte> packet, std::uint8_t ecn) noexcept {
  if (closed_bytes_ + used_ + packet.size() > kWaitingMost) return false;
  const auto size = static_cast<std::uint32_t>(packet.size());
  const bool fits = used_ > 0 && used_ % segment_ == 0 && size <= segment_ && ecn == ecn_ &&
                    used_ + size <= block_.size() && used_ / segment_ < kSegmentsMost;
  if (!fits) {
    close_block();
    const std::uint32_t room = lower_.takes_segments() ? std::max(size, many_ ? kBlock : kFew * size) : size;
    block_ = pool_.allocate(0, std::min(room, std::max(kBlock, size)), 0);
    segment_ = size;
    ecn_ = ecn;
  }
  std::memcpy(block_.edit().data() + used_, packet.data(), size);
  used_ += size;
  return true;
}

void PacketsOut::close_block() noexcept {
  if (used_ == 0) return;
  many_ = used_ > (kFew - 1) * segment_;
  block_.drop_back(block_.size() - used_);
  closed_bytes_ += used_;
  closed_.add(Chunk{.data = std::move(block_),
                    .info = to_,
                    .segment_size = static_cast<std::uint16_t>(used_ > segment_ ? segment_ : 0),
                    .ecn = ecn_,
                    .end_of_message = true});
  used_ = 0;
}

void PacketsOut::go_to(MessageRef to) noexcept {
  close_block();
  to_ = std::move(to);
}

void PacketsOut::emit() noexcept {
  close_block();
  while (!closed_.empty() && lower_.credit() > 0) {
    closed_bytes_ -= closed_.front().data.size();
    lower_.push(closed_.pop());
  }
}

}  // namespace trellis::sctp
