// session_loss.cc: TCP connections of a session that are lost, and what becomes of their data.
#include <algorithm>
#include <format>

#include "session.h"

namespace trellis::tcpls {
namespace {

using namespace std::chrono_literals;
constexpr Duration kGiveUpLeast = 200ms;       // before unacknowledged frames are sent again without a sign of the
                                               // peer
constexpr std::size_t kAtOnceMost = 64 << 10;  // bytes that are cheaper to repeat than to wait for that sign
constexpr Duration kWishPause = 200ms;         // after a wish has failed; doubles, to 3.2 s

}  // namespace

bool Session::lower_failed(LowerPort port, const Error& error) noexcept {
  if (stage_ == Stage::over) return true;
  Connection* const c = port.mark<Connection>();
  if (c == nullptr || c == &migration_ || c == &kept_) {  // a wish; its token is still good
    wishes_ -= std::min(wishes_, 1u);
    wish_after_ = now() + kWishPause * (1 << std::min(wishes_failed_++, 4u));
    host_.notify(Notice::soft_error, error);
    arm();
    return true;
  }
  if (stage_ != Stage::open || plain_) return peer_ended_ && closing_;
  lost(*c, error, false);
  return true;
}

Duration Session::reconnect_window() const noexcept {
  return settings_.reconnect != Duration{} ? settings_.reconnect : Duration(server_ ? 60s : 30s);
}

// The peer's TCP has ended. Without close_notify it takes the connection out of
// the session (decision D16).
void Session::peer_ended(Connection& c) noexcept {
  const Error why{Reason::reset, 0, kLayer, std::format("{} ended connection {}", peer_name_, c.id)};
  if (stage_ != Stage::open) {
    return fail_with(
        {Reason::reset, 0, kLayer, std::format("{} ended the stream before the handshake was complete", peer_name_)});
  }
  if (c.fin_seen) return;  // that was all; we may still send
  if (plain_) {
    return fail_with({Reason::reset, 0, kLayer,
                      std::format("{} ended the stream without close_notify: "
                                  "what it sent may be incomplete",
                                  peer_name_)});
  }
  lost(c, why, true);
}

// `still_there`: the engine does not know yet.
void Session::lost(Connection& c, const Error& why, bool still_there) noexcept {
  if (c.state == State::gone || stage_ == Stage::over) return;
  const bool had_records = c.open(), joining = c.state == State::answer;
  c.state = State::gone;
  untie(c);
  c.confirm_by = TimePoint::max();
  if (in_use_ == &c) in_use_ = nullptr;
  LowerPort port = std::exchange(c.port, {});
  port.mark(nullptr);
  if (still_there) host_.lowers().drop_lower(port, {.abort = true});
  if (!settings_.failover && c.unacked.least_place() != Unacked::kNowhere) {
    return fail_with(
        {why.reason, why.code, kLayer,
         std::format("connection {} was lost with data that {} has not acknowledged, and failover is off: {}", c.id,
                     peer_name_, why.detail)});
  }
  if (had_records) left(c);
  if (joining) orphans_.push_back({ConnectionReset{c.id}});  // or the peer goes on waiting for its token
  if (stage_ != Stage::open) return;
  host_.notify(Notice::path_change,
               {why.reason, why.code, kLayer, std::format("connection {} was lost: {}", c.id, why.detail)});
  invite();
  if (!peer_ended_ && all_said_goodbye()) everyone_left();
  if (usable() == 0 && !peer_ended_ && reconnect_by_ == TimePoint::max()) {
    reconnect_by_ = now() + reconnect_;
  }
  keep_connected();
  if (usable() != 0) return host_.wake();
  const bool coming =
      server_ || wishes_ != 0 || !tokens_.empty() || std::ranges::any_of(connections_, [](const auto& other) {
        return other->state == State::answer || other->open();
      });
  if (peer_ended_ || coming) return host_.wake();
  fail_with({why.reason, why.code, kLayer,
             std::format("the last connection to {} was lost, and there is no "
                         "token for another one: {}",
                         peer_name_, why.detail)});
}

// Its frames go to the others: as soon as the peer says how far it got, or after a while (decision D12). The first of
// them go at once: the stream stands still until they have come.
void Session::left(Connection& c) noexcept {
  orphans_.push_back({ConnectionReset{c.id}});
  if (c.received) {
    c.ack_due = std::max(c.ack_due, 1u);
    c.ack_now = true;
  }
  release(c, kAtOnceMost);
  c.give_up = now() + std::max<Duration>(c.rtt, kGiveUpLeast);
}

void Session::release(Connection& c, std::size_t at_most) noexcept {
  c.give_up = TimePoint::max();
  c.unacked.give_up(pool(), at_most, [&](const Unacked::Record& kept, Slice record) {
    if (record.size() > 0) reopen(c, kept, std::move(record));
  });
  host_.wake();
}

// The frames of a record of ours that are sent again; the others are made anew, or serve only once (TCPLS-83).
void Session::reopen(Connection& c, const Unacked::Record& kept, Slice record) noexcept {
  if (reopen_key_ == nullptr) {
    auto key = tls::RecordKey::derive(*sending_, tls::Direction::open);
    if (!key) return fail_with(std::move(key.error()));
    reopen_key_ = std::move(*key);
  }
  auto opened = tls::RecordOpener(reopen_key_, c.id, kept.sequence).open(std::move(record));
  if (!opened) return fail_with(std::move(opened.error()));
  FrameReader reader(std::move(opened->payload));
  for (auto frame = reader.next(); frame && *frame; frame = reader.next()) {
    if (!std::holds_alternative<Ack>(**frame) && !std::holds_alternative<Ping>(**frame))
      orphans_.push_back({std::move(**frame), kept.place});
  }
}

}  // namespace trellis::tcpls
