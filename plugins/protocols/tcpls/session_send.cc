// session_send.cc: records of a session that go out, and are kept as they are until the peer has acknowledged them.
#include <algorithm>
#include <format>

#include "session.h"

namespace trellis::tcpls {
namespace {

constexpr std::size_t kWaitingMost = 4 << 20;    // of all streams of a session together
constexpr std::size_t kWaitingLeast = 32 << 10;  // of each of them
constexpr std::size_t kAhead = 32;               // streams that have something to send

}  // namespace

// Bytes of one stream that may wait here. Many streams wait for each other, so more of each would only fill memory.
std::size_t Session::stream_window() const noexcept {
  return std::clamp(kWaitingMost / std::max<std::size_t>(streams_.size(), 1), std::min(kWaitingLeast, window_),
                    window_);
}

bool Session::takes_more(const Stream& s) const noexcept {
  return s.port && !s.fin_due && !spent_ && s.port.granted() * 2 <= stream_window();
}
// More from the application, when half of it has gone out. While enough streams have something to send the others wait
// for their turn: what a thousand of them held would leave the caches before it is encrypted, and goes out no sooner.
void Session::refill(Stream& s) noexcept {
  if (s.hungry || !takes_more(s)) return;
  if (&queue_of(s) != &sendable_ || sendable_.size() < kAhead) return feed(s);
  s.hungry = true;
  hungry_.add(&s);
}
void Session::feed(Stream& s) noexcept {
  const std::size_t window = stream_window();
  if (takes_more(s)) s.port.grant_to(window - std::min(window, s.unsent_bytes));
}
// Those that have nothing to send are many, perhaps: arm() comes back for more.
void Session::feed_hungry() noexcept {
  for (std::size_t n = sendable_.size(); n < kAhead && !hungry_.empty(); ++n) {
    Stream& s = *hungry_.pop();
    s.hungry = false;
    feed(s);
  }
}

void Session::queue(Stream& s) noexcept {
  if (s.queued || !s.has_something()) return;
  s.queued = true;
  queue_of(s).add(&s);
}

// That of the connection to which the application has tied the stream, or that of the session.
Fifo<Stream*>& Session::queue_of(const Stream& s) noexcept {
  Connection* const c = s.connection ? by_id(*s.connection) : nullptr;
  return c != nullptr && c->usable() ? c->sendable : sendable_;
}
void Session::unqueue(Stream& s) noexcept {
  if (std::exchange(s.hungry, false)) hungry_.erase(&s);
  if (!std::exchange(s.queued, false)) return;
  sendable_.erase(&s);
  for (const auto& c : connections_) c->sendable.erase(&s);
}
// What was tied to a connection that carries nothing more goes by any other.
void Session::untie(Connection& c) noexcept {
  while (!c.sendable.empty()) sendable_.add(c.sendable.pop());
}

bool Session::something_waits() noexcept {
  if (!orphans_.empty()) return true;
  return !sendable_.empty() && (plain_ || may_send_more());
}

// From the first byte that is not acknowledged on so much is on its way or behind it: kept here, or waiting at the peer
// for what is missing, if other connections have brought it already. What was lost comes first of all, so orphans are
// not looked at.
bool Session::may_send_more() noexcept {
  if (sent_ - acked_before_ < settings_.unacked_max) return true;
  acked_before_ = sent_;
  for (const auto& c : connections_) acked_before_ = std::min(acked_before_, c->unacked.least_place());
  return sent_ - acked_before_ < settings_.unacked_max;
}

// Pinned streams go by this connection from now on; null: there is none.
void Session::go_on_over(Connection* c) noexcept {
  if (c == in_use_) return;
  in_use_ = c;
  if (c == nullptr) return;
  host_.notify(Notice::path_change, {Reason{}, 0, kLayer, std::format("streams go on over connection {}", c->id)});
}

// The connection for the next record; null: none takes one now.
Connection* Session::pick() noexcept {
  const auto takes = [](const Connection& c) { return c.usable() && c.port.credit() > 0; };
  if (scheduler_ == Scheduler::pinned) {
    if (in_use_ == nullptr || !in_use_->usable()) {
      Connection* nearest = nullptr;
      for (const auto& c : connections_) {
        if (c->usable() && (nearest == nullptr || c->rtt < nearest->rtt)) nearest = c.get();
      }
      go_on_over(nearest);
    }
    return in_use_ != nullptr && takes(*in_use_) ? in_use_ : nullptr;
  }
  Connection* best = nullptr;
  const std::size_t n = connections_.size();
  for (std::size_t i = 1; i <= n; ++i) {
    Connection* const c = connections_[(turn_ + i) % n].get();
    if (!takes(*c)) continue;
    if (scheduler_ != Scheduler::lowest_rtt) {
      turn_ = (turn_ + i) % n;
      return c;
    }
    if (best == nullptr || c->rtt < best->rtt) best = c;
  }
  return best;
}

// Streams that are tied to a connection, as far as that takes something.
void Session::send_tied() noexcept {
  for (std::size_t i = 0; i < connections_.size() && stage_ == Stage::open; ++i) {
    Connection& c = *connections_[i];
    if (!c.sendable.empty() && !c.usable()) untie(c);
    while (stage_ == Stage::open && !c.sendable.empty() && c.usable() && c.port.credit() > 0 && orphans_.empty() &&
           may_send_more()) {
      if (!pack(c, true)) break;
    }
  }
}

// ---- packing

// What the next record takes of a stream, where it has room for so many bytes of data. A record carries the fate of one
// message at most: behind its end there is only the beginning of the next one, so that records are full.
Session::Portion Session::portion(const Stream& s, std::uint32_t room) noexcept {
  Portion part;
  std::size_t chunks = 0;
  bool fate = false;
  for (const Chunk& chunk : s.unsent) {
    const std::uint32_t size = std::min(chunk.data.size(), room - part.size);
    const bool whole = size == chunk.data.size();
    if (fate && (size == 0 || (whole && chunk.info))) break;
    part.size += size;
    part.own += OutgoingRecord::own_bytes(chunk.data, size);
    if (!whole) break;
    ++chunks;
    fate = fate || chunk.info;
    if (part.size == room) break;
  }
  part.fin = s.fin_due && chunks == s.unsent.size();
  return part;
}

// Bytes that the next record needs of its own, without what stays where it is; 0: there is nothing to send.
std::uint32_t Session::own_size(const Connection& c, bool data) noexcept {
  std::uint32_t own = 0;
  for (const auto& any : connections_) own += any->received && any->ack_due > 0 ? Ack::kSize : 0;
  if (!data) return own;
  std::uint32_t content = own;
  // False: a frame with so many bytes of fields does not fit, with a byte of its data if it has any.
  const auto fits = [&](std::uint32_t fixed, std::uint32_t size) {
    return content + fixed + std::min(size, 1u) <= tls::kPlaintextMax;
  };
  const auto add = [&](std::uint32_t fixed, std::uint32_t size, std::uint32_t copied) {
    content += fixed + size;
    own += fixed + copied;
  };
  for (const auto& [frame, place] : orphans_) {
    if (const auto* const moved = std::get_if<StreamData>(&frame)) {
      const std::uint32_t header = OutgoingRecord::header_bytes(content);
      if (!fits(header, moved->data.size())) return own;
      const std::uint32_t size = std::min(moved->data.size(), tls::kPlaintextMax - content - header);
      add(header, size, OutgoingRecord::own_bytes(moved->data, size));
    } else {
      const std::uint32_t fixed = std::holds_alternative<NewToken>(frame) ? NewToken::kSize : ConnectionReset::kSize;
      if (!fits(fixed, 0)) return own;
      add(fixed, 0, 0);
    }
  }
  if (!orphans_.empty() || !may_send_more()) return own;
  const Fifo<Stream*>& queue = c.sendable.empty() ? sendable_ : c.sendable;
  for (std::size_t i = 0; i < queue.size(); ++i) {
    const Stream& s = *queue[i];
    const std::uint32_t header = OutgoingRecord::header_bytes(content);
    if (!fits(header, s.unsent.empty() ? 0 : 1)) break;
    const Portion part = portion(s, tls::kPlaintextMax - content - header);
    add(header, part.size, part.own);
  }
  return own;
}

// One record. False: there was nothing to put in.
bool Session::pack(Connection& c, bool data) noexcept {
  const std::uint32_t own = own_size(c, data);
  if (own == 0) return false;
  OutgoingRecord record(pool(), own, pieces_);
  MessageRef info;
  put_acks(record);
  const std::uint32_t acks = record.size();
  if (data && !orphans_.empty())
    put_orphans(c, record);
  else if (data && may_send_more())
    put_streams(c, record, info);
  if (record.size() == 0) return pieces_.clear(), false;
  seal(c, record, record.size() > acks ? Keep::all : Keep::nothing, std::move(info));
  return true;
}

// For all connections: an acknowledgement may travel on any of them.
void Session::put_acks(OutgoingRecord& record) noexcept {
  for (const auto& c : connections_) {
    if (c->received && c->ack_due > 0) put_ack(*c, record);
  }
}
void Session::put_ack(Connection& c, OutgoingRecord& record) noexcept {
  record.put(Ack{c.id, *c.received});
  c.ack_due = 0;
  c.ack_now = false;
  c.ack_at = TimePoint::max();
}

// What connections that are gone may have taken along: first of all.
void Session::put_orphans(Connection& c, OutgoingRecord& record) noexcept {
  while (!orphans_.empty()) {
    auto& [frame, place] = orphans_.front();
    if (auto* const moved = std::get_if<StreamData>(&frame)) {
      if (record.left() < record.header_bytes() + std::min(moved->data.size(), 1u)) return;
      const std::uint32_t size = std::min(moved->data.size(), record.left() - record.header_bytes());
      const bool whole = size == moved->data.size();
      put_data(c, {moved->stream, moved->offset, moved->data.split_front(size), moved->fin && whole}, place, record);
      moved->offset += size;
      if (!whole) return;
    } else if (const auto* const token = std::get_if<NewToken>(&frame)) {
      if (record.left() < NewToken::kSize) return;
      record.put(*token);
    } else if (const auto* const reset = std::get_if<ConnectionReset>(&frame)) {
      if (record.left() < ConnectionReset::kSize) return;
      record.put(*reset);
    }
    orphans_.pop_front();
  }
}
void Session::put_data(Connection& c, StreamData&& frame, std::uint64_t place, OutgoingRecord& record) noexcept {
  const std::uint32_t size = frame.data.size();
  record.put_header(frame.stream, frame.offset, size, frame.fin);
  record.put_data(std::move(frame.data));
  c.unacked.add({.stream = frame.stream, .size = size, .fin = frame.fin, .place = place});
}

// Streams take turns, a record each if they have that much.
void Session::put_streams(Connection& c, OutgoingRecord& record, MessageRef& info) noexcept {
  Fifo<Stream*>& queue = c.sendable.empty() ? sendable_ : c.sendable;
  while (!queue.empty() && !info) {
    Stream& s = *queue.front();
    if (record.left() < record.header_bytes() + (s.unsent.empty() ? 0u : 1u)) return;
    put_stream(c, s, record, info);
    queue.pop();
    if (s.has_something()) return queue.add(&s);
    s.queued = false;
    end_if_over(s);
  }
}

void Session::put_stream(Connection& c, Stream& s, OutgoingRecord& record, MessageRef& info) noexcept {
  const Portion part = portion(s, record.left() - record.header_bytes());
  record.put_header(s.id, s.offset, part.size, part.fin);
  c.unacked.add({.stream = s.id, .size = part.size, .fin = part.fin, .place = sent_});
  sent_ += part.size + ReceiveOrder::kEntryCost;
  s.offset += part.size;
  s.unsent_bytes -= part.size;
  for (std::uint32_t left = part.size; !s.unsent.empty() && (left > 0 || !info);) {
    Chunk& front = s.unsent.front();
    if (front.data.size() > left) {
      if (left > 0) record.put_data(front.data.split_front(left));
      break;
    }
    Chunk whole = s.unsent.pop();
    left -= whole.data.size();
    record.put_data(std::move(whole.data));
    if (whole.info) info = std::move(whole.info);
    if (left == 0 && !part.fin) break;
  }
  s.out_done = part.fin;
  refill(s);
}

void Session::seal(Connection& c, OutgoingRecord& record, Keep keep, MessageRef info) noexcept {
  record.finish();
  const std::uint64_t sequence = c.sealer->sequence();
  if (auto done = c.sealer->seal_pieces(pieces_, sealed_); !done) {
    pieces_.clear();
    done.error().layer = kLayer;
    return fail_with(std::move(done.error()));
  }
  for (Chunk& piece : sealed_) {
    c.bytes_sent += piece.data.size();
    if (keep == Keep::all && (settings_.failover || !c.unacked.has_data())) c.unacked.add(piece.data.share());
  }
  if (keep != Keep::nothing) c.unacked.end(sequence, now());
  if (c.port.credit() <= sealed_.bytes() - sealed_.back().data.size()) join_pieces();
  sealed_.back().info = std::move(info);
  c.port.push(sealed_);
}

// Only the last chunk may overshoot the credit: a record that does not fit goes as one.
void Session::join_pieces() noexcept {
  if (sealed_.size() == 1) return;
  Slice whole = pool().allocate(0, static_cast<std::uint32_t>(sealed_.bytes()), 0);
  for (std::size_t at = 0; !sealed_.empty();) {
    const Slice piece = sealed_.pop().data;
    std::ranges::copy(piece.bytes(), whole.edit().begin() + static_cast<std::ptrdiff_t>(at));
    at += piece.size();
  }
  sealed_.add(Chunk{.data = std::move(whole)});
}

// A peer without TCPLS: one stream of TLS.
bool Session::pack_plain(Connection& c) noexcept {
  if (sendable_.empty()) return false;
  Stream& s = *sendable_.front();
  if (!s.unsent.empty()) {
    Batch plain;
    while (!s.unsent.empty() && plain.size() < 16) {
      s.unsent_bytes -= s.unsent.front().data.size();
      plain.add(s.unsent.pop());
    }
    if (!c.sealer->seal(tls::ContentType::application_data, plain, sealed_, pool())) {
      fail_with({Reason::exhausted, 0, kLayer, "the key has protected as much as it may"});
      return false;
    }
    c.port.push(sealed_);
    if (s.port.granted() * 2 <= window_) s.port.grant_to(window_ - std::min(window_, s.unsent_bytes));
  }
  if (!s.unsent.empty()) return true;
  sendable_.pop();
  s.queued = false;
  if (s.fin_due) {
    s.out_done = true;
    say_goodbye();
    end_if_over(s);
  }
  return true;
}

// Acknowledgements that are due and found no data to travel with: on their own connection if that takes something,
// where they may share a packet, otherwise on any (TCPLS-73).
void Session::send_acks() noexcept {
  const auto due = [this](const Connection& c) { return c.ack_due > 0 && (c.ack_now || c.ack_at <= now()); };
  bool any = false;
  Connection *own = nullptr, *other = nullptr;
  for (const auto& c : connections_) {
    const bool wants = due(*c);
    any = any || wants;
    if (!c->open() || c->fin_sent || c->port.credit() == 0) continue;
    if (wants && own == nullptr) own = c.get();
    if (other == nullptr || c.get() == in_use_) other = c.get();
  }
  if (Connection* const way = own != nullptr ? own : other; any && way != nullptr) (void)pack(*way, false);
}

}  // namespace trellis::tcpls
