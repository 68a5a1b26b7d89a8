#include "session.h"

#include <algorithm>
#include <cstring>
#include <format>

#include "security/peer_error.h"

namespace trellis::tcpls {
namespace {

using namespace std::chrono_literals;
constexpr Duration kCloseTimeout = 10s;  // for the last acknowledgements
constexpr std::uint16_t kTls13 = 0x0304;

// Records of all connections under one key (TCPLS-108). There is no KeyUpdate: the session ends before that.
tls::UsageLimit session_limit(const tls::TrafficSecret& secret) noexcept {
  constexpr std::uint64_t kGcm = 1 << 24, kReserve = 1 << 14;
  if (secret.suite() == tls::CipherSuite::chacha20_poly1305_sha256) return tls::usage_limit(secret.suite());
  return {.update = kGcm - kReserve, .last = kGcm};
}

}  // namespace

Session::Session(const Seat& seat, const Shared& shared, TokenTable* table)
    : host_(seat.host),
      first_upper_(seat.upper),
      first_lower_(seat.lower),
      shared_(shared),
      settings_(shared.settings),
      table_(table),
      window_(shared.settings.tls.window),
      scheduler_(shared.settings.scheduler) {}

Session::~Session() {
  if (table_ != nullptr) table_->forget(*this);
}

void Session::open(const OpenArgs& args) noexcept {
  args_ = &args;
  server_ = args.passive;
  reconnect_ = reconnect_window();
  auto credentials = shared_.credentials.get(host_.security(), server_);
  if (!credentials) return fail_with(std::move(credentials.error()));
  extensions_ = std::make_unique<Extensions>(settings_.codes, server_);
  handshake_ = std::make_unique<tls::Handshake>(host_, settings_.tls, std::move(*credentials), extensions_.get());
  if (auto begun = handshake_->begin(args); !begun) return fail_with(std::move(begun.error()));
  peer_name_ = handshake_->peer_name();
  Connection& first = add(first_lower_, State::handshake);
  first.confirmed = true;
  if (first_upper_) adopt(first_upper_, 0), next_own_ = 2;
  if (server_) next_own_ = 1;
  next_of_peer_ = server_ ? 0 : 1;
  handshake_by_ = now() + settings_.tls.handshake_timeout;
  arm();
  send_output();
}

// ---- the handshake of the first connection

void Session::feed_handshake(Slice record) noexcept {
  if (!server_) host_.answered(0);
  auto done = handshake_->feed(octets(record.bytes()));
  if (!done) {
    send_output();
    return fail_with(std::move(done.error()));
  }
  if (handshake_->must_ask()) return ask();
  advance_handshake();
}

// Our last flight stays in the handshake until the application has answered.
void Session::ask() noexcept {
  stage_ = Stage::asking;
  handshake_by_ = TimePoint::max();
  arm();
  if (!question_.ask(host_, [this](auto answer) { return handshake_->ask(std::move(answer)); })) {
    refuse_peer({Reason::authentication, 0, kLayer, "the application was asked and has given no Question to wait for"});
  }
}

void Session::refuse_peer(const Error& why) noexcept {
  handshake_->refuse();
  stage_ = Stage::handshake;
  send_output();
  fail_with(security::refusal_error(kLayer, peer_name_, why.detail));
}

void Session::advance_handshake() noexcept {
  send_output();
  if (!handshake_->complete()) return;
  agreed_ = handshake_->agreed();
  plain_ = !extensions_->agreed();
  if (auto done = take_over(); !done) return fail_with(std::move(done.error()));
  established();
}

Result<void> Session::take_over() noexcept {
  if (agreed_.version != kTls13)
    return fail(Reason::unsupported, std::format("{} agreed on an older version than TLS 1.3", peer_name_), 0, kLayer);
  auto sending = handshake_->sending();
  auto receiving = handshake_->receiving();
  if (!sending) return fail(std::move(sending));
  if (!receiving) return fail(std::move(receiving));
  auto seal = tls::RecordKey::derive(*sending, tls::Direction::seal);
  auto open = tls::RecordKey::derive(*receiving, tls::Direction::open);
  if (!seal) return fail(std::move(seal));
  if (!open) return fail(std::move(open));
  sending_ = std::move(*sending);
  seal_key_ = std::move(*seal);
  if (!plain_) seal_key_->limit(session_limit(*sending_));
  open_key_ = std::move(*open);
  Connection& first = *connections_.front();
  first.sealer.emplace(seal_key_, 0, handshake_->records_sent());
  first.opener.emplace(open_key_);
  first.progress = now();
  first.heard(now(), settings_.user_timeout);
  first.state = State::open;
  in_use_ = &first;
  if (server_ || !handshake_->wants_tickets()) handshake_.reset();
  return {};
}

void Session::established() noexcept {
  stage_ = Stage::open;
  handshake_by_ = TimePoint::max();
  if (plain_ && server_) {
    if (const UpperPort port = host_.streams().accept_stream({})) adopt(port, 0);
    next_of_peer_ = 2;
  }
  for (auto& [id, s] : streams_) {
    if (s->port) s->port.grant_to(stream_window());
  }
  host_.ready();
  if (plain_) return;
  set_user_timeout(*connections_.front());
  if (server_) invite();
}

void Session::send_output() noexcept {
  if (handshake_ == nullptr || stage_ == Stage::asking || handshake_->must_ask()) return;
  auto& made = handshake_->output();
  output_.insert(output_.end(), made.begin(), made.end());
  made.clear();
  Connection& first = *connections_.front();
  if (output_.empty() || first.state == State::gone || first.port.credit() == 0) return;
  push(first, output_);
  output_ = {};
}

// ---- visits

void Session::on_down(UpperPort from, Batch& batch) noexcept {
  if (stage_ != Stage::open) return;
  Stream& s = *from.mark<Stream>();
  if (s.out_done) return batch.clear();
  s.unsent_bytes += from.charge(batch);
  s.unsent.append(batch);
  if (from.finished()) s.fin_due = true;
  queue(s);
}

void Session::on_credit(UpperPort port) noexcept {
  Stream& s = *port.mark<Stream>();
  deliver(s);
  end_if_over(s);
}

void Session::on_wake() noexcept {
  if (stage_ != Stage::asking) return;
  const auto answer = question_.take();
  if (!answer) return;
  if (!*answer) return refuse_peer(answer->error());
  stage_ = Stage::handshake;
  handshake_by_ = now() + settings_.tls.handshake_timeout;
  advance_handshake();
}

void Session::flush() noexcept {
  if (stage_ == Stage::over) return;
  if (!output_.empty()) send_output();
  if (stage_ != Stage::open || !output_.empty()) return;
  send_covers();
  while (something_waits()) {
    Connection* const c = pick();
    if (c == nullptr || !(plain_ ? pack_plain(*c) : pack(*c, true)) || stage_ != Stage::open) break;
  }
  if (stage_ == Stage::open && !plain_) feed_hungry(), send_tied(), send_acks(), end_leaving(), watch_key();
  if (stage_ == Stage::open && closing_) try_close();
  if (stage_ == Stage::open && peer_ended_ && streams_.empty()) end_cleanly();
  if (stage_ == Stage::open) arm();
}

void Session::on_deadline() noexcept {
  if (handshake_by_ <= now())
    return fail_with(security::timeout_error(kLayer, peer_name_, settings_.tls.handshake_timeout));
  if (stage_ != Stage::open) return arm();
  if (reconnect_by_ <= now())
    return fail_with({Reason::timed_out, 0, kLayer,
                      std::format("all connections to {} were lost, and none came back in time", peer_name_)});
  if (close_by_ <= now())
    return fail_with({Reason::timed_out, 0, kLayer,
                      std::format("{} did not acknowledge the last data before "
                                  "the connection was to end",
                                  peer_name_)});
  watch_connections();
  keep_connected();
  if (invite_at_ <= now()) invite();
  if (stage_ == Stage::open) arm();
}

void Session::arm() noexcept {
  const TimePoint at = now();
  TimePoint next = std::min({handshake_by_, reconnect_by_, close_by_, goodbye_by_, invite_at_});
  if (wish_after_ > at) next = std::min(next, wish_after_);
  if (!hungry_.empty() && sendable_.empty()) next = at;
  const bool several = usable() > 1;
  for (const auto& c : connections_) {
    next = std::min({next, c->give_up, c->confirm_by});
    if (!c->open()) continue;
    next = std::min({next, ask_at(*c), stalls_at(*c)});
    if (c->ack_due > 0 && c->ack_at > at) next = std::min(next, c->ack_at);  // else it waits for credit
    if (!several || c->unacked.empty()) continue;
    const TimePoint stuck = silent_since(*c) + settings_.user_timeout + c->rtt;
    next = std::min(next, stuck > at ? stuck : at + settings_.user_timeout / 4);
  }
  host_.deadline(next);
}

// ---- streams

Stream& Session::adopt(UpperPort port, std::uint32_t id) {
  auto& s = streams_[id];
  s = std::make_unique<Stream>();
  s->port = port;
  s->id = id;
  if (!port) {  // nobody takes it
    s->discard = s->in_done = s->fin_due = true;
    queue(*s);
    return *s;
  }
  port.mark(s.get());
  if (stage_ == Stage::open) port.grant_to(stream_window());
  return *s;
}

// Null: there is none. Mostly it is the one of the frame before.
Stream* Session::stream(std::uint32_t id) noexcept {
  if (recent_ != nullptr && recent_->id == id) return recent_;
  const auto found = streams_.find(id);
  if (found == streams_.end()) return nullptr;
  return recent_ = found->second.get();
}

Result<void> Session::open_stream(UpperPort port, const StreamArgs& args) noexcept {
  if (plain_) {
    return fail(Reason::unsupported, std::format("{} has no TCPLS: its connection is one stream of TLS", peer_name_), 0,
                kLayer);
  }
  if (args.face != Face::bytestream) return fail(Reason::unsupported, "streams of TCPLS are bytestreams", 0, kLayer);
  if (next_own_ > UINT32_MAX - 2) return fail(Reason::exhausted, "all stream ids are used up", 0, kLayer);
  adopt(port, next_own_);
  next_own_ += 2;
  return {};
}

// The draft cannot reset a stream: our side ends where it is, and what comes is
// not looked at (decision D24).
void Session::abort_stream(UpperPort port, Direction direction, std::uint64_t) noexcept {
  Stream& s = *port.mark<Stream>();
  if (direction != Direction::receiving && !s.out_done) {
    s.unsent.clear();
    s.unsent_bytes = 0;
    s.fin_due = true;
    queue(s);
  }
  if (direction != Direction::sending && !s.in_done) {
    s.in_done = s.discard = true;
    waiting_bytes_ -= s.waiting.bytes();
    held_bytes_ -= s.order.held();
    s.waiting.clear();
    s.order.forget();
  }
  end_if_over(s);
  host_.wake();
}

// Late frames of a stream that is not in the table any more are not looked at.
void Session::end_if_over(Stream& s) noexcept {
  if (!s.in_done || !s.out_done || !s.waiting.empty()) return;
  if (!s.all_acked() && !plain_ && !peer_ended_) return;  // closed means that the peer has everything
  unqueue(s);
  held_bytes_ -= s.order.held();
  const UpperPort port = s.port;
  if (recent_ == &s) recent_ = nullptr;
  streams_.erase(s.id);
  if (port) host_.streams().stream_closed(port);
}

// ---- the end

void Session::close(const CloseArgs& args) noexcept {
  if (stage_ != Stage::open || args.abort) {
    if (args.abort && stage_ == Stage::open) {
      for (const auto& c : connections_) {
        if (!c->open() || c->fin_sent || !c->sealer->seal(tls::AlertDescription::user_canceled, sealed_, pool()))
          continue;
        c->port.push(sealed_);
      }
    }
    stage_ = Stage::over;
    question_.withdraw();
    return host_.closed();
  }
  closing_ = true;  // flush() goes on
  close_by_ = now() + kCloseTimeout;
}

// Before the key is used up the session ends cleanly: what the application has given goes out and is acknowledged, then
// comes close_notify (decision D19).
void Session::watch_key() noexcept {
  if (stage_ != Stage::open || !seal_key_->wants_update()) return;
  if (!std::exchange(spent_, true)) {
    host_.notify(Notice::soft_error, {Reason::exhausted, 0, kLayer,
                                      "the session has protected nearly as many records as its key may: it ends when "
                                      "what was sent has arrived; go on with a new one"});
  }
  const bool all_arrived =
      std::ranges::all_of(connections_, [](const auto& c) { return c->unacked.empty(); }) && !something_waits();
  if (!all_arrived || closing_) return;
  say_goodbye();
  fail_with({Reason::exhausted, 0, kLayer, "the session's key has protected as many records as it may"});
}

// What was sent is on the other side, so no connection can take it along when
// it dies.
void Session::try_close() noexcept {
  // A stream is over when all of it was acknowledged. No other frame is worth waiting for: the application may be gone
  // as soon as its last stream is, and the goodbye with it.
  if (plain_ || !streams_.empty()) {
    const bool none = usable() == 0 && !plain_;
    const bool tied = std::ranges::any_of(connections_, [](const auto& c) { return !c->sendable.empty(); });
    if (none && !peer_ended_) return;  // one comes back, or the time is over
    if (none && something_waits())
      return fail_with({Reason::reset, 0, kLayer, std::format("{} closed before it took everything", peer_name_)});
    if (something_waits() || tied) return;
    if (!plain_ && !peer_ended_ && std::ranges::any_of(connections_, [](const auto& c) { return !c->unacked.empty(); }))
      return;
  }
  if (std::ranges::any_of(connections_, [](const auto& c) { return c->usable() && c->port.credit() == 0; })) return;
  end_cleanly();
}

void Session::end_cleanly() noexcept {
  say_goodbye();
  stage_ = Stage::over;
  host_.closed();
}

void Session::say_goodbye() noexcept {
  for (const auto& c : connections_) {  // what came is acknowledged before the end
    if (!plain_ && c->usable()) (void)pack(*c, false);
  }
  for (const auto& c : connections_) {
    if (!c->open() || std::exchange(c->fin_sent, true)) continue;
    if (!c->sealer->seal(tls::AlertDescription::close_notify, sealed_, pool())) continue;
    c->port.push(sealed_);
    c->port.finish();
  }
}

// The peer has broken the protocol: it hears the alert that the Error names on
// every connection (decision D18).
void Session::broken(Error error) noexcept {
  if (stage_ == Stage::over) return;
  if (error.code < 256) {
    for (const auto& c : connections_) {
      if (!c->open() || c->fin_sent) continue;
      if (!c->sealer->seal(static_cast<tls::AlertDescription>(error.code), sealed_, pool())) continue;
      c->port.push(sealed_);
    }
  }
  error.layer = kLayer;
  error.detail = std::format("{}: {}", peer_name_, error.detail);
  fail_with(std::move(error));
}

void Session::fail_with(Error error) noexcept {
  if (stage_ == Stage::over) return;
  stage_ = Stage::over;
  question_.withdraw();
  host_.failed(std::move(error));
}

}  // namespace trellis::tcpls
