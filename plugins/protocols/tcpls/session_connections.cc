// session_connections.cc: the TCP connections of a session: how many there are, where, and which of them leave.
#include <algorithm>
#include <cstring>
#include <format>

#include "session.h"

namespace trellis::tcpls {

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
  const auto is_brought = [](const auto& c) { return c->brought && c->usable(); };  // more than that is its wish
  while (usable() > wanted_connections() + static_cast<std::size_t>(std::ranges::count_if(connections_, is_brought))) {
    Connection* farthest = nullptr;
    for (const auto& c : connections_) {
      if (c->usable() && c.get() != in_use_ && (farthest == nullptr || c->rtt > farthest->rtt)) farthest = c.get();
    }
    leave(*farthest);
  }
}

// It carries nothing new, and ends when all that it has carried is acknowledged.
void Session::leave(Connection& c) noexcept {
  c.leaving = true;
  untie(c);
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
    if (c->fin_seen) continue;  // the end of the session, of which the application hears anyway
    host_.notify(Notice::path_change, {Reason::canceled, 0, kLayer, std::format("connection {} has left", c->id)});
  }
}

// Asks for connections until there are as many as there should be.
void Session::keep_connected() noexcept {
  if (server_ || plain_ || stage_ != Stage::open || (closing_ && usable() != 0) || peer_ended_) return;
  if (wish_after_ > now()) return;
  for (; losers_ > 0 && wishes_ < tokens_.size(); --losers_) {
    if (!wish_for(LowerWish::Purpose::standby, &kept_)) return;
  }
  const auto open = static_cast<std::size_t>(std::ranges::count_if(connections_, [](const auto& c) {
    return c->state == State::answer || (c->open() && !c->fin_seen && !c->leaving);
  }));
  const std::size_t target = wanted_connections();
  const auto purpose = open == 0                         ? LowerWish::Purpose::replace
                       : scheduler_ == Scheduler::pinned ? LowerWish::Purpose::standby
                                                         : LowerWish::Purpose::aggregate;
  for (std::size_t have = open + wishes_; have < target && wishes_ < tokens_.size(); ++have) {
    if (!wish_for(purpose, nullptr)) return;
  }
}

bool Session::wish_for(LowerWish::Purpose purpose, Connection* mark) noexcept {
  auto wish = host_.lowers().want_lower({.purpose = purpose});
  if (!wish) {
    alone_ = alone_ || wish.error().reason == Reason::prohibited;
    return false;
  }
  wish->mark(mark);
  ++wishes_;
  return true;
}

}  // namespace trellis::tcpls
