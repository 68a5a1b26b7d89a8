#include "association.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <format>

#include "dtls_error.h"

namespace trellis::dtls {
namespace {

using tls::AlertDescription;

constexpr Duration kPauseMost = std::chrono::seconds(60);  // RFC 6347 section 4.2.4.1
constexpr int kAnswersInPause = 4;                         // to the peer's repetitions
constexpr std::byte kWarning{1}, kFatal{2};

}  // namespace

std::uint32_t Association::datagram_most(const Path& path) noexcept {
  constexpr std::uint32_t kHeaders = 40 + 8;  // of IPv6 and UDP
  return std::max(path.mtu, kHeaders) - kHeaders;
}

std::uint64_t Association::content_most(std::uint64_t below) noexcept {
  return std::min<std::uint64_t>(kFragmentMost, below - std::min<std::uint64_t>(below, kOverhead));
}

bool Association::began_with(const FirstHello& hello) const noexcept {
  return std::ranges::equal(first_random_, hello.random());
}

// ---- the handshake

void Association::open(const OpenArgs& args, const FirstHello* hello, std::size_t datagram_most) noexcept {
  server_ = args.passive;
  datagram_most_ = std::min(datagram_most, shared_.settings.handshake_bytes);
  auto credentials = shared_.credentials_of(host_.security(), server_);
  if (!credentials) {
    host_.log(Severity::failure, credentials.error().detail);  // of a server nobody else hears it
    return finish(std::move(credentials.error()));
  }
  negotiation_ = std::make_unique<Negotiation>(host_, shared_.settings.tls, std::move(*credentials));
  if (hello != nullptr) {
    clear_number_ = hello->record_number;
    first_random_.assign(hello->random().begin(), hello->random().end());
  }
  pause_ = shared_.settings.first_repeat;
  give_up_ = host_.executor().now() + shared_.settings.tls.handshake_timeout;
  auto begun = negotiation_->begin(args, hello);
  peer_name_ = negotiation_->handshake().peer_name();
  say_flight();
  if (!begun) return finish(own(std::move(begun.error())));
  set_deadline();
}

void Association::take(Chunk&& chunk) noexcept {
  Slice rest = std::move(chunk.data);
  ecn_ = chunk.ecn;
  while (!is_over()) {
    const auto header = RecordHeader::read(rest.bytes());
    if (!header) return;
    const auto size = static_cast<std::uint32_t>(kRecordHeader + header->length);
    take_record(*header, size == rest.size() ? std::exchange(rest, Slice()) : rest.split_front(size));
  }
}

void Association::take_record(const RecordHeader& header, Slice&& record) noexcept {
  if (stage_ != Stage::open) return take_handshake(header, record);
  if (header.epoch() == 1 && header.version == kVersion12) take_protected(header, std::move(record));
}

void Association::take_handshake(const RecordHeader& header, const Slice& record) noexcept {
  auto heard = negotiation_->take(header, record);
  if (!heard) {
    say_flight();
    return finish(own(std::move(heard.error())));
  }
  if (*heard == Negotiation::Heard::nothing || stage_ == Stage::asking) return;
  tell_progress();
  if (*heard == Negotiation::Heard::old) answer_repetition();
  if (negotiation_->handshake().must_ask()) return ask();
  advance();
}

void Association::tell_progress() noexcept {
  const MessageType last = negotiation_->last_message();
  if (!server_ && last != MessageType::none) owner_.heard(*this, last == MessageType::hello_verify_request ? 2 : 1);
}

void Association::advance() noexcept {
  say_flight();
  if (negotiation_->complete()) return become_open();
  set_deadline();
}

void Association::become_open() noexcept {
  auto& handshake = negotiation_->handshake();
  agreed_ = handshake.agreed();
  auto keys = RecordKeys::derive(agreed_.suite, handshake.master_secret(), server_);
  if (!keys) return finish(std::move(keys.error()));
  sealer_.emplace(*keys, negotiation_->flight().next_sealed());
  opener_.emplace(*keys);
  if (server_) last_flight_ = negotiation_->take_flight();
  auto early = negotiation_->take_early();
  negotiation_.reset();
  stage_ = Stage::open;
  give_up_ = repeat_at_ = TimePoint::max();
  active_at_ = host_.executor().now();
  set_deadline();
  owner_.opened(*this);
  for (Slice& record : early) {
    const auto header = RecordHeader::read(record.bytes());
    if (header->type == ContentType::handshake) continue;  // the library has read it
    if (!is_over()) take_record(*header, std::move(record));
  }
}

// ---- the application's word about the peer

// Our next flight stays in the handshake until then.
void Association::ask() noexcept {
  stage_ = Stage::asking;
  negotiation_->pause();
  give_up_ = host_.executor().now() + shared_.settings.tls.answer_timeout;
  repeat_at_ = TimePoint::max();
  set_deadline();
  if (!question_.ask(host_, [this](auto answer) { return negotiation_->handshake().ask(std::move(answer)); }))
    refuse(security::refusal_error(kLayer, peer_name_, "it was asked and has given no Question to wait for"));
}

void Association::on_wake() noexcept {
  if (stage_ != Stage::asking) return;
  const auto answer = question_.take();
  if (!answer) return;
  if (!*answer) return refuse(security::refusal_error(kLayer, peer_name_, answer->error().detail));
  stage_ = Stage::handshake;
  give_up_ = host_.executor().now() + shared_.settings.tls.handshake_timeout;
  auto resumed = negotiation_->resume();
  if (resumed) return advance();
  say_flight();
  finish(own(std::move(resumed.error())));
}

void Association::refuse(Error why) noexcept {
  negotiation_->say(AlertDescription::bad_certificate);
  say_flight();
  finish(std::move(why));
}

// ---- flights

void Association::say_flight() noexcept {
  if (!negotiation_->has_news()) return;
  pause_ = shared_.settings.first_repeat;
  send_flight(false);
}

// Where there is no room below the datagrams are lost, as datagrams may be.
void Association::send_flight(bool again) noexcept {
  if (again && negotiation_) negotiation_->repeat();
  const Flight& flight = negotiation_ ? negotiation_->flight() : last_flight_;
  repeated_at_ = host_.executor().now();
  repeat_at_ = negotiation_ ? repeated_at_ + pause_ : TimePoint::max();
  for (Slice& datagram : flight.pack(host_.executor().pool(), datagram_most_, clear_number_)) {
    if (lower_.credit() > 0) push(std::move(datagram), to_);
  }
}

// Seldom, because whoever repeats itself says several things, and because it may be somebody else.
void Association::answer_repetition() noexcept {
  if (host_.executor().now() - repeated_at_ >= pause_ / kAnswersInPause) send_flight(true);
}

void Association::on_deadline() noexcept {
  const TimePoint now = host_.executor().now();
  if (is_over()) return;
  if (is_open()) {
    // The handshake's deadline may be told after its end.
    if (!lets_idle_go() || now < active_at_ + shared_.settings.idle) return set_deadline();
    say_alert(AlertDescription::close_notify);
    return finish(std::nullopt);
  }
  if (now >= give_up_) {
    if (stage_ == Stage::asking)
      return refuse(security::unanswered_error(kLayer, peer_name_, shared_.settings.tls.answer_timeout));
    negotiation_->say(AlertDescription::user_canceled);
    say_flight();
    return finish(security::timeout_error(kLayer, peer_name_, shared_.settings.tls.handshake_timeout));
  }
  if (now >= repeat_at_) {
    pause_ = std::min(2 * pause_, kPauseMost);
    send_flight(true);
  }
  set_deadline();
}

// A server's peer may vanish without a word, and its goodbye may be lost.
void Association::set_deadline() noexcept {
  TimePoint at = std::min(give_up_, repeat_at_);
  if (is_open() && lets_idle_go()) at = active_at_ + shared_.settings.idle;
  owner_.deadline(*this, at);
}

// ---- records

void Association::take_protected(const RecordHeader& header, Slice&& record) noexcept {
  if (header.type == ContentType::handshake) {
    // It has not heard our Finished; or it wants to begin anew, which nobody does here.
    if (!last_flight_.empty()) answer_repetition();
    return;
  }
  auto content = opener_->open(header, std::move(record), host_.executor().pool());
  if (!content) {
    if (opener_->worn())
      finish(make_error(Reason::protocol_violation, Code::bad_signature,
                        std::format("{}: too many records failed their check", peer_name_)));
    return;
  }
  active_at_ = host_.executor().now();
  switch (header.type) {
    case ContentType::application_data: last_flight_.clear(); return owner_.arrived(*this, std::move(*content), ecn_);
    case ContentType::alert: return take_alert(content->bytes());
    default: return;
  }
}

void Association::take_alert(std::span<const std::byte> content) noexcept {
  if (content.size() != 2) return;
  const auto alert = static_cast<AlertDescription>(content[1]);
  if (alert == AlertDescription::close_notify && is_open()) {
    say_alert(AlertDescription::close_notify);  // RFC 5246 section 7.2.1
    return finish(std::nullopt);
  }
  if (content[0] == kFatal || !is_open()) finish(security::alert_error(kLayer, alert, peer_name_));
}

void Association::send(Chunk&& chunk) noexcept {
  if (sealer_->worn()) {
    return finish(make_error(
        Reason::exhausted, Code::internal,
        std::format("{}: the key has protected as much as it may; a new connection has a new one", peer_name_)));
  }
  active_at_ = host_.executor().now();
  MessageRef info = chunk.info ? std::move(chunk.info) : to_;
  if (to_ && !info->remote) {
    info->remote = to_->remote;
    info->local = to_->local;
  }
  Slice record = sealer_->seal(ContentType::application_data, std::move(chunk.data), host_.executor().pool());
  push(std::move(record), std::move(info), &chunk);
}

void Association::push(Slice&& record, MessageRef info, const Chunk* like) noexcept {
  Chunk out{.data = std::move(record), .info = std::move(info), .end_of_message = true};
  if (like != nullptr) {
    out.ecn = like->ecn;
    out.dscp = like->dscp;
  }
  lower_.push(std::move(out));
}

void Association::say_alert(AlertDescription alert) noexcept {
  if (!sealer_ || sealer_->worn()) return;
  const std::array<std::byte, 2> words = {alert == AlertDescription::close_notify ? kWarning : kFatal,
                                          static_cast<std::byte>(alert)};
  Slice content = host_.executor().pool().allocate(kHeadroom, words.size(), kTailroom);
  std::memcpy(content.edit().data(), words.data(), words.size());
  push(sealer_->seal(ContentType::alert, std::move(content), host_.executor().pool()), to_);
}

// ---- the end

void Association::close(bool abort) noexcept {
  if (is_over()) return;
  if (is_open()) {
    say_alert(abort ? AlertDescription::user_canceled : AlertDescription::close_notify);
  } else if (negotiation_ && !negotiation_->flight().empty()) {
    negotiation_->say(AlertDescription::user_canceled);
    say_flight();
  }
  stage_ = Stage::over;
  question_.withdraw();
}

// An alert in clear would end the handshake of the other one; one that is sealed only who holds this one's keys hears.
void Association::replaced() noexcept {
  if (is_open()) return close(true);
  stage_ = Stage::over;
  question_.withdraw();
}

void Association::finish(std::optional<Error> why) noexcept {
  if (is_over()) return;
  stage_ = Stage::over;
  question_.withdraw();
  owner_.ended(*this, std::move(why));
}

}  // namespace trellis::dtls
