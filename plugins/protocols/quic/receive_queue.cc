#include "receive_queue.h"

#include <cstring>

namespace trellis::quic {
namespace {

/// Room of a block that follows others which nobody takes: a peer that sends byte by byte cannot fill the memory with
/// almost empty blocks.
constexpr std::size_t kLeastRoom = 2048;

}  // namespace

void ReceiveQueue::add(BlockPool& pool, std::span<const std::uint8_t> bytes, std::size_t expected,
                       const MessageRef& info) {
  bytes_ += bytes.size();
  if (!chunks_.empty() && chunks_.back().info == info) {
    const std::size_t room = std::min<std::size_t>(chunks_.back().data.tailroom(), bytes.size());
    if (room > 0) {
      std::memcpy(chunks_.back().data.append(static_cast<std::uint32_t>(room)).data(), bytes.data(), room);
      bytes = bytes.subspan(room);
    }
  }
  if (bytes.empty()) return;
  std::size_t room = std::max(expected, bytes.size());
  if (!chunks_.empty()) room = std::max(room, kLeastRoom);
  const auto size = static_cast<std::uint32_t>(bytes.size());
  Chunk chunk{.data = pool.allocate(0, size, static_cast<std::uint32_t>(room) - size), .info = info};
  std::memcpy(chunk.data.edit().data(), bytes.data(), bytes.size());
  chunks_.add(std::move(chunk));
}

void ReceiveQueue::add(Chunk&& message, std::size_t least_charge) {
  bytes_ += message.data.size();
  charge_ += std::max<std::size_t>(message.data.size(), least_charge);
  chunks_.add(std::move(message));
}

std::size_t ReceiveQueue::hand_up(UpperPort port) noexcept {
  std::size_t gone = 0;
  while (!chunks_.empty() && port.credit() > 0) {
    gone += chunks_.front().data.size();
    if (charge_ > 0) charge_ -= port.charge(chunks_.front());
    port.push(chunks_.pop());
  }
  bytes_ -= gone;
  return gone;
}

std::size_t ReceiveQueue::drop() noexcept {
  chunks_.clear();
  charge_ = 0;
  return std::exchange(bytes_, 0);
}

}  // namespace trellis::quic
