// path_health.cc: counting and timing.
#include "path_health.h"

#include <algorithm>
#include <chrono>

namespace trellis::sctp {
namespace {

constexpr Duration kLook = std::chrono::seconds(30);  // at what has failed, where nothing is probed otherwise

}  // namespace

PathHealth::PathHealth(const Settings& settings, PathState state, TimePoint now) noexcept
    : settings_(settings),
      state_(state),
      idle_(std::chrono::milliseconds(settings.heartbeat)),
      rto_(std::chrono::milliseconds(settings.rto_initial)),
      next_at_(now) {
  if (state == PathState::active) rest(now);
}

// With a jitter of half the RTO each way (RFC 9260 section 8.3): the nonce is random enough.
void PathHealth::rest(TimePoint now) noexcept {
  const Duration idle = idle_ == Duration::zero() && state_ != PathState::active ? kLook : idle_;
  const auto part = std::to_integer<int>(nonce_[0]);
  next_at_ = idle == Duration::zero() ? TimePoint::max() : now + idle + rto_ / 2 + rto_ / 256 * part;
}

void PathHealth::failed(TimePoint now) noexcept {
  ++errors_;
  const bool often = errors_ > settings_.path_retransmissions;
  if (state_ != PathState::unconfirmed) state_ = often ? PathState::inactive : PathState::suspected;
  if (often)
    rest(now);
  else
    next_at_ = now;
}

bool PathHealth::run(TimePoint now) noexcept {
  if (beating_ && now >= answer_by_) {
    beating_ = false;
    rto_ = std::min<Duration>(rto_ * 2, std::chrono::milliseconds(settings_.rto_max));
    failed(now);
  }
  return !beating_ && now >= next_at_;
}

void PathHealth::beat(const Nonce& nonce, TimePoint now) noexcept {
  nonce_ = nonce;
  beating_ = true;
  beat_at_ = now;
  answer_by_ = now + rto_;
}

bool PathHealth::answered(const Nonce& nonce, TimePoint now) noexcept {
  if (!beating_ || nonce != nonce_) return false;
  beating_ = false;
  measure(now - beat_at_);
  errors_ = 0;
  state_ = PathState::active;
  rest(now);
  return true;
}

void PathHealth::measure(Duration rtt) noexcept {
  if (smoothed_ == Duration::zero()) {
    smoothed_ = rtt;
    variation_ = rtt / 2;
  } else {
    variation_ = (variation_ * 3 + std::chrono::abs(smoothed_ - rtt)) / 4;
    smoothed_ = (smoothed_ * 7 + rtt) / 8;
  }
  rto_ = std::clamp<Duration>(smoothed_ + 4 * variation_, std::chrono::milliseconds(settings_.rto_min),
                              std::chrono::milliseconds(std::max(settings_.rto_min, settings_.rto_max)));
}

// A path on which data flow needs no probes.
void PathHealth::acknowledged(TimePoint now) noexcept {
  if (state_ == PathState::unconfirmed) return;
  errors_ = 0;
  state_ = PathState::active;
  if (!beating_) rest(now);
}

void PathHealth::timed_out(TimePoint now) noexcept { failed(now); }

void PathHealth::vanished() noexcept {
  if (state_ != PathState::unconfirmed) state_ = PathState::inactive;
  errors_ = settings_.path_retransmissions + 1u;
}

void PathHealth::probe(TimePoint now) noexcept {
  beating_ = false;
  errors_ = std::min<unsigned>(errors_, settings_.path_retransmissions);
  next_at_ = now;
}

}  // namespace trellis::sctp
