// sim_tcp_connection.cc: see sim_tcp_connection.h.
#include "loop/sim_tcp_connection.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "loop/sim_host.h"

namespace trellis {

TcpConnection::TcpConnection(SimTcp& tcp, const Address& local, const Address& remote, const SimInterface* bound)
    : tcp_(tcp), local_(local), remote_(remote), bound_(bound), timer_(tcp.host().world(), *this) {
  tcp_.add(*this);
}

TcpConnection::~TcpConnection() { tcp_.remove(*this); }

bool TcpConnection::established() const noexcept {
  return failure_ == 0 && (state_ == State::open || state_ == State::time_wait || state_ == State::closed);
}

SimPacket TcpConnection::segment() noexcept {
  SimPacket packet;
  packet.protocol = IPPROTO_TCP;
  packet.from = local_;
  packet.to = remote_;
  if (settings.hops != 0) packet.hops = settings.hops;
  packet.tcp.seq = sender.next_seq();
  packet.tcp.ack = receiver.next_seq();
  packet.tcp.has_ack = true;
  packet.tcp.window = receiver.window(sender.mss());
  packet.tcp.sacked = receiver.sacked();
  return packet;
}

std::uint32_t TcpConnection::path_mss() const noexcept {
  constexpr std::uint32_t kSmallestMtu = 128;
  const std::uint32_t mtu = std::max(tcp_.host().path_mtu(remote_, local_, bound_), kSmallestMtu);
  const std::uint32_t mss = mtu - static_cast<std::uint32_t>(SimPacket::header_size(IPPROTO_TCP, local_.family));
  return settings.mss == 0 ? mss : std::min(mss, settings.mss);
}

int TcpConnection::emit(SimPacket&& packet) noexcept { return tcp_.host().send(std::move(packet), bound_).error; }

void TcpConnection::emit_ack(bool probe) noexcept {
  SimPacket packet = segment();
  packet.tcp.probe = probe;
  emit(std::move(packet));
}

void TcpConnection::emit_syn() noexcept {
  SimPacket packet = segment();
  packet.tcp.seq = 0;
  packet.tcp.syn = true;
  packet.tcp.has_ack = passive_;
  packet.tcp.mss = path_mss();
  if (!passive_ && fast_open_) {
    packet.tcp.cookie = tcp_.has_cookie(remote_) ? TcpHeader::Cookie::shown : TcpHeader::Cookie::requested;
    if (tcp_.has_cookie(remote_) && syns_ == 0) {  // a repeated SYN goes without data: it may be what is dropped
      const auto early = sender.early(packet.tcp.mss);
      packet.payload.assign(early.begin(), early.end());
    }
  } else if (fast_open_) {
    packet.tcp.cookie = TcpHeader::Cookie::granted;
  }
  last_syn_ = tcp_.host().world().now();
  if (syns_++ == 0) first_syn_ = last_syn_;
  emit(std::move(packet));
}

bool TcpConnection::output() noexcept {
  bool sent = false;
  const TimePoint now = tcp_.host().world().now();
  while (const auto piece = sender.next(now)) {
    SimPacket packet = segment();
    packet.tcp.seq = piece->seq;
    packet.tcp.fin = piece->fin;
    packet.payload.assign(piece->bytes.begin(), piece->bytes.end());
    if (piece->fin && !receiver.finished()) finished_first_ = true;
    const int error = emit(std::move(packet));
    sent = true;
    if (error != EMSGSIZE) continue;
    sender.set_mss(path_mss());
  }
  return sent;
}

void TcpConnection::connect(bool fast_open) noexcept {
  fast_open_ = fast_open;
  state_ = fast_open && tcp_.has_cookie(remote_) ? State::deferred : State::syn_sent;
  if (state_ == State::syn_sent) emit_syn();
  rearm();
}

void TcpConnection::answer(const SimPacket& syn, bool fast_open) noexcept {
  peer_mss_ = syn.tcp.mss;
  fast_open_ = fast_open && syn.tcp.cookie != TcpHeader::Cookie::none;
  passive_ = true;
  state_ = State::syn_received;
  heard_ = tcp_.host().world().now();
  receiver.window(peer_mss_);
  const bool early = fast_open_ && syn.tcp.cookie == TcpHeader::Cookie::shown && user->admit(*this);
  if (early) receiver.on_data(1, syn.payload, false);
  emit_syn();
  // The peer's SYN repeats ours when the answer is lost, so an early connection needs no timer for it.
  if (early) open(heard_, 1, syn.tcp.window);
  tell();
  rearm();
}

void TcpConnection::push() noexcept {
  if (state_ == State::deferred) {
    state_ = State::syn_sent;
    emit_syn();
  }
  output();
  settle();
  rearm();
}

std::size_t TcpConnection::read(std::span<std::byte> out) noexcept {
  const auto bytes = receiver.front(out.size());
  std::memcpy(out.data(), bytes.data(), bytes.size());
  receiver.consume(bytes.size());
  if (state_ == State::open && receiver.wants_update(sender.mss())) emit_ack();
  return bytes.size();
}

void TcpConnection::finish() noexcept {
  if (std::exchange(finishing_, true)) return;
  sender.finish();
  push();
}

void TcpConnection::abandon(bool abruptly) noexcept {
  user = nullptr;
  switch (state_) {
    case State::closed: return tcp_.bury(*this);
    case State::deferred:
    case State::syn_sent: return close();
    case State::syn_received:
    case State::open:
      if (!abruptly && receiver.available() == 0) break;
      send_reset();
      return close();
    case State::time_wait: return linger();
  }
  sender.retries = kOrphanRetries;
  finish();
  if (state_ == State::open && sender.fin_acked()) linger();
}

void TcpConnection::linger() noexcept {
  if (!std::exchange(lingering_, true)) tcp_.linger(*this);
}

void TcpConnection::send_reset() noexcept {
  SimPacket packet = segment();
  packet.tcp.rst = true;
  emit(std::move(packet));
}

void TcpConnection::on_segment(SimPacket&& packet) noexcept {
  heard_ = tcp_.host().world().now();
  probes_ = 0;
  if (state_ == State::deferred) return;
  if (state_ == State::syn_sent) return in_syn_sent(packet);
  if (packet.tcp.rst) return on_reset(packet);
  // A repeated SYN misses our answer, a repeated answer misses our acknowledgement.
  if (packet.tcp.syn) return passive_ && !packet.tcp.has_ack ? emit_syn() : emit_ack();
  if (!acknowledged(packet)) return;
  const bool more = packet.tcp.seq + packet.payload.size() > receiver.next_seq();
  if (user == nullptr && more && !packet.payload.empty()) {  // nobody will ever read it
    send_reset();
    return fail(ECONNRESET);
  }
  const bool carries = !packet.payload.empty() || packet.tcp.fin || packet.tcp.probe;
  if (carries) receiver.on_data(packet.tcp.seq, packet.payload, packet.tcp.fin);
  if (!output() && carries) emit_ack();
  settle();
  tell();
  rearm();
}

// False: the segment goes no further.
bool TcpConnection::acknowledged(const SimPacket& packet) noexcept {
  if (!packet.tcp.has_ack) return false;
  if (state_ == State::syn_received) {
    if (packet.tcp.ack != 1 || user == nullptr || !user->admit(*this)) return false;
    if (syns_ == 1) sender.measured(heard_ - first_syn_);
    open(heard_, packet.tcp.ack, packet.tcp.window);
    return true;
  }
  sender.on_ack(heard_, packet.tcp);
  return true;
}

void TcpConnection::open(TimePoint now, std::uint64_t ack, std::uint64_t window) noexcept {
  state_ = State::open;
  sender.start(now, ack, window, std::min(path_mss(), peer_mss_));
}

void TcpConnection::in_syn_sent(const SimPacket& packet) noexcept {
  const bool ours = packet.tcp.has_ack && packet.tcp.ack >= 1;
  if (packet.tcp.rst && ours) return fail(ECONNREFUSED);
  if (packet.tcp.rst || !packet.tcp.syn || !ours) return;
  peer_mss_ = packet.tcp.mss;
  if (packet.tcp.cookie == TcpHeader::Cookie::granted) tcp_.put_cookie(remote_);
  if (syns_ == 1) sender.measured(heard_ - first_syn_);
  early_accepted_ = packet.tcp.ack > 1;
  open(heard_, packet.tcp.ack, packet.tcp.window);
  receiver.window(sender.mss());
  if (!output()) emit_ack();
  tell();
  rearm();
}

void TcpConnection::on_reset(const SimPacket& packet) noexcept {
  if (state_ == State::time_wait) return;  // RFC 1337
  if (packet.tcp.seq != receiver.next_seq()) {
    if (receiver.in_window(packet.tcp.seq)) emit_ack();  // RFC 5961: let the peer say it again, exactly
    return;
  }
  fail(receiver.finished() ? EPIPE : ECONNRESET);
}

void TcpConnection::on_icmp(const IcmpError& error) noexcept {
  if (error.kind == IcmpError::Kind::too_big) {
    sender.set_mss(path_mss());
    output();
    return rearm();
  }
  if (state_ == State::syn_sent) return fail(errno_of(error.kind));
  soft_error_ = errno_of(error.kind);
}

// Both directions have come to their end: the end that finished first waits for stray segments.
void TcpConnection::settle() noexcept {
  if (state_ != State::open || !sender.fin_acked()) return;
  if (receiver.finished()) {
    if (!finished_first_) return close();
    state_ = State::time_wait;
  }
  if (user == nullptr) linger();
}

void TcpConnection::close() noexcept {
  state_ = State::closed;
  timer_.cancel();
  tcp_.remove(*this);
  if (user == nullptr) tcp_.bury(*this);
}

void TcpConnection::fail(int error) noexcept {
  tcp_.host().trace("tcp failed", static_cast<std::uint64_t>(error), local_, remote_);
  failure_ = error;
  close();
  tell();
}

void TcpConnection::tell() noexcept {
  if (user != nullptr) user->stirred(*this);
}

TimePoint TcpConnection::handshake_deadline() const noexcept {
  if (state_ != State::syn_sent && state_ != State::syn_received) return TimePoint::max();
  const TimePoint repeat = last_syn_ + kFirstSynTimeout * (std::int64_t{1} << std::min(syns_ - 1, 6u));
  if (sender.user_timeout == Duration::zero()) return repeat;
  return std::min(repeat, first_syn_ + sender.user_timeout);
}

TimePoint TcpConnection::keepalive_deadline() const noexcept {
  if (state_ != State::open || settings.keep_idle == Duration::zero() || sender.outstanding()) return TimePoint::max();
  return heard_ + settings.keep_idle + settings.keep_interval * probes_;
}

void TcpConnection::rearm() noexcept {
  TimePoint deadline = std::min(handshake_deadline(), keepalive_deadline());
  if (state_ == State::open) deadline = std::min(deadline, sender.deadline());
  timer_.schedule(deadline);
}

void TcpConnection::on_timer() noexcept {
  const TimePoint now = tcp_.host().world().now();
  if (now >= handshake_deadline()) {
    on_handshake_timeout();
  } else if (now >= keepalive_deadline()) {
    on_keepalive();
  } else {
    switch (sender.on_deadline(now)) {
      case TcpSender::Timeout::not_yet: break;
      case TcpSender::Timeout::retransmit: output(); break;
      case TcpSender::Timeout::probe: emit_ack(true); break;
      case TcpSender::Timeout::give_up: return fail(soft_error_ != 0 ? soft_error_ : ETIMEDOUT);
    }
  }
  if (state_ != State::closed) rearm();
}

void TcpConnection::on_handshake_timeout() noexcept {
  const unsigned retries = state_ == State::syn_sent ? settings.syn_retries : kSynAckRetries;
  const TimePoint now = tcp_.host().world().now();
  const bool user_timeout = sender.user_timeout != Duration::zero() && now >= first_syn_ + sender.user_timeout;
  if (syns_ > retries || user_timeout) return fail(soft_error_ != 0 ? soft_error_ : ETIMEDOUT);
  emit_syn();
}

void TcpConnection::on_keepalive() noexcept {
  const TimePoint now = tcp_.host().world().now();
  const bool given_up = sender.user_timeout == Duration::zero() ? probes_ >= settings.keep_count
                                                                : probes_ > 0 && now >= heard_ + sender.user_timeout;
  if (given_up) {
    send_reset();
    return fail(soft_error_ != 0 ? soft_error_ : ETIMEDOUT);
  }
  ++probes_;
  emit_ack(true);
}

}  // namespace trellis
