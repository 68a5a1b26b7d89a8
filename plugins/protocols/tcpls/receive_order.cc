#include "receive_order.h"

#include <algorithm>
#include <format>

namespace trellis::tcpls {

Result<bool> ReceiveOrder::take(StreamData&& frame, Batch& ready) noexcept {
  const auto illegal = [&](const char* what) {
    return tls::fail(tls::AlertDescription::illegal_parameter,
                     std::format("the peer sent {} bytes at offset {} of stream {}, {}", frame.data.size(),
                                 frame.offset, frame.stream, what));
  };
  if (frame.offset > UINT64_MAX - 1 - frame.data.size()) return illegal("where no stream can reach");
  const std::uint64_t end = frame.offset + frame.data.size();
  if (end > final_size_ || (frame.fin && final_size_ != UINT64_MAX && end != final_size_))
    return illegal("which contradicts its final size");
  if (frame.fin && end < highest_) return illegal("as its end, but bytes behind it have come");
  if (frame.fin) final_size_ = end;
  highest_ = std::max(highest_, end);
  if (end <= expected_) return false;  // all of it came before
  if (frame.offset > expected_) {
    keep(frame.offset, std::move(frame.data));
    return true;
  }
  frame.data.drop_front(static_cast<std::uint32_t>(expected_ - frame.offset));
  expected_ = end;
  ready.add(Chunk{.data = std::move(frame.data)});
  if (!gaps_.empty()) close_gap(ready);
  return false;
}

// The first copy of a byte is kept (TCPLS-46), so only what lies between the
// known pieces is new.
void ReceiveOrder::keep(std::uint64_t offset, Slice&& data) {
  while (data.size() > 0) {
    auto after = gaps_.upper_bound(offset);
    if (after != gaps_.begin()) {
      const auto& [begin, piece] = *std::prev(after);
      if (begin + piece.size() > offset) {
        const std::uint64_t known = std::min<std::uint64_t>(begin + piece.size() - offset, data.size());
        data.drop_front(static_cast<std::uint32_t>(known));
        offset += known;
        continue;
      }
    }
    std::uint32_t fresh = data.size();
    if (after != gaps_.end()) fresh = static_cast<std::uint32_t>(std::min<std::uint64_t>(fresh, after->first - offset));
    held_ += fresh + kEntryCost;
    gaps_.emplace_hint(after, offset, data.split_front(fresh));
    offset += fresh;
  }
}

void ReceiveOrder::close_gap(Batch& ready) {
  while (!gaps_.empty() && gaps_.begin()->first <= expected_) {
    auto node = gaps_.extract(gaps_.begin());
    held_ -= node.mapped().size() + kEntryCost;
    const std::uint64_t known = std::min<std::uint64_t>(expected_ - node.key(), node.mapped().size());
    node.mapped().drop_front(static_cast<std::uint32_t>(known));
    if (node.mapped().size() == 0) continue;
    expected_ += node.mapped().size();
    ready.add(Chunk{.data = std::move(node.mapped())});
  }
}

}  // namespace trellis::tcpls
