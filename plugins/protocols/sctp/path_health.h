// path_health.h: whether one path of an association works: RFC 9260 sections 5.4 (it is confirmed before it is used),
// 6.3.1 (its RTO), 8.2 and 8.3 (failures and heartbeats), and RFC 7829 (it is left at the first failure).
#pragma once
#include <array>
#include <cstdint>

#include "sctp_settings.h"

namespace trellis::sctp {

/// In the order in which they are taken for data. `suspected` is RFC 7829's Potentially Failed; only inactive ones are
/// those that RFC 9260 calls so.
enum class PathState : std::uint8_t { active, suspected, inactive, unconfirmed };

class PathHealth {
 public:
  using Nonce = std::array<std::byte, 16>;

  PathHealth(const Settings& settings, PathState state, TimePoint now) noexcept;

  PathState state() const noexcept { return state_; }
  unsigned errors() const noexcept { return errors_; }  ///< in a row
  Duration rtt() const noexcept { return smoothed_; }   ///< zero: not measured
  Duration rto() const noexcept { return rto_; }
  TimePoint due() const noexcept { return beating_ ? answer_by_ : next_at_; }

  /// Judges a heartbeat that was not answered in time. True: the next one is to be sent now; beat() follows.
  bool run(TimePoint now) noexcept;
  /// A heartbeat with this nonce is on its way.
  void beat(const Nonce& nonce, TimePoint now) noexcept;
  /// False: not an answer to the last heartbeat.
  bool answered(const Nonce& nonce, TimePoint now) noexcept;
  void acknowledged(TimePoint now) noexcept;                 ///< what went by this path has arrived
  void timed_out(TimePoint now) noexcept;                    ///< it was not acknowledged in time
  void vanished() noexcept;                                  ///< the way out is not there
  void probe(TimePoint now) noexcept;                        ///< the next heartbeat goes at once
  void beat_every(Duration idle) noexcept { idle_ = idle; }  ///< zero: only where it has failed

 private:
  void failed(TimePoint now) noexcept;
  void measure(Duration rtt) noexcept;
  void rest(TimePoint now) noexcept;

  const Settings& settings_;
  PathState state_;
  bool beating_ = false;  // the last heartbeat may still be answered
  unsigned errors_ = 0;
  Duration idle_;
  Duration rto_, smoothed_{}, variation_{};
  TimePoint next_at_, beat_at_{}, answer_by_{};
  Nonce nonce_{};
};

}  // namespace trellis::sctp
