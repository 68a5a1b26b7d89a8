// session_join.cc: how further TCP connections join a session, and the tokens that invite them.
#include <algorithm>
#include <format>

#include "session.h"

namespace trellis::tcpls {
namespace {

using namespace std::chrono_literals;
using tls::AlertDescription;
constexpr unsigned kJoinedMax = 12;  // connections of a session besides the first

}  // namespace

void Session::lower_ready(LowerPort port) noexcept {
  if (server_) {  // attached by our acceptor: its ClientHello is in the batch
    add(port, State::hello).confirm_by = now() + settings_.hello_timeout;
    return arm();
  }
  const bool brought = wishes_ == 0 || port.mark<Connection>() == &kept_;
  wishes_ -= std::min(wishes_, 1u);
  wishes_failed_ = 0;
  const auto token = stage_ == Stage::open ? tokens_.take() : std::nullopt;
  if (!token) {
    host_.notify(Notice::soft_error, {Reason::exhausted, 0, kLayer, "there is no token for one more connection"});
    return host_.lowers().drop_lower(port, {.abort = true});
  }
  const bool preferred = port.mark<Connection>() == &migration_;
  Connection& c = add(port, State::answer);
  c.preferred = preferred;
  c.brought = brought;
  c.id = token->sequence;
  c.confirm_by = now() + settings_.hello_timeout;
  Extensions extensions(settings_.codes, false);
  extensions.join_with(token->token);
  auto credentials = shared_.join_credentials.get(host_.security(), false);
  if (!credentials) return lost(c, credentials.error(), true);
  tls::Handshake hello(host_, settings_.join, std::move(*credentials), &extensions);
  if (auto begun = hello.begin(*args_); !begun) return lost(c, begun.error(), true);
  push(c, hello.output());  // the first flight is all that is needed of it
  arm();
}

void Session::start_records(Connection& c) noexcept {
  c.sealer.emplace(seal_key_, c.id);
  c.opener.emplace(open_key_, c.id);
  c.progress = now();
  c.heard(now(), settings_.user_timeout);
  c.state = State::open;
  push(c, kChangeCipherSpec);
  if (!server_) set_user_timeout(c);  // a server waits for the first acknowledgement, which measures the path
}

// Looks to others like the rest of a handshake, and proves that we have the
// keys (TCPLS-65, TCPLS-66).
void Session::send_cover(Connection& c, std::uint32_t bytes) noexcept {
  OutgoingRecord record(pool(), bytes, pieces_);
  record.put(Ping{});
  if (c.ack_due > 0 && bytes >= Ping::kSize + Ack::kSize) put_ack(c, record);
  record.pad(bytes - record.size());
  seal(c, record, Keep::sequence, {});
}

// Behind whatever came with the answer of the server, so that they acknowledge its cover.
void Session::send_covers() noexcept {
  for (std::size_t i = 0; i < connections_.size() && stage_ == Stage::open; ++i) {
    Connection& c = *connections_[i];
    if (std::exchange(c.cover_due, false) && c.open()) send_cover(c, kClientCover);
  }
}

void Session::join_with_hello(Connection& c, const Slice& record) noexcept {
  auto hello = read_client_hello(record.bytes(), settings_.codes);
  // The token's number is used up whatever becomes of the connection (decision D1).
  const auto invited = hello && hello->join && table_ != nullptr ? table_->take(*hello->join) : std::nullopt;
  if (!invited || invited->session != this || stage_ != Stage::open) {
    push(c, plain_alert(AlertDescription::illegal_parameter));
    c.state = State::gone;
    return host_.lowers().drop_lower(std::exchange(c.port, {}), {});
  }
  invited_ -= std::min(invited_, 1u);
  c.id = invited->sequence;
  push(c, server_hello(*hello, agreed_.suite, host_.executor()));
  start_records(c);
  send_cover(c, kServerCover);
}

void Session::take_join_answer(Connection& c, const Slice& record) noexcept {
  if (tls::outer_type(record) == tls::ContentType::change_cipher_spec) return;
  if (tls::outer_type(record) == tls::ContentType::alert) {
    return join_refused(c, {Reason::reset, 0, kLayer, std::format("{} refused connection {}", peer_name_, c.id)});
  }
  if (auto good = check_server_hello(record.bytes(), agreed_.suite); !good) return join_refused(c, good.error());
  start_records(c);
  c.cover_due = true;
}

// The token is gone; there may be another one (TCPLS-70).
void Session::join_refused(Connection& c, const Error& why) noexcept {
  host_.notify(Notice::soft_error, why);
  lost(c, why, true);
}

void Session::confirm(Connection& c) noexcept {
  c.confirmed = true;
  c.confirm_by = TimePoint::max();
  reconnect_by_ = TimePoint::max();
  host_.notify(Notice::path_change,
               {Reason{}, 0, kLayer, std::format("connection {} has joined the session with {}", c.id, peer_name_)});
  if (c.preferred) go_on_over(&c);
  invite();
  watch_connections();
  keep_connected();
  let_surplus_go();
}

// A client always holds invitations, so that no loss is its last (TCPLS-53), but not to more connections than a session
// carries, nor to more than it may join in a second: each serves once (TCPLS-115).
void Session::invite() noexcept {
  invite_at_ = TimePoint::max();
  if (!server_ || plain_ || table_ == nullptr || stage_ != Stage::open) return;
  const auto joined =
      static_cast<unsigned>(std::ranges::count_if(connections_, [](const auto& c) { return c->id != 0 && c->open(); }));
  const unsigned most = std::min(settings_.tokens, kJoinedMax - std::min(joined, kJoinedMax));
  for (; invited_ < most && next_token_ <= 255; ++invited_) {
    if (now() >= inviting_since_ + 1s) inviting_since_ = now(), invited_lately_ = 0;
    if (invited_lately_++ >= settings_.joins_per_second) {
      invite_at_ = inviting_since_ + 1s;
      break;
    }
    NewToken token{.sequence = static_cast<std::uint8_t>(next_token_++)};
    host_.executor().secret(token.token);
    table_->add(token.token, {this, token.sequence});
    orphans_.push_back({token});  // flush() follows
  }
}

}  // namespace trellis::tcpls
