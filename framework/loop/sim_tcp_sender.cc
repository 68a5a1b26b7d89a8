// sim_tcp_sender.cc: see sim_tcp_sender.h.
#include "loop/sim_tcp_sender.h"

#include <algorithm>

namespace trellis {

std::size_t TcpSender::write(std::span<const std::byte> bytes) noexcept {
  const std::size_t size = std::min(bytes.size(), room());
  data_.append(bytes.first(size));
  return size;
}

std::span<const std::byte> TcpSender::early(std::uint32_t mss) const noexcept {
  return data_.view(0, std::min<std::size_t>(data_.size(), mss));
}

void TcpSender::start(TimePoint now, std::uint64_t ack, std::uint64_t window, std::uint32_t mss) noexcept {
  started_ = true;
  mss_ = mss;
  cwnd_ = kInitialWindow * mss;
  data_.drop_front(ack - una_data_);
  una_data_ = una_ = next_ = ack;
  limit_ = ack + window;
  waiting_since_ = heard_ = now;
}

void TcpSender::set_mss(std::uint32_t mss) noexcept {
  if (mss >= mss_) return;
  mss_ = mss;
  for (Sent& sent : sent_) {
    if (sent.end - sent.seq <= mss || sent.sacked || sent.lost) continue;
    sent.lost = true;  // too large for the path, not a sign of congestion
    in_flight_ -= sent.end - sent.seq;
  }
}

void TcpSender::measured(Duration round_trip) noexcept {
  if (srtt_ == Duration::zero()) {
    srtt_ = std::max(round_trip, Duration(1));
    rttvar_ = round_trip / 2;
    return;
  }
  const Duration difference = srtt_ > round_trip ? srtt_ - round_trip : round_trip - srtt_;
  rttvar_ = (rttvar_ * 3 + difference) / 4;
  srtt_ = std::max((srtt_ * 7 + round_trip) / 8, Duration(1));
}

Duration TcpSender::timeout() const noexcept {
  const Duration base = srtt_ == Duration::zero() ? kFirstTimeout : srtt_ + std::max(rttvar_ * 4, kShortestVariance);
  return std::min(base * (std::int64_t{1} << std::min(backoff_, 12u)), kLongestTimeout);
}

TcpSender::Piece TcpSender::piece(const Sent& sent) const noexcept {
  const std::uint64_t bytes_end = std::min(sent.end, data_end());
  return {sent.seq, data_.view(sent.seq - una_data_, bytes_end - sent.seq), sent.end > data_end()};
}

std::optional<TcpSender::Piece> TcpSender::next(TimePoint now) noexcept {
  if (!started_) return std::nullopt;
  if (auto repeated = next_lost(now)) return repeated;
  if (auto fresh = next_new(now)) return fresh;
  if (window_closed() && !probing_) {
    probing_ = true;
    waiting_since_ = heard_ = now;
  }
  return std::nullopt;
}

std::optional<TcpSender::Piece> TcpSender::next_lost(TimePoint now) noexcept {
  const auto found = std::ranges::find_if(sent_, &Sent::lost);
  if (found == sent_.end()) return std::nullopt;
  if (found->end - found->seq > mss_) {
    Sent rest = *found;
    rest.seq = found->end = found->seq + mss_;
    sent_.insert(found + 1, rest);
  }
  Sent& sent = *std::ranges::find_if(sent_, &Sent::lost);
  const std::uint64_t size = sent.end - sent.seq;
  if (in_flight_ > 0 && in_flight_ + size > cwnd_) return std::nullopt;
  sent.lost = false;
  sent.retransmitted = true;
  sent.at = now;
  sent.order = ++order_;
  in_flight_ += size;
  ++retransmissions_;
  if (&sent == &sent_.front()) waiting_since_ = now;
  return piece(sent);
}

std::optional<TcpSender::Piece> TcpSender::next_new(TimePoint now) noexcept {
  if (next_ > data_end()) return std::nullopt;  // the FIN is out
  const std::uint64_t available = data_end() - next_;
  const std::uint64_t window = limit_ > next_ ? limit_ - next_ : 0;
  const std::uint64_t congestion = cwnd_ > in_flight_ ? cwnd_ - in_flight_ : 0;
  const std::uint64_t size = std::min({available, window, congestion, std::uint64_t{mss_}});
  const bool last = size == available;
  if (size < mss_ && outstanding()) {  // small pieces wait: for a larger window, or (Nagle) for more bytes
    if (!last || (!no_delay && !finishing_)) return std::nullopt;
  }
  const bool fin = finishing_ && last;
  if (size == 0 && !fin) return std::nullopt;
  if (!outstanding()) waiting_since_ = now;
  const Sent& sent = sent_.emplace_back(Sent{next_, next_ + size + (fin ? 1 : 0), now, now, ++order_});
  next_ = sent.end;
  in_flight_ += sent.end - sent.seq;
  return piece(sent);
}

void TcpSender::on_ack(TimePoint now, const TcpHeader& header) noexcept {
  if (header.ack > next_) return;
  heard_ = now;
  attempts_ = 0;
  limit_ = std::max(limit_, header.ack + header.window);
  if (header.ack > una_) take_ack(now, header.ack);
  for (const auto& [from, to] : header.sacked) {
    for (Sent& sent : sent_) {
      if (sent.sacked || sent.seq < from || sent.end > to) continue;
      delivered(now, sent);
      sent.sacked = true;
    }
  }
  find_losses();
  if (probing_ && !window_closed()) {
    probing_ = false;
    backoff_ = 0;
  }
}

void TcpSender::take_ack(TimePoint now, std::uint64_t ack) noexcept {
  while (!sent_.empty() && sent_.front().end <= ack) {
    if (!sent_.front().sacked) delivered(now, sent_.front());
    sent_.pop_front();
  }
  if (!sent_.empty() && sent_.front().seq < ack) {
    Sent& front = sent_.front();
    if (!front.sacked && !front.lost) in_flight_ -= ack - front.seq;
    front.seq = ack;
  }
  const std::uint64_t bytes_end = std::min(ack, data_end());
  data_.drop_front(bytes_end - una_data_);
  una_data_ = bytes_end;
  const std::uint64_t acked = ack - una_;
  una_ = ack;
  waiting_since_ = now;
  backoff_ = 0;
  grow(acked);
}

void TcpSender::delivered(TimePoint now, Sent& sent) noexcept {
  if (!sent.lost) in_flight_ -= sent.end - sent.seq;
  sent.lost = false;
  delivered_order_ = std::max(delivered_order_, sent.order);
  if (!sent.retransmitted) measured(now - sent.at);
}

void TcpSender::find_losses() noexcept {
  for (Sent& sent : sent_) {
    if (!sent.sacked && !sent.lost && sent.order + kReordering <= delivered_order_) mark_lost(sent);
  }
}

void TcpSender::mark_lost(Sent& sent) noexcept {
  sent.lost = true;
  in_flight_ -= sent.end - sent.seq;
  if (sent.seq < recover_) return;
  recover_ = next_;
  ssthresh_ = std::max<std::uint64_t>(cwnd_ / 2, 2ULL * mss_);
  cwnd_ = ssthresh_;
}

void TcpSender::grow(std::uint64_t acked) noexcept {
  if (cwnd_ < ssthresh_) {
    cwnd_ += acked;
  } else if (una_ >= recover_) {
    cwnd_ += std::max<std::uint64_t>(mss_ * acked / cwnd_, 1);
  }
}

bool TcpSender::window_closed() const noexcept {
  return started_ && sent_.empty() && next_ < data_end() && limit_ <= next_;
}

TimePoint TcpSender::deadline() const noexcept {
  if (!outstanding() && !probing_) return TimePoint::max();
  const TimePoint timer = waiting_since_ + timeout();
  if (user_timeout == Duration::zero()) return timer;
  return std::min(timer, (outstanding() ? sent_.front().first_at : heard_) + user_timeout);
}

bool TcpSender::user_timeout_over(TimePoint now) const noexcept {
  if (user_timeout == Duration::zero()) return false;
  return now >= (outstanding() ? sent_.front().first_at : heard_) + user_timeout;
}

TcpSender::Timeout TcpSender::on_deadline(TimePoint now) noexcept {
  if (now < deadline()) return Timeout::not_yet;
  if (user_timeout_over(now) || attempts_ >= retries) return Timeout::give_up;
  ++attempts_;
  ++backoff_;
  waiting_since_ = now;
  if (!outstanding()) return Timeout::probe;
  if (backoff_ == 1) ssthresh_ = std::max<std::uint64_t>(cwnd_ / 2, 2ULL * mss_);
  cwnd_ = mss_;
  recover_ = next_;
  for (Sent& sent : sent_) sent.lost = !sent.sacked;
  in_flight_ = 0;
  return Timeout::retransmit;
}

}  // namespace trellis
