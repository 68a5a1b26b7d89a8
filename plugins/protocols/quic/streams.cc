// streams.cc: the streams of a connection and its datagrams, between the library and the layers above.
#include <algorithm>

#include "quic_error.h"
#include "quic_instance.h"

namespace trellis::quic {
namespace {

constexpr std::size_t kDatagramsHeld = 256 << 10;  // bytes of charge that wait for the layer above; more are dropped
constexpr std::size_t kGuess = 8;  // how many more like this one may follow for a stream in what was read at once

const Error& too_late() {
  static const Error kError{Reason::reset, 0, kLayer, "the stream takes nothing more"};
  return kError;
}

}  // namespace

// ---- their life

Stream& QuicInstance::add_stream(UpperPort port, const StreamArgs& args) {
  auto made = std::make_unique<Stream>();
  Stream& s = *made;
  s.port = port;
  s.face = args.face;
  s.bidirectional = args.direction == Direction::both;
  s.stopped = !sends(args.direction);
  s.deaf = !receives(args.direction);
  s.place = static_cast<std::uint32_t>(streams_.size());
  streams_.push_back(std::move(made));
  if (port) port.mark(&s);
  if (!s.is_datagrams()) return s;
  datagrams_ = &s;
  refill(s);
  return s;
}

// The first stream of a client is added by open().
Result<void> QuicInstance::open_stream(UpperPort port, const StreamArgs& args) noexcept {
  if (args.face == Face::message || !sends(args.direction))
    return fail(Reason::unsupported, "a stream that is opened here carries bytes or datagrams and can send", 0, kLayer);
  if (!speaks() || stage_ == Stage::closing) return fail(Reason::canceled, "the connection has ended", 0, kLayer);
  if (args.face == Face::datagram) {
    if (datagrams_ != nullptr)
      return fail(Reason::unsupported, "a connection has one flow of datagrams, and it is open already", 0, kLayer);
    if (stage_ == Stage::open && datagram_most() == 0)
      return fail(Reason::unsupported, tls_->peer_name() + " takes no datagrams", 0, kLayer);
  }
  Stream& s = add_stream(port, args);
  if (s.is_datagrams()) return {};
  unnamed_.push_back(&s);
  name_streams();
  return {};
}

// A stream has an id when the peer's limit allows it; until then it has no credit. QUIC-34, QUIC-51
void QuicInstance::name_streams() noexcept {
  if (!takes_data() || connection_ == nullptr) return;
  std::erase_if(unnamed_, [this](Stream* s) {
    const int done = s->bidirectional ? ngtcp2_conn_open_bidi_stream(connection_, &s->id, s)
                                      : ngtcp2_conn_open_uni_stream(connection_, &s->id, s);
    if (done != 0) {
      s->id = kNoId;
      return false;
    }
    if (s->deaf && s->bidirectional) ngtcp2_conn_shutdown_stream_read(connection_, 0, s->id, 0);
    refill(*s);
    schedule(*s);
    host_.wake();
    return true;
  });
}

// What a client sends before its handshake is complete may be a replay; it is marked as that.
Stream& QuicInstance::stream_of_peer(std::int64_t id) {
  if (server_ && stage_ == Stage::handshake && !early_ && !tls_->asks_clients()) {
    early_ = true;
    early_info_ = new_message();
    early_info_->early = true;
    host_.ready();
  }
  Stream& s = add_stream({}, {.direction = (id & kUnidirectional) != 0 ? Direction::receiving : Direction::both});
  s.id = id;
  s.announced = true;
  ngtcp2_conn_set_stream_user_data(connection_, id, &s);
  const bool waits = !server_ && (stage_ == Stage::handshake || seat_rounds_ != 0);
  if (takes_data() && !waits) seat_stream(s);
  return s;
}

bool QuicInstance::try_to_seat(Stream& s) noexcept {
  s.port =
      host_.streams().accept_stream({.face = s.face, .direction = s.stopped ? Direction::receiving : Direction::both});
  if (!s.port) return false;
  s.port.mark(&s);
  refill(s);
  return true;
}

// False: nobody takes it, and it is gone.
bool QuicInstance::seat_stream(Stream& s) noexcept {
  if (try_to_seat(s)) return true;
  refuse_stream(s);
  return false;
}

// What the peer opened before it could be taken. A server speaks as soon as it can, and a client that has been there
// before may read that with the end of the handshake, rounds before whoever takes streams has heard that it is ready.
void QuicInstance::seat_waiting(bool last) noexcept {
  for (std::size_t i = 0; i < streams_.size();) {
    Stream& s = *streams_[i];
    if (s.port) {
      ++i;
    } else if (try_to_seat(s)) {
      stir(s);
      schedule(s);
      ++i;
    } else if (last) {
      refuse_stream(s);  // another one is in its place
    } else {
      host_.wake();  // flush() follows, in the next round
      ++i;
    }
  }
}

void QuicInstance::refuse_stream(Stream& s) noexcept {
  if (!s.is_datagrams()) {
    ngtcp2_conn_set_stream_user_data(connection_, s.id, nullptr);
    ngtcp2_conn_shutdown_stream(connection_, 0, s.id, 0);
    consumed(s, s.in.drop());
  }
  forget(s);
}

void QuicInstance::forget(Stream& s) noexcept {
  schedule_.remove(s);
  if (s.stirred) std::erase(stirred_, &s);
  std::erase(stirring_, &s);
  if (s.id == kNoId) std::erase(unnamed_, &s);
  if (datagrams_ == &s) datagrams_ = nullptr;
  if (last_fed_ == &s) last_fed_ = nullptr;
  const std::uint32_t place = s.place;
  streams_.back()->place = place;
  std::swap(streams_[place], streams_.back());
  streams_.pop_back();
}

// The port goes when both directions have ended on the wire and the layer above has what came. QUIC-29
void QuicInstance::forget_if_over(Stream& s) noexcept {
  const bool says_nothing = s.stopped || (s.finish && s.out.empty() && s.datagrams.empty());
  if (s.is_datagrams() || s.id == kNoId) {
    if (!s.deaf || !says_nothing) return;
  } else if (!s.gone || !s.in.empty() || !(s.deaf || s.told_finished)) {
    return;
  }
  const UpperPort port = s.port;
  // A layer above that has not taken all of it yet must not lose its port; it grants credit when it has.
  if (port && !s.deaf && !port.link().up.batch.empty()) return stir(s);
  forget(s);
  if (port) host_.streams().stream_closed(port);
}

void QuicInstance::abort_stream(UpperPort port, Direction direction, std::uint64_t code) noexcept {
  Stream& s = *port.mark<Stream>();
  const bool on_wire = s.id != kNoId && !s.gone && speaks();
  if (direction != Direction::receiving && !s.stopped) {
    s.stopped = true;
    schedule_.remove(s);
    s.datagrams.clear();
    if (on_wire)
      ngtcp2_conn_shutdown_stream_write(connection_, 0, s.id, code);
    else
      s.out.drop(too_late());
  }
  if (direction != Direction::sending && !s.deaf) {
    s.deaf = true;
    consumed(s, s.in.drop());
    if (on_wire) ngtcp2_conn_shutdown_stream_read(connection_, 0, s.id, code);
  }
  forget_if_over(s);
  if (stage_ == Stage::lingering) end_if_taken();
}

// Nothing that left early has been accepted: every stream begins anew, from the bytes that it still has. QUIC-16
void QuicInstance::early_refused() noexcept {
  forget_names();
  host_.notify(Notice::early_refused);
}

void QuicInstance::forget_names() noexcept {
  unnamed_.clear();
  for (const auto& s : streams_) {
    if (s->is_datagrams()) continue;
    schedule_.remove(*s);
    s->id = kNoId;
    s->finish_sent = s->announced = s->blocked = false;
    s->out.rewind();
    unnamed_.push_back(s.get());
  }
}

// ---- upwards

int QuicInstance::stream_data(std::uint32_t flags, std::int64_t, std::span<const std::uint8_t> bytes,
                              Stream* stream) noexcept {
  if (stream == nullptr || stream->deaf) {  // nobody will read it
    ngtcp2_conn_extend_max_offset(connection_, bytes.size());
    return 0;
  }
  Stream& s = *stream;
  if (!bytes.empty()) {
    const std::size_t likely = last_fed_ == &s ? input_left_ : std::min(input_left_, kGuess * bytes.size());
    const bool early = (flags & NGTCP2_STREAM_DATA_FLAG_0RTT) != 0;
    s.in.add(host_.executor().pool(), bytes, likely, early ? early_info_ : MessageRef());
    last_fed_ = &s;
  }
  if ((flags & NGTCP2_STREAM_DATA_FLAG_FIN) != 0) s.peer_finished = true;
  stir(s);
  return 0;
}

// Not flow controlled: what nobody asks for is kept up to a bound and then dropped. QUIC-93
int QuicInstance::datagram_data(std::uint32_t flags, std::span<const std::uint8_t> bytes) noexcept {
  if (datagrams_ == nullptr) {
    if (!takes_data()) return 0;
    Stream& made = add_stream({}, {.face = Face::datagram});
    if (!seat_stream(made)) return 0;
  }
  Stream& s = *datagrams_;
  if (s.deaf || s.in.charge() > kDatagramsHeld) return 0;
  Chunk chunk{.data = host_.executor().pool().allocate(0, static_cast<std::uint32_t>(bytes.size()), 0),
              .end_of_message = true};
  std::ranges::copy(std::as_bytes(bytes), chunk.data.edit().begin());
  if ((flags & NGTCP2_DATAGRAM_FLAG_0RTT) != 0) chunk.info = early_info_;
  s.in.add(std::move(chunk), kLeastCharge);
  stir(s);
  return 0;
}

void QuicInstance::stir(Stream& s) {
  if (!std::exchange(s.stirred, true)) stirred_.push_back(&s);
}

void QuicInstance::hand_up_all() noexcept {
  stirring_.swap(stirred_);
  for (Stream* const s : stirring_) s->stirred = false;
  while (!stirring_.empty()) {
    Stream& s = *stirring_.back();
    stirring_.pop_back();
    hand_up(s);
  }
}

void QuicInstance::hand_up(Stream& s) noexcept {
  if (!s.port || stage_ == Stage::over) return;
  if (s.gone && !s.peer_finished) s.deaf = true;
  consumed(s, s.in.hand_up(s.port));
  if (s.peer_finished && s.in.empty() && !s.deaf && !std::exchange(s.told_finished, true)) s.port.finish();
  forget_if_over(s);
}

void QuicInstance::on_credit(UpperPort port) noexcept {
  hand_up(*port.mark<Stream>());
  if (stage_ == Stage::lingering) end_if_taken();
}

// What the layer above has taken may come again. A window that opens as the consumer reads keeps both ends bounded, and
// never closes for a message that is larger than it. QUIC-42, QUIC-43, QUIC-49
void QuicInstance::consumed(Stream& s, std::size_t bytes) noexcept {
  if (bytes == 0 || s.is_datagrams() || !speaks()) return;
  if (!s.gone && !s.peer_finished && !s.deaf) ngtcp2_conn_extend_max_stream_offset(connection_, s.id, bytes);
  ngtcp2_conn_extend_max_offset(connection_, bytes);
}

// ---- downwards

void QuicInstance::on_down(UpperPort from, Batch& batch) noexcept {
  Stream& s = *from.mark<Stream>();
  const bool ready = stage_ == Stage::open || stage_ == Stage::closing || (server_ && early_);
  while (!batch.empty()) {
    const Chunk& front = batch.front();
    if (s.stopped || s.gone || !speaks()) {
      if (front.info) front.info->report(Fate::failed, &too_late());
      batch.pop();
      continue;
    }
    if (!ready && !(early_ && front.info && front.info->replayable)) return;
    if (s.is_datagrams()) {
      take_datagram(s, batch.pop());
      continue;
    }
    if (s.id == kNoId || s.out.waiting() >= shared_.settings.send_queue) return;  // offered again: refill() asks for it
    s.out.add(batch.pop());
  }
  if (from.finished() && ready) s.finish = true;
  if (s.is_datagrams()) refill(s);  // those that were refused take no room
  if (s.is_datagrams() || s.id == kNoId)
    forget_if_over(s);
  else
    schedule(s);
}

void QuicInstance::take_datagram(Stream& s, Chunk&& chunk) {
  const std::size_t most = datagram_most();
  if (chunk.data.size() > most) {
    const Error error{Reason::too_large, 0, kLayer,
                      "found a datagram of " + std::to_string(chunk.data.size()) + " bytes, expected " +
                          std::to_string(most) + " at most"};
    if (chunk.info) chunk.info->report(Fate::failed, &error);
    return;
  }
  s.charge += s.port.charge(chunk);
  s.datagrams.add(std::move(chunk));
  schedule(s);
}

void QuicInstance::schedule(Stream& s) {
  if (s.wants_to_send() && !s.blocked) schedule_.add(s);
}

// Raises what the layer above may push, and asks for what it has pushed already.
void QuicInstance::refill(Stream& s) noexcept {
  const std::size_t level = shared_.settings.send_queue;
  const std::size_t waiting = s.is_datagrams() ? s.charge : s.out.waiting();
  if (!s.port || s.stopped) return;
  if (!s.port.empty() && waiting * 2 <= level) host_.wake();
  if (s.port.empty() && (s.port.granted() + waiting) * 2 <= level) s.port.grant_to(level - waiting);
}

std::size_t QuicInstance::datagram_most() const noexcept {
  constexpr std::uint64_t kHeader = 1 + 4, kTag = 16, kFrame = 1 + 2;  // short header with the longest packet number
  const ngtcp2_transport_params* const peer = ngtcp2_conn_get_remote_transport_params(connection_);
  if (peer == nullptr || peer->max_datagram_frame_size <= kFrame) return 0;
  const std::uint64_t packet = ngtcp2_conn_get_path_max_tx_udp_payload_size(connection_);
  const std::uint64_t overhead = kHeader + ngtcp2_conn_get_dcid(connection_)->datalen + kTag;
  return std::min(peer->max_datagram_frame_size, packet - overhead) - kFrame;
}

}  // namespace trellis::quic
