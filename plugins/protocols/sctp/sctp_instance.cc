// sctp_instance.cc: how an association begins, lives and ends.
#include "sctp_instance.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "crc32c.h"
#include "peer_addresses.h"
#include "sctp_acceptor.h"

namespace trellis::sctp {
namespace {

constexpr std::size_t kInputWindow = 1 << 20;  // bytes of datagrams: all that came is read in the turn it came in
constexpr std::size_t kUserAbort = 12;         // cause "User-Initiated Abort" (RFC 9260 section 3.3.10.12)

// SCTP has words and no number for the application's reason (RFC 9260 section 3.3.10.12): the number is written first.
constexpr std::string_view kCode = "code ";

std::string words_of(const CloseArgs& args) {
  if (args.code == 0) return std::string(args.reason);
  std::string words(kCode);
  words += std::to_string(args.code);
  if (!args.reason.empty()) words.append(": ").append(args.reason);
  return words;
}

std::uint64_t code_of(std::string_view words) noexcept {
  std::uint64_t code = 0;
  if (words.starts_with(kCode)) std::from_chars(words.data() + kCode.size(), words.data() + words.size(), code);
  return code;
}

struct AbortReason {
  std::string words;       // as the end of a sentence
  std::uint64_t code = 0;  // of the application
};

// What the peer gave as a reason in its ABORT chunk.
AbortReason reason_of(std::span<const std::uint8_t> abort) {
  constexpr std::size_t kChunkHeader = 4, kCauseHeader = 4;
  if (abort.size() < kChunkHeader + kCauseHeader) return {};
  const auto cause = abort.subspan(kChunkHeader);
  const std::size_t code = cause[0] * 256u + cause[1], length = cause[2] * 256u + cause[3];
  if (code != kUserAbort || length <= kCauseHeader || length > cause.size())
    return {code == kUserAbort ? std::string() : " (cause " + std::to_string(code) + " of RFC 9260)"};
  std::string text(reinterpret_cast<const char*>(cause.data()) + kCauseHeader, length - kCauseHeader);
  std::ranges::replace_if(text, [](char c) { return c < ' ' || c > '~'; }, '?');
  return {": " + text, code_of(text)};
}

}  // namespace

SctpInstance::SctpInstance(const Seat& seat, const Settings& settings)
    : host_(seat.host), first_(seat.upper), lower_(seat.lower), settings_(settings) {
  own_out_.emplace(host_.executor().pool(), lower_, MessageRef());
}

SctpInstance::SctpInstance(const Seat& seat, const Settings& settings, Association accepted, Flow& flow)
    : host_(seat.host), lower_(seat.lower), settings_(settings), flow_(&flow), association_(std::move(accepted)) {}

SctpInstance::~SctpInstance() { leave(); }

// What is said to the peer from here on goes nowhere.
void SctpInstance::leave() noexcept {
  if (own_out_) Library::of_process().retire(key_);
  association_.drop();
  if (std::exchange(joined_, false)) Library::of_process().leave(host_.executor(), this);
}

void SctpInstance::part() noexcept {
  association_.drop();
  drop_paths();
  flow_ = nullptr;
}

// ---- the beginning

void SctpInstance::open(const OpenArgs& args) noexcept {
  auto joined = Library::of_process().join(host_.executor(), this);
  joined_ = joined.has_value();
  if (!joined) return end(std::move(joined.error()));
  if (own_out_) {
    if (auto dialed = dial(args); !dialed) return end(std::move(dialed.error()));
  }
  association_.watch(&SctpInstance::stirred, this);
  drain();  // an association that was accepted is up already
}

Result<void> SctpInstance::dial(const OpenArgs& args) {
  lower_.grant_to(kInputWindow);
  if (first_) {
    add(first_, 0);
    next_id_ = 2;
  }
  key_ = Library::of_process().new_key();
  Library::of_process().enroll(key_, *this);
  Settings own = settings_;
  own.packet = packet_bytes();
  const std::uint16_t port = settings_.port != 0 ? settings_.port : args.route.remote.port;
  // Over IP itself the ports of the Endpoints are SCTP's; else they are those of the layer below.
  one_path_ = one_path_ || host_.lowers().ask(lower_, "dtls.version").has_value();
  const bool over_ip = host_.lowers().ask(lower_, kIpProtocol.name).has_value();
  auto dialed = Association::dial(own, key_, port, over_ip ? args.route.local.port : 0);
  if (!dialed) return fail(std::move(dialed));
  association_ = std::move(*dialed);
  expected_ = {.from = port, .to = association_.own_port()};
  if (over_ip) args.route.local.port = expected_.to;
  return {};
}

// Less than the option says where a layer below takes no more in one piece: of one that seals packets it is its due.
std::uint32_t SctpInstance::packet_bytes() noexcept {
  constexpr std::uint64_t kLeast = 512;
  const auto below = host_.lowers().ask(lower_, kSingularTransmissionMsgMaxLen.name);
  const auto* const most = below ? std::get_if<std::uint64_t>(&*below) : nullptr;
  if (most == nullptr) return settings_.packet;
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(settings_.packet, std::max(*most, kLeast)));
}

void SctpInstance::established(const sctp_assoc_change& change) noexcept {
  if (stage_ != Stage::handshake) return;
  stage_ = Stage::open;
  out_streams_ = wanted_streams_ = change.sac_outbound_streams;
  const std::span features(change.sac_info, change.sac_length - sizeof change);
  interleaving_ = std::ranges::contains(features, SCTP_ASSOC_SUPPORTS_INTERLEAVING);
  reconfig_ = std::ranges::contains(features, SCTP_ASSOC_SUPPORTS_RE_CONFIG);
  host_.ready();
  if (!own_out_) {
    next_id_ = 1;
    stream_of_peer(0);  // whoever listens may speak first
  }
  for (const auto& s : streams_) {
    if (s == nullptr) continue;
    if (!usable(*s)) want_streams(s->id);
    if (usable(*s)) prioritize(*s);
    refill(*s);
  }
  if (own_out_) {
    follow_own_addresses();
    reach_peer_addresses();
  }
  host_.wake();  // what waits above is offered again
}

// ---- in and out

void SctpInstance::on_up(LowerPort from, Batch& batch) noexcept {
  SctpPath* const path = paths_ ? paths_->find(from) : nullptr;
  while (!batch.empty()) {
    const Chunk chunk = batch.pop();
    auto bytes = chunk.data.bytes();
    const std::size_t segment = chunk.segment_size != 0 ? chunk.segment_size : std::max<std::size_t>(bytes.size(), 1);
    while (!bytes.empty() && association_) {
      const auto packet = bytes.first(std::min(segment, bytes.size()));
      bytes = bytes.subspan(packet.size());
      if (ports_of(packet) == expected_) take(from, path, packet, chunk.ecn);
    }
  }
  from.grant_to(kInputWindow);
  drain();
  if (from.finished() && !paths_) cut_off();  // else the engine says that this lower has failed
}

void SctpInstance::take(LowerPort from, SctpPath* path, std::span<const std::byte> packet, std::uint8_t ecn) noexcept {
  const bool answers_init = stage_ == Stage::handshake && first_type(packet) == SCTP_INITIATION_ACK;
  if (answers_init) {
    heard_init_ack(packet);
    if (!std::exchange(heard_, true)) host_.answered(1);  // reachable, and one round trip from ready
    if (wants_too_much(packet)) return;
  }
  const bool is_for_us = comes_back(packet, header_, own_tag_), by_path = path != nullptr && is_for_us;
  if (from != lower_ && !by_path) return;
  std::vector<std::byte> room;
  if (reconfiguration_ && lives() && is_for_us && Reconfiguration::concerns(packet)) {
    room.resize(packet.size());
    source_ = {.remote = from.route().remote, .lower = from};
    packet = reconfiguration_->take(packet, room);
    if (packet.empty() || !association_) return;
  }
  if (reconfiguration_) reconfiguration_->heard();
  if (by_path) paths_->came(*path, packet);
  Library::of_process().input(key_, packet, ecn);
  if (by_path) paths_->left();
  if (answers_init) heard_offer(packet);
}

void SctpInstance::cut_off() noexcept { end(Error{Reason::reset, 0, kLayer, "the layer below brings nothing more"}); }

bool SctpInstance::take_packet(std::span<const std::byte> packet, std::uint8_t ecn) noexcept {
  if (paths_) return paths_->take_packet(packet, ecn, Library::of_process().in_timers());
  host_.wake();
  if (stage_ == Stage::handshake) {
    std::ranges::copy(packet.first(kPacketHeader), header_.begin());
    if (!one_path_ && first_type(packet) == SCTP_INITIATION) {
      own_tag_ = initiate_tag(packet);
      own_tsn_ = initial_tsn(packet);
      init_.assign(packet.begin(), packet.end());
      return true;
    }
  }
  return own_out_->add(packet, ecn);
}

void SctpInstance::wake_at(TimePoint at) noexcept {
  library_at_ = at;
  arm();
}

void SctpInstance::arm() noexcept {
  TimePoint first = library_at_;
  if (paths_ && lives()) first = std::min(first, paths_->due());
  if (reconfiguration_ && lives()) first = std::min(first, reconfiguration_->due());
  host_.deadline(first);
}

// Heartbeats of paths that are due are sent by flush().
void SctpInstance::on_deadline() noexcept {
  if (library_at_ <= host_.executor().now())
    Library::of_process().tick();
  else
    arm();
}

void SctpInstance::stirred(struct socket*, void* self, int) noexcept {
  auto& instance = *static_cast<SctpInstance*>(self);
  instance.stirred_ = true;
  instance.host_.wake();
}

void SctpInstance::on_wake() noexcept { drain(); }

void SctpInstance::flush() noexcept {
  if (stirred_) drain();
  if (stage_ == Stage::lingering) end_if_taken();
  if (paths_ && lives()) paths_->run();
  settle_paths();
  if (reconfiguration_ && lives()) reconfiguration_->run();
  if ((paths_ || reconfiguration_) && lives()) arm();
  emit();
}

void SctpInstance::emit() noexcept {
  if (!init_.empty()) say_init();
  if (paths_)
    paths_->emit();
  else if (own_out_)
    own_out_->emit();
  else if (flow_ != nullptr)
    flow_->out.emit();
}

// Takes what the library has, unless too much waits for the layers above: then it stays there and the peer's window
// closes.
void SctpInstance::drain() noexcept {
  stirred_ = blocked_ = false;
  const std::size_t held_most = settings_.window;
  while (association_ && stage_ < Stage::lingering) {
    if (held_ >= held_most) {
      if (association_.has_failed()) end(Error{Reason::reset, 0, kLayer, "the association was lost while nobody read"});
      return;
    }
    auto incoming = association_.receive(host_.executor().pool(), room_);
    if (!incoming) return;
    if (incoming->notification)
      notified(incoming->bytes.bytes());
    else
      received(std::move(*incoming));
  }
}

void SctpInstance::notified(std::span<const std::byte> bytes) noexcept {
  alignas(sctp_notification) std::byte aligned[2048];
  std::memcpy(aligned, bytes.data(), std::min(bytes.size(), sizeof aligned));
  const auto& event = *reinterpret_cast<const sctp_notification*>(aligned);
  switch (event.sn_header.sn_type) {
    case SCTP_ASSOC_CHANGE: return association_changed(event.sn_assoc_change);
    case SCTP_SHUTDOWN_EVENT: return peer_is_done();
    case SCTP_STREAM_RESET_EVENT: return streams_were_reset(event.sn_strreset_event);
    case SCTP_STREAM_CHANGE_EVENT: return streams_were_added(event.sn_strchange_event);
    case SCTP_PARTIAL_DELIVERY_EVENT: return broke_off(static_cast<std::uint16_t>(event.sn_pdapi_event.pdapi_stream));
    case SCTP_SEND_FAILED_EVENT: {
      const auto& failure = event.sn_send_failed_event;
      const Error why{Reason::reset, failure.ssfe_error, kLayer, "the association ended before the message arrived"};
      return undecided_.given_up(failure.ssfe_info.snd_context, failure.ssfe_error == 0 ? nullptr : &why);
    }
    case SCTP_SENDER_DRY_EVENT: return ran_dry();
    default: return;
  }
}

// The library has nothing more to send; of a message that is still being given to it that says nothing.
void SctpInstance::ran_dry() noexcept {
  hears_dry_ = false;
  association_.tell_when_dry(false);
  if (std::ranges::none_of(streams_, [](const auto& s) { return s != nullptr && s->in_message; }))
    undecided_.all_arrived();
}

void SctpInstance::association_changed(const sctp_assoc_change& change) noexcept {
  const std::span abort(change.sac_info, change.sac_length - sizeof change);
  const auto failure = [&](Reason by_peer, Reason by_silence, std::string_view what) {
    if (!abort.empty()) {
      const AbortReason why = reason_of(abort);
      return end(Error{by_peer, why.code, kLayer, "the peer has " + std::string(what) + why.words});
    }
    end(Error{by_silence, change.sac_error, kLayer, "the peer does not answer any more"});
  };
  switch (change.sac_state) {
    case SCTP_COMM_UP: return established(change);
    case SCTP_SHUTDOWN_COMP: return end(std::nullopt);
    case SCTP_RESTART:
      return end(Error{Reason::reset, 0, kLayer, "the peer has begun anew and knows nothing of before"});
    case SCTP_COMM_LOST: return failure(Reason::reset, Reason::timed_out, "aborted the association");
    case SCTP_CANT_STR_ASSOC: return failure(Reason::unreachable, Reason::timed_out, "refused the association");
    default: return;
  }
}

// ---- the end

void SctpInstance::close(const CloseArgs& args) noexcept {
  if (!association_ || stage_ >= Stage::lingering) return say_end();
  if (!args.abort && stage_ == Stage::open) {
    stage_ = Stage::closing;
    association_.finish();
    return;
  }
  if (stage_ == Stage::handshake) abort_handshake(words_of(args));
  association_.abort(words_of(args));
  emit();
  end_error_.reset();
  say_end();
}

// usrsctp forgets silently what is not up yet, but with the cookie on its way the server will think that it is.
void SctpInstance::abort_handshake(std::string_view words) noexcept {
  constexpr std::size_t kAbort = 8;
  if (!own_out_ || tag_of(header_) == 0) return;  // no answer yet
  const std::size_t length = std::min(words.size(), kReasonMost);
  std::array<std::byte, kPacketHeader + kAbort + kReasonMost> packet{};
  std::ranges::copy(header_, packet.begin());
  const std::span chunk = std::span(packet).subspan(kPacketHeader);
  chunk[0] = std::byte{SCTP_ABORT_ASSOCIATION};
  write_16(chunk, 2, kAbort + length);
  write_16(chunk, 4, kUserAbort);
  write_16(chunk, 6, kAbort - kChunkHeader + length);
  std::memcpy(chunk.data() + kAbort, words.data(), length);
  const auto all = std::span(packet).first(kPacketHeader + kAbort + padded(length));
  seal_packet(all);
  own_out_->add(all, 0);
}

// The peer sends nothing more and takes nothing more (RFC 9260 section 9.2).
void SctpInstance::peer_is_done() noexcept {
  peer_shut_ = true;
  for (const auto& s : streams_) {
    if (s == nullptr) continue;
    s->in_done = true;
    hand_up(*s);
  }
}

// What has come goes up first, as far as the layers above take it.
void SctpInstance::end(std::optional<Error> error) noexcept {
  if (stage_ >= Stage::lingering) return;
  const bool closing = stage_ == Stage::closing;
  stage_ = Stage::lingering;
  emit();
  association_.drop();
  end_error_ = std::move(error);
  if (!end_error_)
    peer_is_done();
  else
    for (const auto& s : streams_) {
      if (s != nullptr) hand_up(*s);  // what came, and no end: the rest is missing
    }
  if (closing)
    say_end();
  else
    end_if_taken();
}

// A failure does not wait for somebody who does not read.
void SctpInstance::end_if_taken() noexcept {
  const auto taken = [](const auto& s) {
    return s == nullptr || !s->port || s->deaf || (s->in.empty() && s->port.link().up.batch.empty());
  };
  if (end_error_ || std::ranges::all_of(streams_, taken)) say_end();
}

void SctpInstance::say_end() noexcept {
  if (stage_ == Stage::over) return;
  stage_ = Stage::over;
  if (!end_error_) undecided_.all_arrived();
  leave();
  if (end_error_)
    host_.failed(std::move(*end_error_));
  else
    host_.closed();
}

}  // namespace trellis::sctp
