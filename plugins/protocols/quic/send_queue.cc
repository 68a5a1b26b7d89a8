#include "send_queue.h"

namespace trellis::quic {

// Empty messages are nothing on a stream: they are sent when what is before them is.
void SendQueue::add(Chunk&& chunk) noexcept {
  if (chunk.data.size() == 0 && chunks_.empty()) return;
  waiting_ += chunk.data.size();
  chunks_.add(std::move(chunk));
  if (waiting_ == 0) sent(0);
}

std::size_t SendQueue::gather(std::span<ngtcp2_vec> into, bool& all) noexcept {
  std::size_t count = 0, skip = part_;
  const Chunk* chunk = chunks_.begin() + next_;
  for (; chunk != chunks_.end() && count < into.size(); ++chunk) {
    const auto bytes = chunk->data.bytes().subspan(std::exchange(skip, 0));
    if (bytes.empty()) continue;
    // The library only reads them.
    auto* const base = const_cast<std::uint8_t*>(reinterpret_cast<const std::uint8_t*>(bytes.data()));
    into[count++] = {base, bytes.size()};
  }
  all = chunk == chunks_.end();
  return count;
}

void SendQueue::sent(std::size_t bytes) noexcept {
  waiting_ -= bytes;
  for (; next_ < chunks_.size(); ++next_) {
    const Chunk& chunk = chunks_.begin()[next_];
    const std::size_t left = chunk.data.size() - part_;
    if (bytes < left) {
      part_ += bytes;
      return;
    }
    bytes -= left;
    part_ = 0;
    if (chunk.info) chunk.info->report(Fate::sent);
  }
}

void SendQueue::acknowledged(std::uint64_t below) noexcept {
  while (next_ > 0 && begin_ + chunks_.front().data.size() <= below) {
    const Chunk chunk = chunks_.pop();
    --next_;
    begin_ += chunk.data.size();
    if (chunk.info) chunk.info->report(Fate::acknowledged);
  }
}

void SendQueue::rewind() noexcept {
  next_ = part_ = 0;
  waiting_ = chunks_.bytes();
}

void SendQueue::drop(const Error& why) noexcept {
  while (!chunks_.empty()) {
    const Chunk chunk = chunks_.pop();
    if (chunk.info) chunk.info->report(Fate::failed, &why);
  }
  next_ = part_ = waiting_ = 0;
}

}  // namespace trellis::quic
