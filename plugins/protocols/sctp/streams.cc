// streams.cc: the streams of an association, between the library and the layers above.
#include <algorithm>

#include "sctp_instance.h"

namespace trellis::sctp {
namespace {

constexpr std::uint32_t kEmptyMessage = 57;  // payload protocol "WebRTC Binary Empty" (RFC 8831 section 8)
constexpr std::byte kEmptyContent[1] = {};
constexpr std::uint16_t kMoreStreams = 64;  // at once
constexpr std::uint8_t kResetAttempts = 5;  // beyond the first; a round trip each

const Error& too_late() {
  static const Error kError{Reason::reset, 0, kLayer, "the stream takes nothing more"};
  return kError;
}
const Error& no_empty_messages() {
  static const Error kError{Reason::unsupported, 0, kLayer,
                            "SCTP has no empty messages; the option empty-messages would carry it as a zero byte"};
  return kError;
}

}  // namespace

// ---- their life

Stream* SctpInstance::find(std::uint16_t id) noexcept { return id < streams_.size() ? streams_[id].get() : nullptr; }

Stream& SctpInstance::add(UpperPort port, std::uint16_t id) {
  if (id >= streams_.size()) streams_.resize(id + 1u);
  auto made = std::make_unique<Stream>();
  Stream& s = *made;
  s.port = port;
  s.id = id;
  s.deaf = !port;
  streams_[id] = std::move(made);
  if (port) port.mark(&s);
  return s;
}

// The client's are even and the server's odd, as RFC 8832 has it, so both can open streams at the same time.
Result<void> SctpInstance::open_stream(UpperPort port, const StreamArgs& args) noexcept {
  if (args.face != settings_.face())
    return fail(Reason::unsupported, "a stream carries messages (bytes with the option bytestream)", 0, kLayer);
  if (stage_ > Stage::open || peer_shut_) return fail(Reason::canceled, "the association has ended", 0, kLayer);
  std::uint32_t id = next_id_;
  if (!free_ids_.empty()) {
    std::ranges::pop_heap(free_ids_, std::greater());
    id = free_ids_.back();
    free_ids_.pop_back();
  } else {
    while (id < settings_.streams_most && find(static_cast<std::uint16_t>(id)) != nullptr) id += 2;
    if (id >= settings_.streams_most)
      return fail(Reason::exhausted,
                  "the association has all its streams in use (option streams-most: " +
                      std::to_string(settings_.streams_most) + ")",
                  0, kLayer);
    next_id_ = id + 2;
  }
  Stream& s = add(port, static_cast<std::uint16_t>(id));
  if (stage_ == Stage::open && !usable(s)) want_streams(s.id);
  refill(s);
  return {};
}

Stream& SctpInstance::stream_of_peer(std::uint16_t id) {
  Stream& s = add(host_.streams().accept_stream({.face = settings_.face()}), id);
  if (!s.port) {
    s.in_wanted = s.finish = true;
    end_sending(s);
    reconfigure();
  } else if (!usable(s)) {
    want_streams(id);
  }
  refill(s);
  return s;
}

void SctpInstance::abort_stream(UpperPort port, Direction direction, std::uint64_t) noexcept {
  Stream& s = *port.mark<Stream>();
  if (direction != Direction::receiving && !s.finish) {
    s.finish = true;
    end_sending(s);
  }
  if (direction != Direction::sending && !s.deaf) {
    s.deaf = true;
    held_ -= s.in.charge();
    s.in.drop();
  }
  forget_if_over(s);
  if (stage_ == Stage::lingering) end_if_taken();
}

// The port goes when our direction has ended on the wire and the layer above has what came or does not want it; the
// number is free when the other direction has ended too.
void SctpInstance::forget_if_over(Stream& s) noexcept {
  if (!s.out_done || !(s.deaf || s.told_finished)) return;
  const UpperPort port = s.port;
  if (port && !s.deaf && !port.link().up.batch.empty()) return;  // it grants credit when it has taken that
  if (sending_ == &s) sending_ = nullptr;
  s.port = {};
  if (s.in_done) free_number(s.id);
  if (port) host_.streams().stream_closed(port);
}

void SctpInstance::free_number(std::uint16_t id) noexcept {
  if (paths_) paths_->untie(id);
  streams_[id].reset();
  if (id % 2 != (own_out_ ? 0 : 1)) return;  // the peer's
  free_ids_.push_back(id);
  std::ranges::push_heap(free_ids_, std::greater());
}

// ---- upwards

void SctpInstance::received(Incoming part) noexcept {
  Stream* s = find(part.stream);
  if (s == nullptr) s = &stream_of_peer(part.stream);
  if (s->deaf) return nobody_reads(*s);
  if (part.label == kEmptyMessage && settings_.empty_messages && part.end && part.bytes.size() == 1 &&
      !s->in.in_message())
    part.bytes.drop_back(1);
  held_ -= s->in.charge();
  s->in.add(Chunk{.data = std::move(part.bytes), .end_of_message = part.end}, part.id);
  held_ += s->in.charge();
  hand_up(*s);
}

// A peer that hears of our end mostly ends its direction too; one that goes on is asked to.
void SctpInstance::nobody_reads(Stream& s) noexcept {
  if (!std::exchange(s.in_wanted, true)) reconfigure();
}

void SctpInstance::hand_up(Stream& s) noexcept {
  if (!s.port || stage_ == Stage::over) return;
  held_ -= s.in.charge();
  s.in.hand_up(s.port);
  held_ += s.in.charge();
  if (s.in_done && s.in.empty() && !s.deaf && !std::exchange(s.told_finished, true)) s.port.finish();
  forget_if_over(s);
}

void SctpInstance::on_credit(UpperPort port) noexcept {
  hand_up(*port.mark<Stream>());
  if (stage_ == Stage::lingering) return end_if_taken();
  host_.wake();  // for drain(): there may be room again
}

// Half a message must not look like a whole one.
void SctpInstance::broke_off(std::uint16_t id) noexcept {
  Stream* const s = find(id);
  if (s == nullptr || s->deaf || !s->port || !s->in.in_message()) return;
  s->deaf = true;
  held_ -= s->in.charge();
  s->in.drop();
  host_.streams().stream_aborted(
      s->port, Direction::receiving,
      {Reason::reset, 0, kLayer, "the sender gave up a message of which a part had been delivered already"});
}

// ---- downwards

void SctpInstance::on_down(UpperPort from, Batch& batch) noexcept {
  Stream& s = *from.mark<Stream>();
  if (stage_ == Stage::handshake) return;
  while (!batch.empty()) {
    if (!lives() || peer_shut_ || s.out_asked) {
      drop_front(batch, too_late());
      continue;
    }
    if (!usable(s) || blocked_ || !send_front(s, batch)) return;
  }
  if (from.finished() && !s.finish) {
    s.finish = true;
    end_sending(s);
    forget_if_over(s);
    return;
  }
  refill(s);
}

void SctpInstance::drop_front(Batch& batch, const Error& why) noexcept {
  if (batch.front().info) batch.front().info->report(Fate::failed, &why);
  batch.pop();
}

// Raises what the layer above may push.
void SctpInstance::refill(Stream& s) noexcept {
  if (!s.port || s.finish || !lives() || !usable(s)) return;
  if (s.port.empty() && s.port.granted() * 2 <= settings_.send_queue) s.port.grant_to(settings_.send_queue);
}

// Takes a step with the first chunk. False: nothing more can be done now.
bool SctpInstance::send_front(Stream& s, Batch& batch) noexcept {
  const bool bytes_only = s.port.face() == Face::bytestream;
  if (s.skipping) {
    s.skipping = !bytes_only && !batch.front().end_of_message;
    batch.pop();
    return true;
  }
  if (!s.in_message) {
    const Chunk& first = batch.front();
    if (first.info && first.info->expires <= host_.executor().now()) {
      first.info->report(Fate::expired);
      s.skipping = true;
      return true;
    }
    if (first.data.size() == 0 && (bytes_only || first.end_of_message)) return send_nothing(s, batch);
    if (sending_ != nullptr && sending_ != &s) return false;  // its message ends first
    s.context = context_for(first);
  }
  Chunk& chunk = batch.front();
  const bool end = bytes_only || chunk.end_of_message;
  std::size_t bytes = chunk.data.size();
  if (!end && batch.size() > 1 && batch.begin()[1].data.size() == 0) {
    batch.begin()[1].data = std::move(chunk.data);  // an empty part says no more than whether that was all
    batch.pop();
    return true;
  }
  if (!end && batch.size() == 1) {
    if (bytes <= 1) return false;
    --bytes;  // only with a byte can SCTP say that a message ends, so the last one waits for what follows
  }
  if (bytes > 0) return send_bytes(s, batch, bytes, end);
  batch.pop();
  return true;
}

// SCTP has no empty messages, so a zero byte stands for one (RFC 8831 section 6.6).
bool SctpInstance::send_nothing(Stream& s, Batch& batch) noexcept {
  if (s.port.face() == Face::bytestream || !settings_.empty_messages) {
    if (s.port.face() == Face::bytestream)
      batch.pop();
    else
      drop_front(batch, no_empty_messages());
    return true;
  }
  if (sending_ != nullptr && sending_ != &s) return false;
  Outgoing how = outgoing(s, batch.front(), true);
  how.label = kEmptyMessage;
  const auto sent = association_.send(kEmptyContent, how);
  blocked_ = sent && *sent == 0;
  if (blocked_) return false;
  if (sent)
    batch.pop();
  else
    drop_front(batch, sent.error());
  return true;
}

bool SctpInstance::send_bytes(Stream& s, Batch& batch, std::size_t bytes, bool end) noexcept {
  Chunk& chunk = batch.front();
  const Outgoing how = outgoing(s, chunk, end);
  const auto sent = association_.send(chunk.data.bytes().first(bytes), how);
  if (!sent) {
    if (chunk.info) chunk.info->report(Fate::failed, &sent.error());
    if (s.in_message) {  // what follows would look like the rest of it
      this->end(sent.error());
      return false;
    }
    s.skipping = true;
    return true;
  }
  taken(*sent);
  blocked_ = *sent < bytes;
  if (*sent == 0) return false;
  if (!undecided_.empty() && !std::exchange(hears_dry_, true)) association_.tell_when_dry(true);
  s.in_message = !end || *sent < bytes;
  if (!interleaving_) {
    if (sending_ == &s && !s.in_message) host_.wake();  // others have waited for that
    sending_ = s.in_message ? &s : nullptr;
  }
  if (*sent < chunk.data.size())
    chunk.data.drop_front(static_cast<std::uint32_t>(*sent));
  else
    batch.pop();
  return !blocked_;
}

// What the library may give up keeps its message until it has decided. IMPL-51, IMPL-162
std::uint32_t SctpInstance::context_for(const Chunk& chunk) noexcept {
  if (!chunk.info || (chunk.info->reliable && chunk.info->expires == TimePoint::max())) return 0;
  return undecided_.add(chunk.info);
}

Outgoing SctpInstance::outgoing(const Stream& s, const Chunk& chunk, bool end) noexcept {
  Outgoing how{.stream = s.id, .context = s.context, .end = end};
  if (chunk.info) {
    const MessageInfo& info = *chunk.info.get();
    how.label = info.label;
    how.ordered = info.ordered;
    if (info.expires != TimePoint::max()) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(info.expires - host_.executor().now()).count();
      how.given_up = {.pr_policy = SCTP_PR_SCTP_TTL,
                      .pr_value = static_cast<std::uint32_t>(std::clamp<std::int64_t>(left, 1, UINT32_MAX))};
    } else if (!info.reliable) {
      how.given_up = {.pr_policy = SCTP_PR_SCTP_RTX, .pr_value = settings_.unreliable_retransmissions};
    }
  }
  restart_timers(how);
  return how;
}

// While nothing is under way that might be given up, usrsctp 0.9.5 takes an acknowledgement without gaps on a short way
// on which it forgets to start the retransmission timer anew. The timer then rings in every timeout, takes what is as
// old as a round trip for lost, and the congestion window collapses. So messages might be given up: after more
// retransmissions than there can be. The long way costs time: where the send buffer empties fast, one in each quarter
// of the least timeout is enough, and those that come in parts.
void SctpInstance::restart_timers(Outgoing& how) noexcept {
  const TimePoint now = host_.executor().now();
  if (how.given_up.pr_policy == SCTP_PR_SCTP_NONE) {
    if (fast_ && how.end && now < restarts_at_) return;
    how.given_up = {.pr_policy = SCTP_PR_SCTP_RTX, .pr_value = UINT32_MAX};
  }
  restarts_at_ = now + between_restarts();
}

void SctpInstance::taken(std::size_t bytes) noexcept {
  filled_ += bytes;
  if (filled_ < settings_.send_buffer) return;
  const TimePoint now = host_.executor().now();
  fast_ = now - std::exchange(filling_since_, now) < between_restarts();
  filled_ = 0;
}

// ---- their ends, by stream reset (RFC 6525). IMPL-164

void SctpInstance::end_sending(Stream& s) noexcept {
  if (std::exchange(s.out_asked, true)) return;
  if (s.in_message && lives()) {  // the peer could not tell it from a whole message
    association_.abort("a stream was ended in the middle of a message");
    return end(Error{Reason::canceled, 0, kLayer,
                     "a stream was ended in the middle of a message, and SCTP cannot take back what was sent of it"});
  }
  if (stage_ != Stage::open || peer_shut_ || !usable(s) || !reconfig_ || !association_.reset_outgoing(s.id))
    s.out_done = true;  // nobody is to be told, or nobody would understand
}

void SctpInstance::streams_were_reset(const sctp_stream_reset_event& event) noexcept {
  const std::size_t count = (event.strreset_length - sizeof event) / sizeof event.strreset_stream_list[0];
  if (count == 0) {
    for (std::size_t id = 0; id < streams_.size(); ++id) {
      if (streams_[id] != nullptr) stream_was_reset(*streams_[id], event.strreset_flags);
    }
  }
  for (std::size_t i = 0; i < count; ++i) {
    Stream* const s = find(event.strreset_stream_list[i]);
    if (s != nullptr) stream_was_reset(*s, event.strreset_flags);
  }
  reconfigure();
}

void SctpInstance::stream_was_reset(Stream& s, std::uint16_t flags) noexcept {
  if ((flags & SCTP_STREAM_RESET_FAILED) != 0 && s.resets_failed++ < kResetAttempts) return reset_again(s, flags);
  if ((flags & (SCTP_STREAM_RESET_DENIED | SCTP_STREAM_RESET_FAILED)) != 0) {
    host_.log(Severity::warning, "the peer has refused to reset stream " + std::to_string(s.id));
    if ((flags & SCTP_STREAM_RESET_INCOMING_SSN) != 0) s.in_done = s.in_asked;
    if ((flags & SCTP_STREAM_RESET_OUTGOING_SSN) != 0) s.out_done = s.out_asked;
    return hand_up(s);
  }
  if ((flags & SCTP_STREAM_RESET_INCOMING_SSN) != 0) s.in_done = true;
  if ((flags & SCTP_STREAM_RESET_OUTGOING_SSN) != 0 && !std::exchange(s.out_done, true) && !s.out_asked) {
    s.out_asked = s.finish = true;  // the peer reads no more, so the library has ended our direction
    if (s.port)
      host_.streams().stream_aborted(s.port, Direction::sending,
                                     {Reason::reset, 0, kLayer, "the peer reads no more of this stream"});
  }
  if (s.port)
    hand_up(s);
  else
    forget_if_over(s);
}

// A peer that is busy with a request of its own answers "in progress" (RFC 6525 section 4.4), as Linux does.
void SctpInstance::reset_again(Stream& s, std::uint16_t flags) noexcept {
  if ((flags & SCTP_STREAM_RESET_INCOMING_SSN) != 0) s.in_asked = false;  // reconfigure() follows
  if ((flags & SCTP_STREAM_RESET_OUTGOING_SSN) != 0 && !s.out_done) s.out_done = !association_.reset_outgoing(s.id);
}

// Requests of which only one may be under way: those that could not be made before are made now.
void SctpInstance::reconfigure() noexcept {
  if (stage_ != Stage::open || peer_shut_) return;
  for (const auto& s : streams_) {
    if (s == nullptr || !s->in_wanted || s->in_asked || s->in_done) continue;
    if (s->out_asked && !s->out_done) continue;  // most peers answer the end of ours with that of theirs
    if (reconfig_)
      s->in_asked = association_.reset_incoming(s->id);
    else
      s->in_done = true;
    if (reconfig_ && !s->in_asked) break;
  }
  if (wanted_streams_ > out_streams_) {
    const auto more = static_cast<std::uint16_t>(wanted_streams_ - out_streams_);
    association_.add_streams(more, 0);
  }
}

// ---- more of them (RFC 6525). IMPL-154, IMPL-161

void SctpInstance::want_streams(std::uint16_t id) noexcept {
  if (id < wanted_streams_) return;
  wanted_streams_ = std::min<std::uint32_t>(id + std::uint32_t{kMoreStreams}, settings_.streams_most);
  reconfigure();
}

void SctpInstance::streams_were_added(const sctp_stream_change_event& event) noexcept {
  if ((event.strchange_flags & (SCTP_STREAM_CHANGE_DENIED | SCTP_STREAM_CHANGE_FAILED)) != 0) {
    wanted_streams_ = out_streams_;
    for (const auto& s : streams_) {
      if (s == nullptr || !s->port || usable(*s) || s->out_asked) continue;
      s->out_asked = s->out_done = s->finish = true;
      host_.streams().stream_aborted(s->port, Direction::receiving,
                                     {Reason::exhausted, 0, kLayer, "the peer allows no more streams"});
    }
    return;
  }
  if (event.strchange_outstrms != 0) out_streams_ = event.strchange_outstrms;
  wanted_streams_ = std::max(wanted_streams_, out_streams_);
  for (const auto& s : streams_) {
    if (s == nullptr || !usable(*s)) continue;
    prioritize(*s);
    refill(*s);
  }
  host_.wake();
  reconfigure();
}

}  // namespace trellis::sctp
