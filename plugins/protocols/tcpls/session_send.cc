// session_send.cc: records of a session that go out. Data are copied once, into
// the record; the slices of the application are kept until the peer has
// acknowledged them.
#include <algorithm>

#include "session.h"

namespace trellis::tcpls {

void Session::queue(Stream& s) noexcept {
  if (s.queued || !s.has_something()) return;
  s.queued = true;
  sendable_.push_back(&s);
}

bool Session::something_waits() const noexcept {
  if (!orphans_.empty()) return true;
  return !sendable_.empty() && (plain_ || unacked_bytes_ < settings_.unacked_max);
}

// The connection for the next record; null: none takes one now.
Connection* Session::pick() noexcept {
  const auto takes = [](const Connection& c) { return c.usable() && c.port.credit() > 0; };
  if (scheduler_ == Scheduler::pinned) {
    if (in_use_ == nullptr || !in_use_->usable()) {
      in_use_ = nullptr;
      for (const auto& c : connections_) {
        if (c->usable() && (in_use_ == nullptr || c->rtt < in_use_->rtt)) in_use_ = c.get();
      }
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

// ---- packing

// Bytes of frames that wait, up to what fits a record.
std::uint32_t Session::size_of_next(bool data) const noexcept {
  std::size_t size = 0;
  for (const auto& c : connections_) size += c->received && c->ack_due > 0 ? Ack::kSize : 0;
  if (!data) return static_cast<std::uint32_t>(size);
  for (const Kept& frame : orphans_) {
    size += std::max<std::size_t>(NewToken::kSize, kStreamHeader + bytes_of(frame));
    if (size >= tls::kPlaintextMax) break;
  }
  for (const Stream* s : sendable_) {
    if (size >= tls::kPlaintextMax) break;
    size += kStreamHeader + s->unsent_bytes;
    size += kStreamHeader * std::min<std::size_t>(s->unsent.size(), 64);
  }
  return static_cast<std::uint32_t>(std::min<std::size_t>(size, tls::kPlaintextMax));
}

// One record. False: there was nothing to put in.
bool Session::pack(Connection& c, bool data) noexcept {
  const std::uint32_t size = size_of_next(data);
  if (size == 0) return false;
  Slice content = pool().allocate(tls::kHeadroom, size, tls::kTailroom);
  FrameWriter writer(content.edit());
  MessageRef info;
  put_acks(writer);
  if (data) put_orphans(c, writer);
  if (data && orphans_.empty() && unacked_bytes_ < settings_.unacked_max) put_streams(c, writer, info);
  if (writer.written() == 0) return false;
  content.drop_back(writer.left());
  seal(c, std::move(content), std::move(info));
  return true;
}

// For all connections: an acknowledgement may travel on any of them.
void Session::put_acks(FrameWriter& writer) noexcept {
  for (const auto& c : connections_) {
    if (!c->received || c->ack_due == 0 || writer.left() < Ack::kSize) continue;
    writer.put(Ack{c->id, *c->received});
    c->ack_due = 0;
    c->ack_now = false;
    c->ack_at = TimePoint::max();
  }
}

// What connections that are gone may have taken along: first of all.
void Session::put_orphans(Connection& c, FrameWriter& writer) noexcept {
  const std::uint64_t sequence = c.sealer->sequence();
  while (!orphans_.empty()) {
    Kept& frame = orphans_.front();
    if (auto* const data = std::get_if<StreamData>(&frame)) {
      if (writer.left() < kStreamHeader + std::min(data->data.size(), 1u)) return;
      const std::uint32_t room = writer.left() - kStreamHeader;
      if (data->data.size() > room) {
        StreamData part{.stream = data->stream, .offset = data->offset, .data = data->data.split_front(room)};
        data->offset += room;
        writer.put(part.stream, part.offset, part.data.bytes(), false);
        unacked_bytes_ += part.data.size();
        c.unacked.add(sequence, now(), std::move(part));
        return;
      }
      writer.put(data->stream, data->offset, data->data.bytes(), data->fin);
      unacked_bytes_ += data->data.size();
    } else if (const auto* const token = std::get_if<NewToken>(&frame)) {
      if (writer.left() < NewToken::kSize) return;
      writer.put(*token);
    } else if (const auto* const reset = std::get_if<ConnectionReset>(&frame)) {
      if (writer.left() < ConnectionReset::kSize) return;
      writer.put(*reset);
    }
    c.unacked.add(sequence, now(), std::move(frame));
    orphans_.pop_front();
  }
}

// Streams take turns, a record each if they have that much.
void Session::put_streams(Connection& c, FrameWriter& writer, MessageRef& info) noexcept {
  while (!sendable_.empty() && writer.left() >= kStreamHeader && !info) {
    Stream& s = *sendable_.front();
    while (s.has_something() && !info && writer.left() >= kStreamHeader + (s.unsent.empty() ? 0u : 1u))
      put_chunk(c, s, writer, info);
    if (s.has_something()) {
      sendable_.pop_front();
      sendable_.push_back(&s);
      return;
    }
    sendable_.pop_front();
    s.queued = false;
    end_if_over(s);
  }
}

void Session::put_chunk(Connection& c, Stream& s, FrameWriter& writer, MessageRef& info) noexcept {
  StreamData frame{.stream = s.id, .offset = s.offset};
  if (!s.unsent.empty()) {
    Chunk& front = s.unsent.front();
    const std::uint32_t room = writer.left() - kStreamHeader;
    if (front.data.size() > room) {
      frame.data = front.data.split_front(room);
    } else {
      Chunk whole = s.unsent.pop();
      frame.data = std::move(whole.data);
      info = std::move(whole.info);
    }
  }
  const std::uint32_t size = frame.data.size();
  frame.fin = s.fin_due && s.unsent.empty();
  s.out_done = frame.fin;
  s.offset += size;
  s.unsent_bytes -= size;
  unacked_bytes_ += size;
  writer.put(frame.stream, frame.offset, frame.data.bytes(), frame.fin);
  c.unacked.add(c.sealer->sequence(), now(), std::move(frame));
  if (s.port && s.port.granted() * 2 <= window_ && !s.fin_due)
    s.port.grant_to(window_ - std::min(window_, s.unsent_bytes));
}

void Session::seal(Connection& c, Slice content, MessageRef info) noexcept {
  auto done = c.sealer->seal(tls::ContentType::application_data, std::move(content), sealed_, pool());
  if (!done) {
    done.error().layer = kLayer;
    return fail_with(std::move(done.error()));
  }
  Chunk& record = sealed_.back();
  record.info = std::move(info);
  c.bytes_sent += record.data.size();
  c.port.push(sealed_);
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
  sendable_.pop_front();
  s.queued = false;
  if (s.fin_due) {
    s.out_done = true;
    say_goodbye();
    end_if_over(s);
  }
  return true;
}

// Acknowledgements that are due and found no data to travel with.
void Session::send_acks() noexcept {
  const auto due = [this](const auto& c) { return c->ack_due > 0 && (c->ack_now || c->ack_at <= now()); };
  if (!std::ranges::any_of(connections_, due)) return;
  Connection* way = in_use_ != nullptr && in_use_->usable() && in_use_->port.credit() > 0 ? in_use_ : nullptr;
  for (const auto& c : connections_) {
    const bool can = c->open() && !c->fin_sent && c->port.credit() > 0;
    if (can && (way == nullptr || due(c))) way = c.get();  // its own, if that can take it
  }
  if (way != nullptr) (void)pack(*way, false);
}

}  // namespace trellis::tcpls
