// session_receive.cc: records of a session that came in.
#include <algorithm>
#include <format>

#include "security/peer_error.h"
#include "session.h"

namespace trellis::tcpls {
namespace {

using tls::AlertDescription;
using tls::ContentType;

constexpr std::size_t kPeerStreamsMax = 65536;  // open at once (decision D24)
constexpr unsigned kAckEvery = 16;              // records (decision D6)
constexpr Duration kAckDelay = std::chrono::milliseconds(25);
constexpr Duration kGoodbyeWait = std::chrono::seconds(10);  // from the first close_notify to the last one

}  // namespace

void Session::on_up(LowerPort from, Batch& batch) noexcept {
  Connection* const c = from.mark<Connection>();
  if (c == nullptr || stage_ == Stage::over) return batch.clear();
  while (c->state != State::gone && stage_ != Stage::over && stage_ != Stage::asking) {
    if (waiting_bytes_ > settings_.undelivered && c->confirmed) return;  // the application is slow: TCP pushes back
    auto record = c->cutter.next(batch, pool());
    if (!record) {
      if (stage_ != Stage::open) return fail_with(std::move(record.error()));
      lost(*c, record.error(), true);
      return;
    }
    if (record->size() == 0) break;
    c->bytes_received += record->size();
    take(*c, std::move(*record));
  }
  if (stage_ == Stage::over || stage_ == Stage::asking || c->state == State::gone) return;
  if (from.finished() && batch.empty()) return peer_ended(*c);
  grant_below(*c, batch.bytes());
}

void Session::grant_below(Connection& c, std::size_t waiting) noexcept {
  if ((c.port.granted() + waiting) * 2 <= window_) c.port.grant_to(window_ - waiting);
}

void Session::take(Connection& c, Slice record) noexcept {
  switch (c.state) {
    case State::handshake: return feed_handshake(std::move(record));
    case State::hello: return join_with_hello(c, record);
    case State::answer: return take_join_answer(c, record);
    case State::open: return open_record(c, std::move(record));
    case State::gone: return;
  }
}

void Session::open_record(Connection& c, Slice record) noexcept {
  if (!c.confirmed && tls::outer_type(record) == ContentType::change_cipher_spec)
    return;  // part of the apparent handshake
  auto opened = c.opener->open(std::move(record));
  if (!opened) {
    if (opened.error().code == static_cast<std::uint64_t>(AlertDescription::bad_record_mac) && !plain_) {
      if (c.sealer->seal(AlertDescription::bad_record_mac, sealed_, pool())) c.port.push(sealed_);
      opened.error().layer = kLayer;
      return lost(c, opened.error(),
                  true);  // whoever can change bytes can end a TCP connection
                          // anyway (decision D14)
    }
    return broken(std::move(opened.error()));
  }
  if (!c.confirmed) confirm(c);
  c.received = c.opener->sequence() - 1;
  switch (opened->type) {
    case ContentType::application_data:
      if (plain_) return take_plain(std::move(opened->payload));
      return take_frames(c, std::move(opened->payload), *c.received);
    case ContentType::handshake: return handshake_message(c, std::move(*opened));
    case ContentType::alert: return alert(c, opened->alert);
    default: return;  // after its end
  }
}

void Session::handshake_message(Connection& c, tls::Opened opened) noexcept {
  if (opened.key_update != tls::KeyUpdate::none) {
    return broken(
        tls::fail(AlertDescription::unexpected_message, "a KeyUpdate, which TCPLS does not use (decision D19)")
            .error());
  }
  if (server_ || c.id != 0 || (handshake_ == nullptr && !tickets_.only_tickets(opened.payload.bytes()))) {
    return broken(tls::fail(AlertDescription::unexpected_message, "a handshake message behind the handshake").error());
  }
  if (handshake_ == nullptr) return;
  if (auto done = handshake_->tickets(std::move(opened.payload)); !done) return broken(std::move(done.error()));
  if (!handshake_->wants_tickets()) handshake_.reset();
}

void Session::alert(Connection& c, AlertDescription what) noexcept {
  if (what == AlertDescription::close_notify) return peer_said_goodbye(c);
  Error error = security::alert_error(kLayer, what, peer_name_);
  if (what == AlertDescription::bad_record_mac && !plain_) return lost(c, error, true);
  fail_with(std::move(error));
}

// What is on its way on the other connections comes first (decision D16). Nothing more comes on this one, so that we
// need it no longer: it leaves before the session ends (TCPLS-95).
void Session::peer_said_goodbye(Connection& c) noexcept {
  c.fin_seen = true;
  if (all_said_goodbye()) return everyone_left();
  goodbye_by_ = now() + kGoodbyeWait;
  leave(c);
}

// On all connections that are left, and at least on one.
bool Session::all_said_goodbye() const noexcept {
  return std::ranges::any_of(connections_, [](const auto& c) { return c->fin_seen; }) &&
         std::ranges::none_of(connections_, [](const auto& c) { return c->usable() && !c->fin_seen; });
}

void Session::everyone_left() noexcept {
  if (std::exchange(peer_ended_, true)) return;
  std::vector<Stream*> open;
  open.reserve(streams_.size());
  for (const auto& [id, s] : streams_) open.push_back(s.get());
  for (Stream* s : open) {
    if (!s->in_done && s->waiting.empty()) {
      s->in_done = true;
      if (s->port) s->port.finish();
    }
    end_if_over(*s);
  }
  reconnect_by_ = goodbye_by_ = TimePoint::max();
  host_.wake();  // flush() ends the session when no stream is left
}

void Session::take_plain(Slice payload) noexcept {
  Stream* const s = stream(0);
  if (s == nullptr || s->discard || payload.size() == 0) return;
  waiting_bytes_ += payload.size();
  s->waiting.add(Chunk{.data = std::move(payload)});
  deliver(*s);
}

// ---- frames

void Session::take_frames(Connection& c, Slice payload, std::uint64_t) noexcept {
  FrameReader reader(std::move(payload));
  bool eliciting = false, at_once = false;
  while (stage_ == Stage::open) {
    auto frame = reader.next();
    if (!frame) return broken(std::move(frame.error()));
    if (!*frame) break;
    eliciting = take_frame(c, **frame, at_once) || eliciting;
  }
  if (!eliciting || stage_ != Stage::open) return;
  c.heard(now(), settings_.user_timeout);
  if (c.ack_due++ == 0) c.ack_at = now() + kAckDelay;
  c.ack_now = c.ack_now || at_once || c.ack_due >= kAckEvery;
}

// True: it elicits an acknowledgement.
bool Session::take_frame(Connection&, Frame& frame, bool& at_once) noexcept {
  if (auto* const data = std::get_if<StreamData>(&frame)) return take_stream_data(std::move(*data), at_once), true;
  if (const auto* const ack = std::get_if<Ack>(&frame)) return take_ack(*ack), false;
  if (const auto* const token = std::get_if<NewToken>(&frame)) return take_token(*token), true;
  if (const auto* const reset = std::get_if<ConnectionReset>(&frame)) return take_reset(*reset), true;
  at_once = true;  // Ping
  return true;
}

// Null: it is over, or it does not exist, and the session has failed then.
Stream* Session::stream_of_peer(std::uint32_t id) noexcept {
  const bool of_peer = id % 2 == next_of_peer_ % 2;
  if (!of_peer && id >= next_own_) {
    broken(tls::fail(AlertDescription::illegal_parameter,
                     std::format("the peer sent data on our stream {}, which is not open", id))
               .error());
    return nullptr;
  }
  while (of_peer && id >= next_of_peer_) {  // frames on other connections may
                                            // have been overtaken (decision D7)
    if (streams_.size() >= kPeerStreamsMax) {
      broken(tls::fail(AlertDescription::internal_error, "too many streams are open").error());
      return nullptr;
    }
    adopt(host_.streams().accept_stream({}), next_of_peer_);
    next_of_peer_ += 2;
  }
  return stream(id);
}

void Session::take_stream_data(StreamData&& frame, bool& at_once) noexcept {
  Stream* const s = stream_of_peer(frame.stream);
  at_once = at_once || frame.fin;
  if (s == nullptr || s->discard) return;
  const std::size_t before = s->order.held();
  auto taken = s->order.take(std::move(frame), ready_data_);
  if (!taken) return broken(std::move(taken.error()));
  at_once = at_once || *taken;
  held_bytes_ += s->order.held();
  held_bytes_ -= before;
  if (held_bytes_ > settings_.reorder_max) {
    return broken(tls::fail(AlertDescription::internal_error,
                            std::format("{} bytes wait for what is missing, more than reorder-bytes", held_bytes_))
                      .error());
  }
  waiting_bytes_ += ready_data_.bytes();
  s->waiting.append(ready_data_);
  ready_data_.clear();
  deliver(*s);
  end_if_over(*s);
}

void Session::deliver(Stream& s) noexcept {
  const bool was_full = waiting_bytes_ > settings_.undelivered;
  while (s.port && !s.waiting.empty() && s.port.credit() > 0) {
    Chunk chunk = s.waiting.pop();
    waiting_bytes_ -= chunk.data.size();
    if (chunk.data.size() > 0) s.port.push(std::move(chunk));
  }
  if (was_full && waiting_bytes_ <= settings_.undelivered) host_.wake();  // reading goes on
  if (s.in_done || !s.waiting.empty() || (!s.order.complete() && !peer_ended_)) return;
  s.in_done = true;
  s.port.finish();
}

void Session::take_ack(const Ack& ack) noexcept {
  Connection* const c = by_id(ack.connection);
  if (c == nullptr || !c->sealer || ack.sequence >= c->sealer->sequence()) {
    return broken(tls::fail(AlertDescription::illegal_parameter, std::format("the peer acknowledged record {} of "
                                                                             "connection {}, which was not sent",
                                                                             ack.sequence, ack.connection))
                      .error());
  }
  TimePoint sent{};
  c->unacked.acknowledge(
      ack.sequence, [&](const Unacked::Record& record) { sent = record.at; },
      [&](const Unacked::Part& part) { data_acked(part); });
  if (sent != TimePoint{}) {
    const Duration sample = now() - sent;
    c->rtt = c->rtt == Duration{} ? sample : c->rtt + (sample - c->rtt) / 8;
    c->progress = now();
    if (now() - std::exchange(acknowledged_, now()) > settings_.user_timeout / 2) back_ = now();
    if (c->open() && (c->user_timeout == Duration{} || c->patient || c->rtt * 4 > c->user_timeout))
      set_user_timeout(*c);
  }
  if (c->state == State::gone) release(*c);
}

void Session::data_acked(const Unacked::Part& data) noexcept {
  Stream* const s = stream(data.stream);
  if (s == nullptr) return;
  s->acked += data.size;
  s->fin_acked = s->fin_acked || data.fin;
  if (s->fin_acked) end_if_over(*s);
}

void Session::take_token(const NewToken& token) noexcept {
  if (server_) {
    return broken(tls::fail(AlertDescription::illegal_parameter, "a client sent a token").error());
  }
  if (auto added = tokens_.add(token); !added) return broken(std::move(added.error()));
  keep_connected();
}

void Session::take_reset(const ConnectionReset& reset) noexcept {
  Connection* const c = by_id(reset.connection);
  const bool invited =
      server_ ? reset.connection != 0 && reset.connection < next_token_ : tokens_.knows(reset.connection);
  if (c == nullptr && !invited) {
    return broken(tls::fail(AlertDescription::illegal_parameter,
                            std::format("the peer reset connection {}, which never was", reset.connection))
                      .error());
  }
  if (c == nullptr && server_ && table_->withdraw(*this, reset.connection)) {  // its ClientHello got lost
    invited_ -= std::min(invited_, 1u);
    return invite();
  }
  if (c == nullptr || c->state == State::gone) return;
  lost(*c, {Reason::reset, 0, kLayer, std::format("{} says that connection {} has failed", peer_name_, c->id)}, true);
  if (stage_ == Stage::open) release(*c);  // it has said before how far it got
}

}  // namespace trellis::tcpls
