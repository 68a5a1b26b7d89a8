// session_watch.cc: whether the TCP connections of a session still carry what is sent, and how long that is waited for.
#include <algorithm>
#include <format>

#include "session.h"

namespace trellis::tcpls {
namespace {

using namespace std::chrono_literals;
constexpr Duration kPatience = 120s;  // with a peer that has everything, but takes nothing more

}  // namespace

// TCP notices a black hole even when nothing else is sent (TCPLS-85), but must not take a long path for one.
void Session::set_user_timeout(Connection& c) noexcept {
  Duration rtt = c.rtt;
  if (rtt == Duration{}) {
    const auto known = host_.lowers().ask(c.port, kRoundTripTime.name);
    if (const auto* const measured = known ? std::get_if<Duration>(&*known) : nullptr) rtt = *measured;
  }
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
  return std::max(c.waits_since(), c.looked) + std::max(settings_.user_timeout, c.user_timeout) / 2;
}

// From when on the peer could have acknowledged what is under way. One that was silent on all connections stood still
// itself: when it speaks again on one of them, its words on the others are still to come.
TimePoint Session::silent_since(const Connection& c) const noexcept { return std::max(c.waits_since(), back_); }

// A peer whose application is slow closes TCP's window, and the kernel takes the user timeout for that too: it would
// end a connection on which everything has arrived. What tells one from the other is whether something is on its way.
void Session::be_patient(Connection& c) noexcept {
  c.looked = now();
  const auto known = host_.lowers().ask(c.port, kTcpSegmentsInFlight.name);
  const auto* const flight = known ? std::get_if<std::uint64_t>(&*known) : nullptr;
  const bool patient = flight != nullptr && *flight == 0;
  if (patient == std::exchange(c.patient, patient)) return;
  if (patient) return tell_user_timeout(c, std::max(kPatience, c.user_timeout));
  set_user_timeout(c);
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
  for (std::size_t i = 0; i < connections_.size() && stage_ == Stage::open; ++i) {
    Connection* const c = connections_[i].get();
    if (c->give_up <= now()) release(*c);
    if (goodbye_by_ <= now() && c->usable() && !c->fin_seen)
      lost(*c, {Reason::timed_out, 0, kLayer, std::format("the peer said goodbye, but not on connection {}", c->id)},
           true);
    if (c->confirm_by <= now())
      lost(*c, {Reason::timed_out, 0, kLayer, std::format("connection {} did not join in time", c->id)}, true);
    if (ask_at(*c) <= now()) ask_peer(*c);
    if (stalls_at(*c) <= now()) be_patient(*c);
    if (!c->open() || c->unacked.empty() || usable() < 2) continue;
    const bool others_work = std::ranges::any_of(connections_, [&](const auto& other) {
      return other.get() != c && other->usable() && other->progress > c->waits_since();
    });
    if (others_work && now() >= silent_since(*c) + settings_.user_timeout + c->rtt) {
      lost(*c,
           {Reason::timed_out, 0, kLayer,
            std::format("{} did not acknowledge what was sent on connection {}", peer_name_, c->id)},
           true);
    }
  }
}

}  // namespace trellis::tcpls
