// reconfiguration.cc: RFC 5061 section 5.
#include "reconfiguration.h"

#include <usrsctp.h>

#include <algorithm>

#include "crc32c.h"

namespace trellis::sctp {
namespace {

constexpr std::size_t kAtOnce = 8;  // requests in a chunk, so that it fits every packet

bool is_reached(std::uint32_t serial, std::uint32_t by) noexcept {
  return static_cast<std::int32_t>(by - serial) >= 0;  // serial numbers (RFC 1982)
}

// Of what is malformed, or unknown.
Cause cause_of(std::uint16_t type) noexcept {
  for (const Change one : {Change::add, Change::remove, Change::prefer}) {
    if (type == static_cast<std::uint16_t>(one)) return Cause::unresolvable_address;
  }
  return Cause::unrecognized_parameters;
}

}  // namespace

Reconfiguration::Reconfiguration(ReconfigurationOwner& owner, Executor& executor, const Settings& settings,
                                 std::span<const std::byte> header, Authenticator authenticator, std::uint32_t own_tsn,
                                 std::uint32_t peer_tsn) noexcept
    : owner_(owner),
      executor_(executor),
      settings_(settings),
      authenticator_(std::move(authenticator)),
      next_serial_(own_tsn),
      peer_serial_(peer_tsn - 1) {
  std::ranges::copy(header.first(kPacketHeader), header_.begin());
}

std::vector<std::byte> Reconfiguration::packet_with(std::uint8_t type, std::span<const std::byte> value) const {
  const std::size_t at = kPacketHeader + authenticator_.chunk_bytes();
  std::vector<std::byte> packet(at + kChunkHeader + padded(value.size()));
  std::ranges::copy(header_, packet.begin());
  const std::span chunk = std::span(packet).subspan(at);
  chunk[0] = static_cast<std::byte>(type);
  write_16(chunk, 2, kChunkHeader + value.size());
  std::ranges::copy(value, chunk.begin() + kChunkHeader);
  authenticator_.sign(std::span(packet).subspan(kPacketHeader));
  seal_packet(packet);
  return packet;
}

// ---- what is asked of the peer

void Reconfiguration::ask(std::span<const AddressRequest> all) {
  waiting_.insert(waiting_.end(), all.begin(), all.end());
  begin();
}

bool Reconfiguration::asks(const AddressRequest& request) const noexcept {
  return std::ranges::contains(asked_, request) || std::ranges::contains(waiting_, request);
}

bool Reconfiguration::can(Change change) const noexcept { return !std::ranges::contains(unknown_, change); }

// One chunk is on its way at a time (section 5.1 A3).
void Reconfiguration::begin() {
  if (!asked_.empty() || waiting_.empty()) return;
  const auto end = waiting_.begin() + static_cast<std::ptrdiff_t>(std::min(waiting_.size(), kAtOnce));
  asked_.assign(waiting_.begin(), end);
  waiting_.erase(waiting_.begin(), end);
  packet_ = packet_with(SCTP_ASCONF, write_asconf(next_serial_++, owner_.known_address(), asked_));
  attempt_ = unanswered_ = 0;
  send();
}

void Reconfiguration::send() noexcept {
  const Duration again = owner_.send_asconf(packet_, attempt_);
  const Duration longest = std::chrono::milliseconds(std::max(settings_.rto_min, settings_.rto_max));
  const Duration wait = std::min(again, longest) * (1 << std::min(attempt_, 16u));
  due_ = again == Duration::max() ? TimePoint::max() : executor_.now() + std::min(wait, longest);
}

void Reconfiguration::run() noexcept {
  if (executor_.now() < due_) return;
  due_ = TimePoint::max();
  if (++unanswered_ > settings_.retransmissions) return owner_.peer_is_silent();
  ++attempt_;
  send();
}

void Reconfiguration::go_on() noexcept {
  if (!asked_.empty() && due_ == TimePoint::max() && unanswered_ <= settings_.retransmissions) send();
}

// An answer to what was never asked is an attack or a fault (section 5.3 F0); to what was answered, a duplicate.
void Reconfiguration::answered(std::span<const std::byte> value) {
  const auto causes = read_asconf_ack(value, asked_.size());
  if (!causes) return;
  const std::uint32_t serial = read_32(value, 0);
  if (is_reached(next_serial_, serial)) return owner_.peer_answers_nothing();
  if (asked_.empty() || serial != next_serial_ - 1) return;
  due_ = TimePoint::max();
  const std::size_t all = asked_.size();
  for (std::size_t i = 0; i < all; ++i) {  // those that follow have no answer yet
    const AddressRequest one = asked_.front();
    asked_.erase(asked_.begin());
    if ((*causes)[i] == Cause::unrecognized_parameters) unknown_.push_back(one.change);
    owner_.peer_answered(one, (*causes)[i]);
  }
  begin();
}

// ---- what the peer asks for

// After the first refusal for want of room all others fail (section 5.3 F11).
void Reconfiguration::asked(std::span<const std::byte> value) {
  const auto chunk = read_asconf(value);
  if (!chunk) return;
  if (chunk->serial == peer_serial_ && !answer_.empty()) return owner_.send_asconf_ack(answer_);
  if (chunk->serial != peer_serial_ + 1) return;
  peer_serial_ = chunk->serial;
  AsconfAck ack(chunk->serial);
  Cause cause = Cause::none;
  for (const ReceivedRequest& one : chunk->requests) {
    if (cause != Cause::resource_shortage) cause = one.request ? owner_.peer_asks(*one.request) : cause_of(one.type);
    if (!ack.add(one, cause)) break;
  }
  answer_ = packet_with(SCTP_ASCONF_ACK, ack.value());
  owner_.send_asconf_ack(answer_);
}

bool Reconfiguration::concerns(std::span<const std::byte> packet) noexcept {
  auto rest = chunks_of(packet);
  while (const auto chunk = take_item(rest)) {
    const int type = chunk->chunk();
    if (type == SCTP_AUTHENTICATION || type == SCTP_ASCONF || type == SCTP_ASCONF_ACK) return true;
  }
  return false;
}

// Where a signature is wrong, it and all that follows are nobody's (RFC 4895 section 6.3).
std::span<const std::byte> Reconfiguration::take(std::span<const std::byte> packet,
                                                 std::span<std::byte> room) noexcept {
  if (!packet_is_sound(packet)) return {};
  std::size_t end = kPacketHeader;
  std::ranges::copy(packet.first(end), room.begin());
  bool authentic = false;
  auto rest = chunks_of(packet);
  for (auto here = rest; const auto chunk = take_item(rest); here = rest) {
    switch (chunk->chunk()) {
      case SCTP_AUTHENTICATION:
        if (std::exchange(authentic, true) || !authenticator_.verify(here)) rest = {};
        break;
      case SCTP_ASCONF:
        if (authentic) asked(chunk->value);
        break;
      case SCTP_ASCONF_ACK:
        if (authentic) answered(chunk->value);
        break;
      default:
        std::ranges::copy(here.first(here.size() - rest.size()), room.begin() + static_cast<std::ptrdiff_t>(end));
        end += here.size() - rest.size();
    }
  }
  if (end == kPacketHeader) return {};
  seal_packet(room.first(end));
  return room.first(end);
}

}  // namespace trellis::sctp
