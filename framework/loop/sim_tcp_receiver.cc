// sim_tcp_receiver.cc: see sim_tcp_receiver.h.
#include "loop/sim_tcp_receiver.h"

#include <algorithm>

namespace trellis {

void TcpReceiver::on_data(std::uint64_t seq, std::span<const std::byte> bytes, bool fin) {
  if (fin && seq + bytes.size() <= limit_) fin_at_ = seq + bytes.size();
  if (seq < next_) {
    const std::uint64_t known = std::min<std::uint64_t>(next_ - seq, bytes.size());
    bytes = bytes.subspan(known);
    seq += known;
  }
  bytes = bytes.first(std::min<std::uint64_t>(bytes.size(), limit_ > seq ? limit_ - seq : 0));
  if (!bytes.empty() && seq == next_) {
    ready_.append(bytes);
    next_ += bytes.size();
    take_ahead();
  } else if (!bytes.empty()) {
    auto& kept = ahead_[seq];
    if (kept.size() < bytes.size()) kept.assign(bytes.begin(), bytes.end());
  }
  if (next_ != fin_at_ || finished_) return;
  finished_ = true;
  ++next_;
}

void TcpReceiver::take_ahead() {
  while (!ahead_.empty() && ahead_.begin()->first <= next_) {
    const auto& [seq, bytes] = *ahead_.begin();
    const std::uint64_t known = std::min<std::uint64_t>(next_ - seq, bytes.size());
    ready_.append(std::span(bytes).subspan(known));
    next_ += bytes.size() - known;
    ahead_.erase(ahead_.begin());
  }
}

std::span<const std::byte> TcpReceiver::front(std::size_t most) const noexcept {
  return ready_.view(0, std::min(most, ready_.size()));
}

std::uint64_t TcpReceiver::possible_limit() const noexcept {
  return next_ + (ready_.size() < capacity ? capacity - ready_.size() : 0);
}

std::uint64_t TcpReceiver::step(std::uint32_t mss) const noexcept { return std::min<std::uint64_t>(capacity / 2, mss); }

std::uint64_t TcpReceiver::window(std::uint32_t mss) noexcept {
  const std::uint64_t possible = possible_limit();
  if (possible >= limit_ + step(mss)) limit_ = possible;
  return limit_ > next_ ? limit_ - next_ : 0;
}

bool TcpReceiver::wants_update(std::uint32_t mss) const noexcept {
  return !finished_ && possible_limit() >= limit_ + 2 * step(mss);
}

std::vector<std::pair<std::uint64_t, std::uint64_t>> TcpReceiver::sacked() const {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;
  for (const auto& [seq, bytes] : ahead_) {
    const std::uint64_t end = seq + bytes.size();
    if (!ranges.empty() && seq <= ranges.back().second) {
      ranges.back().second = std::max(ranges.back().second, end);
    } else {
      ranges.emplace_back(seq, end);
    }
  }
  return ranges;
}

}  // namespace trellis
