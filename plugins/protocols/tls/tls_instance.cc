#include "tls_instance.h"

#include <algorithm>
#include <cstring>
#include <format>

#include "../property_name.h"
#include "tls_error.h"
#include "trellis/lowers.h"

namespace trellis::tls {
namespace {

constexpr std::uint32_t kOverhead = kHeadroom + kTailroom;
constexpr std::uint32_t kKeyUpdateBytes = 5;
constexpr std::uint64_t kRecordsInOneVisit = 2 * (64 << 20) / kPlaintextMax;  // of the largest window, twice
constexpr std::uint16_t kTls13 = 0x0304;

Slice slice_of(BlockPool& pool, std::span<const std::uint8_t> bytes, std::uint32_t headroom = 0,
               std::uint32_t tailroom = 0) {
  Slice slice = pool.allocate(headroom, static_cast<std::uint32_t>(bytes.size()), tailroom);
  if (!bytes.empty()) std::memcpy(slice.edit().data(), bytes.data(), bytes.size());
  return slice;
}

}  // namespace

TlsInstance::TlsInstance(const Seat& seat, const Shared& shared)
    : host_(seat.host), upper_(seat.upper), lower_(seat.lower), shared_(shared) {}

void TlsInstance::open(const OpenArgs& args) noexcept {
  server_ = args.passive;
  auto credentials = shared_.credentials.get(host_.security(), server_);
  if (!credentials) {
    host_.log(Severity::failure, credentials.error().detail);  // of a server nobody else hears it
    return fail_with(std::move(credentials.error()));
  }
  handshake_ = std::make_unique<Handshake>(host_, shared_.settings, std::move(*credentials));
  if (auto begun = handshake_->begin(args); !begun) return fail_with(std::move(begun.error()));
  peer_name_ = handshake_->peer_name();
  host_.deadline(host_.executor().now() + shared_.settings.handshake_timeout);
  grant_below(0);
  collect_output();
  send_output(!server_);
}

// ---- receiving

void TlsInstance::on_up(LowerPort from, Batch& batch) noexcept {
  if (closing_) batch.clear();
  while (stage_ != Stage::over && stage_ != Stage::asking) {
    if (stage_ == Stage::open && upper_.credit() == 0 && !peer_ended_) break;
    auto record = cutter_.next(batch, host_.executor().pool());
    if (!record) return broken(std::move(record.error()));
    if (record->size() == 0) break;
    if (stage_ == Stage::handshake) {
      feed_handshake(std::move(*record));
    } else if (opener_) {
      open_record(std::move(*record));
    } else {
      open_old_record(std::move(*record));
    }
  }
  if (stage_ == Stage::over || closing_) return;
  if (from.finished() && batch.empty() && !peer_ended_) return truncated();
  grant_below(batch.bytes());
}

void TlsInstance::grant_below(std::size_t waiting) noexcept {
  const std::size_t window = shared_.settings.window;
  if ((lower_.granted() + waiting) * 2 <= window) lower_.grant_to(window - waiting);
}

void TlsInstance::truncated() noexcept {
  const char* const when = stage_ == Stage::open ? "without close_notify: what it sent may be incomplete"
                                                 : "before the handshake was complete";
  fail_with(make_error(Reason::reset, Code::truncated, std::format("{} ended the stream {}", peer_name_, when)));
}

void TlsInstance::feed_handshake(Slice record) noexcept {
  if (!server_) host_.answered(0);
  auto done = handshake_->feed(octets(record.bytes()));
  collect_output();
  if (!done) {
    send_output();
    return fail_with(std::move(done.error()));
  }
  if (handshake_->must_ask()) return ask();
  advance();
}

// Our last flight stays in the handshake until the application has answered.
void TlsInstance::ask() noexcept {
  stage_ = Stage::asking;
  host_.deadline(host_.executor().now() + shared_.settings.answer_timeout);
  if (!question_.ask(host_, [this](auto answer) { return handshake_->ask(std::move(answer)); })) {
    refuse_peer(security::refusal_error(kLayer, peer_name_, "it was asked and has given no Question to wait for"));
  }
}

void TlsInstance::on_wake() noexcept {
  if (stage_ != Stage::asking) return;
  const auto answer = question_.take();
  if (!answer) return;
  if (!*answer) return refuse_peer(security::refusal_error(kLayer, peer_name_, answer->error().detail));
  stage_ = Stage::handshake;
  host_.deadline(host_.executor().now() + shared_.settings.handshake_timeout);
  advance();
}

void TlsInstance::refuse_peer(Error why) noexcept {
  handshake_->refuse();
  stage_ = Stage::handshake;
  collect_output();
  send_output();
  fail_with(std::move(why));
}

void TlsInstance::advance() noexcept {
  collect_output();
  send_output();
  if (!handshake_->complete()) return;
  agreed_ = std::make_unique<Agreed>(handshake_->agreed());
  if (auto done = take_over(); !done) return fail_with(std::move(done.error()));
  stage_ = Stage::open;
  host_.deadline(TimePoint::max());
  upper_.grant_to(shared_.settings.window);
  host_.ready();
}

Result<void> TlsInstance::take_over() noexcept {
  if (agreed_->version != kTls13) return {};  // the library makes the records of older versions
  auto sending = handshake_->sending();
  auto receiving = handshake_->receiving();
  if (!sending) return fail(std::move(sending));
  if (!receiving) return fail(std::move(receiving));
  auto seal = sealing_key(*sending);
  auto open = RecordKey::derive(*receiving, Direction::open);
  if (!seal) return fail(std::move(seal));
  if (!open) return fail(std::move(open));
  sending_.emplace(std::move(*sending));
  receiving_.emplace(std::move(*receiving));
  sealer_.emplace(std::move(*seal), 0, handshake_->records_sent());
  opener_.emplace(std::move(*open));
  if (!handshake_->wants_tickets()) handshake_.reset();
  return {};
}

Result<std::shared_ptr<RecordKey>> TlsInstance::sealing_key(const TrafficSecret& secret) const noexcept {
  auto key = RecordKey::derive(secret, Direction::seal);
  const std::uint64_t records = shared_.settings.records_per_key;
  if (key) (*key)->limit({.update = records, .last = std::max(records * 2, records + kRecordsInOneVisit)});
  return key;
}

void TlsInstance::open_record(Slice record) noexcept {
  auto opened = opener_->open(std::move(record));
  if (!opened) return broken(std::move(opened.error()));
  switch (opened->type) {
    case ContentType::application_data:
      if (opened->payload.size() > 0) upper_.push(Chunk{.data = std::move(opened->payload)});
      return;
    case ContentType::handshake: return handshake_message(std::move(opened->payload), opened->key_update);
    case ContentType::alert:
      if (opened->alert == AlertDescription::close_notify) return peer_ended();
      if (opened->alert == AlertDescription::user_canceled) return;  // close_notify or the end follows
      return fail_with(security::alert_error(kLayer, opened->alert, peer_name_));
    default: return;  // after its end
  }
}

void TlsInstance::handshake_message(Slice payload, KeyUpdate update) noexcept {
  if (update != KeyUpdate::none) payload.drop_back(std::min(payload.size(), kKeyUpdateBytes));
  if (payload.size() > 0) {
    const bool keep = handshake_ != nullptr;
    if (server_ || (!keep && !tickets_.only_tickets(payload.bytes()))) {
      return broken(fail(AlertDescription::unexpected_message, "a handshake message behind the handshake").error());
    }
    if (keep) {
      if (auto done = handshake_->tickets(std::move(payload)); !done) return broken(std::move(done.error()));
      if (!handshake_->wants_tickets()) handshake_.reset();
    }
  }
  if (update == KeyUpdate::none) return;
  if (auto done = next_receiving_key(); !done) return broken(std::move(done.error()));
  if (update == KeyUpdate::update_requested) update_due_ = true;
}

Result<void> TlsInstance::next_receiving_key() noexcept {
  auto secret = receiving_->next();
  if (!secret) return fail(std::move(secret));
  auto key = RecordKey::derive(*secret, Direction::open);
  if (!key) return fail(std::move(key));
  receiving_ = std::move(*secret);
  opener_->rekey(std::move(*key));
  return {};
}

void TlsInstance::open_old_record(Slice record) noexcept {
  auto done = handshake_->feed(octets(record.bytes()));
  collect_output();
  auto& received = handshake_->received();
  if (!received.empty()) upper_.push(Chunk{.data = slice_of(host_.executor().pool(), received)});
  received.clear();
  if (!done) {
    send_output();
    return fail_with(std::move(done.error()));
  }
  if (handshake_->peer_closed()) peer_ended();
}

void TlsInstance::peer_ended() noexcept {
  if (!std::exchange(peer_ended_, true)) upper_.finish();
}

// ---- sending

void TlsInstance::collect_output() noexcept {
  if (handshake_ == nullptr || stage_ == Stage::asking || handshake_->must_ask()) return;
  auto& made = handshake_->output();
  output_.insert(output_.end(), made.begin(), made.end());
  made.clear();
}

// True: nothing of the handshake waits any more.
bool TlsInstance::send_output(bool first) noexcept {
  if (output_.empty()) return true;
  if (lower_.credit() == 0) return false;
  Chunk chunk{.data = slice_of(host_.executor().pool(), output_)};
  if (first) {  // a ClientHello may ride a TCP fast open: it decides nothing
    chunk.info = new_message();
    chunk.info->replayable = true;
  }
  lower_.push(std::move(chunk));
  output_ = {};
  return true;
}

// The library has no early data, so nothing is taken before the handshake is complete.
void TlsInstance::on_down(UpperPort from, Batch& batch) noexcept {
  if (stage_ != Stage::open || goodbye_said_ || !send_output()) return;
  if (sealer_) {
    while (stage_ == Stage::open && !batch.empty() && lower_.credit() > 0) {
      send_key_update();
      send(batch);
    }
  } else {
    send_old(batch);
  }
  if (stage_ != Stage::open || !batch.empty()) return;
  if (upper_.granted() * 2 <= shared_.settings.window) upper_.grant_to(shared_.settings.window);
  if (!from.finished() || !sealer_) return;  // before TLS 1.3 one end is the end of both
  goodbye_due_ = half_closed_ = true;
  send_goodbye();
}

// All records but the last must fit into the credit, so each chunk is charged with a record of its own. Small ones
// share a record and cost less: then this is called again, because credit that is left brings no further visit.
void TlsInstance::send(Batch& batch) noexcept {
  auto budget = static_cast<std::int64_t>(lower_.credit());
  while (!batch.empty() && budget > 0) {
    Chunk& front = batch.front();
    const auto most = static_cast<std::uint32_t>(
        std::min<std::int64_t>((budget + kPlaintextMax - 1) / kPlaintextMax * kPlaintextMax, UINT32_MAX / 2));
    if (front.data.size() > most) {
      plain_.add(Chunk{.data = front.data.split_front(most)});
      break;
    }
    budget -= front.data.size() + (front.data.size() / kPlaintextMax + 1) * kOverhead;
    plain_.add(batch.pop());
  }
  if (plain_.empty()) return;
  auto done = sealer_->seal(ContentType::application_data, plain_, sealed_, host_.executor().pool());
  if (!sealed_.empty()) lower_.push(sealed_);
  plain_.clear();
  if (!done) fail_with(std::move(done.error()));
}

void TlsInstance::send_old(Batch& batch) noexcept {
  while (!batch.empty() && lower_.credit() > 0) {
    const Chunk chunk = batch.pop();
    auto done = handshake_->send(octets(chunk.data.bytes()));
    collect_output();
    send_output();
    if (!done) return fail_with(std::move(done.error()));
  }
}

void TlsInstance::send_key_update() noexcept {
  if (!update_due_ && !sealer_->wants_update()) return;
  if (goodbye_said_ || lower_.credit() == 0) return;
  const std::uint8_t message[kKeyUpdateBytes] = {24, 0, 0, 1, update_wanted_ ? std::uint8_t{1} : std::uint8_t{0}};
  auto next = sending_->next();
  if (!next) return fail_with(std::move(next.error()));
  auto key = sealing_key(*next);
  if (!key) return fail_with(std::move(key.error()));
  auto done = sealer_->seal(ContentType::handshake, slice_of(host_.executor().pool(), message, kHeadroom, kTailroom),
                            sealed_, host_.executor().pool());
  if (!done) return fail_with(std::move(done.error()));
  lower_.push(sealed_);
  sending_ = std::move(*next);
  sealer_->rekey(std::move(*key));
  update_due_ = update_wanted_ = false;
}

void TlsInstance::send_alert(AlertDescription alert) noexcept {
  if (!sealer_ || goodbye_said_) return;
  if (sealer_->seal(alert, sealed_, host_.executor().pool())) lower_.push(sealed_);
}

void TlsInstance::send_goodbye() noexcept {
  if (!goodbye_due_ || goodbye_said_ || lower_.credit() == 0 || !send_output()) return;
  if (sealer_) {
    send_alert(AlertDescription::close_notify);
  } else {
    handshake_->close();
    collect_output();
    send_output();
  }
  goodbye_said_ = true;
  if (half_closed_) lower_.finish();
}

void TlsInstance::flush() noexcept {
  if (stage_ == Stage::over || !send_output() || stage_ != Stage::open) return;
  if (sealer_) send_key_update();
  if (stage_ != Stage::open || !goodbye_due_) return;
  send_goodbye();
  if (!closing_ || !goodbye_said_) return;
  stage_ = Stage::over;
  host_.closed();
}

// ---- the end

void TlsInstance::close(const CloseArgs& args) noexcept {
  if (stage_ != Stage::open || args.abort) {
    if (args.abort && stage_ == Stage::open) send_alert(AlertDescription::user_canceled);
    stage_ = Stage::over;
    question_.withdraw();
    return host_.closed();
  }
  closing_ = goodbye_due_ = true;  // flush() says it
}

void TlsInstance::on_deadline() noexcept {
  if (stage_ == Stage::asking) {
    return refuse_peer(security::unanswered_error(kLayer, peer_name_, shared_.settings.answer_timeout));
  }
  if (stage_ != Stage::handshake) return;
  fail_with(security::timeout_error(kLayer, peer_name_, shared_.settings.handshake_timeout));
}

// The peer has broken the protocol: it hears the alert that the Error names.
void TlsInstance::broken(Error error) noexcept {
  if (error.code < 256) send_alert(static_cast<AlertDescription>(error.code));
  error.layer = kLayer;
  error.detail = std::format("{}: {}", peer_name_, error.detail);
  fail_with(std::move(error));
}

void TlsInstance::fail_with(Error error) noexcept {
  if (stage_ == Stage::over) return;
  stage_ = Stage::over;
  question_.withdraw();
  host_.failed(std::move(error));
}

// ---- properties

Result<PropertyValue> TlsInstance::get(UpperPort, std::string_view name) noexcept {
  if (name == kSingularTransmissionMsgMaxLen.name) {
    auto below = host_.lowers().ask(lower_, name);
    auto* const most = below ? std::get_if<std::uint64_t>(&*below) : nullptr;
    if (most != nullptr) *most -= std::min<std::uint64_t>(*most, kOverhead);
    return below;
  }
  if (agreed_ == nullptr) return fail(Reason::unsupported);
  if (same_name(name, "tls.version")) return std::string(agreed_->version == kTls13 ? "1.3" : "1.2");
  if (same_name(name, "tls.cipherSuite")) return agreed_->suite_name;
  if (same_name(name, "tls.group")) return agreed_->group;
  if (same_name(name, "tls.alpn")) return agreed_->alpn;
  if (same_name(name, "tls.peer")) return agreed_->peer;
  if (same_name(name, "tls.resumed")) return agreed_->resumed;
  return fail(Reason::unsupported);
}

Result<void> TlsInstance::set(UpperPort, std::string_view name, const PropertyValue& value) noexcept {
  if (!same_name(name, kKeyUpdateProperty)) return fail(Reason::unsupported);
  const bool* const both = std::get_if<bool>(&value);
  if (both == nullptr) {
    return fail(Reason::invalid_argument, "tls.keyUpdate must be true (both keys) or false (ours alone)", 0, kLayer);
  }
  if (!sealer_) return fail(Reason::unsupported, "a key can be updated on an open TLS 1.3 connection only", 0, kLayer);
  update_due_ = true;
  update_wanted_ = *both;
  host_.wake();
  return {};
}

}  // namespace trellis::tls
