// session_connections.cc: the TCP connections of a session: joined, watched,
// lost, replaced.
#include <algorithm>
#include <cstring>
#include <format>

#include "session.h"

namespace trellis::tcpls {
namespace {

using namespace std::chrono_literals;
using tls::AlertDescription;
constexpr Duration kGiveUpLeast = 200ms;       // before unacknowledged frames are sent again without a sign of the
                                               // peer
constexpr std::size_t kAtOnceMost = 64 << 10;  // bytes that are cheaper to repeat than to wait for that sign
constexpr Duration kPatience = 120s;           // with a peer that has everything, but takes nothing more
constexpr Duration kWishPause = 200ms;         // after a wish has failed; doubles, to 3.2 s
constexpr unsigned kJoinedMax = 12;            // connections of a session besides the first

}  // namespace

Connection& Session::add(LowerPort port, State state) {
  auto& c = *connections_.emplace_back(std::make_unique<Connection>());
  c.port = port;
  c.state = state;
  port.mark(&c);
  port.grant_to(window_);
  return c;
}

Connection* Session::by_id(std::uint32_t id) noexcept {
  for (const auto& c : connections_) {
    if (c->id == id && c->state != State::hello && c->state != State::handshake) return c.get();
  }
  return nullptr;
}

std::size_t Session::usable() const noexcept {
  return static_cast<std::size_t>(std::ranges::count_if(connections_, [](const auto& c) { return c->usable(); }));
}

void Session::push(Connection& c, std::span<const std::uint8_t> bytes) noexcept {
  Slice slice = pool().allocate(0, static_cast<std::uint32_t>(bytes.size()), 0);
  std::memcpy(slice.edit().data(), bytes.data(), bytes.size());
  Chunk chunk{.data = std::move(slice)};
  if (!server_ && stage_ == Stage::handshake && !handshake_->complete() && c.bytes_sent == 0) {
    chunk.info = new_message();
    chunk.info->replayable = true;  // a ClientHello may ride a TCP fast open: it decides nothing
  }
  c.bytes_sent += bytes.size();
  c.port.push(std::move(chunk));
}

// ---- joining

// One connection for each interface that leads out, or for the loopback where the peer is on this host.
void Session::paths(std::span<const Path> all) noexcept {
  std::vector<std::string> interfaces;
  const bool inside = std::ranges::any_of(
      connections_, [](const auto& c) { return c->open() && c->port.route().path.type == InterfaceType::loopback; });
  for (const Path& path : all) {
    if ((path.type == InterfaceType::loopback) == inside && !std::ranges::contains(interfaces, path.interface_name))
      interfaces.push_back(path.interface_name);
  }
  usable_paths_ = std::max<std::size_t>(interfaces.size(), 1);
  std::swap(interfaces_, interfaces);
  leave_dead_paths(all);
  if (!interfaces.empty() && !std::ranges::contains(interfaces, interfaces_.empty() ? "" : interfaces_.front()))
    move_to_better_path(all);
  keep_connected();
}

// The best way out came up while another one is in use (RFC 9621 section 4.2, TCPLS-81). What the session began with
// is not moved: racing has chosen it.
void Session::move_to_better_path(std::span<const Path> all) noexcept {
  if (scheduler_ != Scheduler::pinned || alone_ || stage_ != Stage::open || closing_ || in_use_ == nullptr) return;
  const auto best = std::ranges::find(all, interfaces_.front(), &Path::interface_name);
  if (auto moved = migrate(best->id); !moved)
    host_.log(Severity::info, "the session stays where it is: " + moved.error().detail);
}

// What is sent on an interface that has gone is only waited for: others that work take over at once.
void Session::leave_dead_paths(std::span<const Path> all) noexcept {
  std::vector<Connection*> dead;
  for (const auto& c : connections_) {
    if (!c->usable()) continue;
    const Path& own = c->port.route().path;
    if (own.id != 0 && !std::ranges::contains(all, own.interface_name, &Path::interface_name)) dead.push_back(c.get());
  }
  if (dead.size() == usable()) return;  // it may come back
  for (Connection* c : dead)
    lost(*c, {Reason::unreachable, 0, kLayer, "the path " + c->port.route().path.interface_name + " went away"}, true);
}

// A connection on this path joins and takes over; what is in use stays until then (TCPLS-81).
Result<void> Session::migrate(std::uint64_t path) noexcept {
  if (server_ || plain_) return fail(Reason::unsupported, "only a client of TCPLS adds connections", 0, kLayer);
  for (const auto& c : connections_) {
    if (c->usable() && c->port.route().path.id == path) return go_on_over(c.get()), Result<void>();
  }
  if (path == 0 || path > UINT32_MAX)
    return fail(Reason::invalid_argument, "tcpls.path is the id of a path", 0, kLayer);
  if (tokens_.empty()) return fail(Reason::exhausted, "there is no token for a connection on the path", 0, kLayer);
  auto wish =
      host_.lowers().want_lower({.purpose = LowerWish::Purpose::replace, .path = static_cast<std::uint32_t>(path)});
  if (!wish) return fail(std::move(wish));
  wish->mark(&migration_);
  ++wishes_;
  return {};
}

std::size_t Session::wanted_connections() const noexcept {
  if (alone_) return 1;
  const std::size_t paths = std::min<std::size_t>(usable_paths_, scheduler_ == Scheduler::pinned ? 2 : 8);
  return std::max<std::size_t>(1 + settings_.standby, paths);
}

// More than there should be, after a move or under another scheduler: the farthest ones leave (TCPLS-95).
void Session::let_surplus_go() noexcept {
  if (server_ || plain_ || stage_ != Stage::open || closing_ || peer_ended_) return;
  while (usable() > wanted_connections()) {
    Connection* farthest = nullptr;
    for (const auto& c : connections_) {
      if (c->usable() && c.get() != in_use_ && (farthest == nullptr || c->rtt > farthest->rtt)) farthest = c.get();
    }
    farthest->leaving = true;
    untie(*farthest);
  }
  host_.wake();
}

// Its end goes without close_notify, which would be the end of the session's data.
void Session::end_leaving() noexcept {
  for (const auto& c : connections_) {
    if (!c->leaving || !c->open() || !c->unacked.empty() || c->ack_due > 0) continue;
    c->state = State::gone;
    LowerPort port = std::exchange(c->port, {});
    port.mark(nullptr);
    host_.lowers().drop_lower(port, {});
    host_.notify(Notice::path_change, {Reason::canceled, 0, kLayer, std::format("connection {} has left", c->id)});
  }
}

// Asks for connections until there are as many as there should be.
void Session::keep_connected() noexcept {
  if (server_ || plain_ || stage_ != Stage::open || (closing_ && usable() != 0) || peer_ended_) return;
  if (wish_after_ > now()) return;
  const auto open = static_cast<std::size_t>(std::ranges::count_if(connections_, [](const auto& c) {
    return c->state == State::answer || (c->open() && !c->fin_seen && !c->leaving);
  }));
  const std::size_t target = wanted_connections();
  const auto purpose = open == 0                         ? LowerWish::Purpose::replace
                       : scheduler_ == Scheduler::pinned ? LowerWish::Purpose::standby
                                                         : LowerWish::Purpose::aggregate;
  for (std::size_t have = open + wishes_; have < target && wishes_ < tokens_.size(); ++have) {
    if (auto wish = host_.lowers().want_lower({.purpose = purpose}); !wish) {
      alone_ = alone_ || wish.error().reason == Reason::prohibited;
      return;
    }
    ++wishes_;
  }
}

void Session::lower_ready(LowerPort port) noexcept {
  if (server_) {  // attached by our acceptor: its ClientHello is in the batch
    add(port, State::hello).confirm_by = now() + settings_.hello_timeout;
    return arm();
  }
  wishes_ -= std::min(wishes_, 1u);
  wishes_failed_ = 0;
  const auto token = stage_ == Stage::open ? tokens_.take() : std::nullopt;
  if (!token) return host_.lowers().drop_lower(port, {.abort = true});
  const bool preferred = port.mark<Connection>() == &migration_;
  Connection& c = add(port, State::answer);
  c.preferred = preferred;
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
  set_user_timeout(c);
}

// TCP notices a black hole even when nothing else is sent (TCPLS-85), but must not take a long path for one.
void Session::set_user_timeout(Connection& c) noexcept {
  Duration rtt = c.rtt;
  auto known = host_.lowers().ask(c.port, kRoundTripTime.name);
  if (const auto* const measured = known ? std::get_if<Duration>(&*known) : nullptr) rtt = std::max(rtt, *measured);
  c.user_timeout = std::max(settings_.user_timeout, rtt * 6);
  c.patient = false;
  tell_user_timeout(c, c.user_timeout);
}

void Session::tell_user_timeout(Connection& c, Duration time) noexcept {
  if (auto told = host_.lowers().tell(c.port, kConnTimeout.name, time); !told)
    host_.log(Severity::info, "the user timeout of a connection was not set: " + told.error().detail);
}

// When to look whether a peer that acknowledges nothing is there.
TimePoint Session::stalls_at(const Connection& c) const noexcept {
  if (!c.open() || c.unacked.empty() || plain_) return TimePoint::max();
  return std::max({c.unacked.oldest().at, c.progress, c.looked}) + std::max(settings_.user_timeout, c.user_timeout) / 2;
}

// A peer whose application is slow closes TCP's window, and the kernel takes the user timeout for that too: it would end
// a connection on which everything has arrived. What tells one from the other is whether something is on its way.
void Session::be_patient(Connection& c) noexcept {
  c.looked = now();
  const auto known = host_.lowers().ask(c.port, "tcp.segmentsInFlight");
  const auto* const flight = known ? std::get_if<std::uint64_t>(&*known) : nullptr;
  const bool patient = flight != nullptr && *flight == 0;
  if (patient == std::exchange(c.patient, patient)) return;
  tell_user_timeout(c, patient ? std::max(kPatience, c.user_timeout) : c.user_timeout);
}

// Looks to others like the rest of a handshake, and proves that we have the
// keys (TCPLS-65, TCPLS-66).
void Session::send_cover(Connection& c, std::uint32_t bytes) noexcept {
  OutgoingRecord record(pool(), bytes, pieces_);
  record.put(Ping{});
  record.pad(bytes - Ping::kSize);
  seal(c, record, Keep::sequence, {});
}

void Session::join_with_hello(Connection& c, const Slice& record) noexcept {
  auto hello = read_client_hello(record.bytes(), settings_.codes);
  const auto invited = hello && hello->join && table_ != nullptr ? table_->find(*hello->join) : std::nullopt;
  if (!invited || invited->session != this || stage_ != Stage::open) {
    push(c, plain_alert(AlertDescription::illegal_parameter));
    c.state = State::gone;
    return host_.lowers().drop_lower(std::exchange(c.port, {}), {});
  }
  table_->burn(*hello->join);  // its number is used up whatever becomes of the
                               // connection (decision D1)
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
  send_cover(c, kClientCover);
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
  Error news;
  news.layer = kLayer;
  news.detail = std::format("connection {} has joined the session with {}", c.id, peer_name_);
  host_.notify(Notice::path_change, std::move(news));
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
    orphans_.push_back({token});
  }
  host_.wake();
}

// ---- losing

bool Session::lower_failed(LowerPort port, const Error& error) noexcept {
  if (stage_ == Stage::over) return true;
  Connection* const c = port.mark<Connection>();
  if (c == nullptr || c == &migration_) {  // a wish; its token is still good
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

// Who only receives does not notice a black hole by itself, and a server cannot come back: so a client asks after a
// silence, which doubles. keepAliveTimeout makes either side ask more often (TCPLS-28, TCPLS-98).
TimePoint Session::ask_at(const Connection& c) const noexcept {
  const Duration after = server_ ? keep_alive_ : std::min(c.silence, keep_alive_);
  return !c.usable() || plain_ || after == Duration::max() ? TimePoint::max() : c.asked + after;
}

void Session::ask_peer(Connection& c) noexcept {
  c.asked = now();
  if (c.port.credit() == 0) return;  // what is under way asks as well
  c.silence *= 2;
  send_cover(c, Ping::kSize);
}

// Joins that do not come, connections that swallow what is sent, frames that
// wait for a sign of the peer.
void Session::watch_connections() noexcept {
  std::vector<Connection*> all;
  all.reserve(connections_.size());
  for (const auto& c : connections_) all.push_back(c.get());
  for (Connection* c : all) {
    if (stage_ != Stage::open) return;
    if (c->give_up <= now()) release(*c);
    if (goodbye_by_ <= now() && c->usable() && !c->fin_seen)
      lost(*c, {Reason::timed_out, 0, kLayer, std::format("the peer said goodbye, but not on connection {}", c->id)},
           true);
    if (c->confirm_by <= now())
      lost(*c, {Reason::timed_out, 0, kLayer, std::format("connection {} did not join in time", c->id)}, true);
    if (ask_at(*c) <= now()) ask_peer(*c);
    if (stalls_at(*c) <= now()) be_patient(*c);
    if (!c->open() || c->unacked.empty() || usable() < 2) continue;
    const TimePoint since = std::max(c->unacked.oldest().at, c->progress);
    const bool others_work = std::ranges::any_of(
        all, [&](const Connection* other) { return other != c && other->usable() && other->progress > since; });
    if (others_work && now() >= since + settings_.user_timeout + c->rtt) {
      lost(*c,
           {Reason::timed_out, 0, kLayer,
            std::format("{} did not acknowledge what was sent on connection {}", peer_name_, c->id)},
           true);
    }
  }
}

}  // namespace trellis::tcpls
