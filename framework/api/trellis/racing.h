// racing.h: when to start, stop and prefer the children of ONE node of the candidate tree.
//
// A racing policy is a pure function of what it sees: no clock, no timers, no sockets. Every parent node has a
// Race of its own, so the timers of different parents never mix. The engine in framework/core does what the
// plan says, reports each child's fate back, and carries success and failure up to the root by itself.
#pragma once
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "trellis/clock.h"
#include "trellis/option.h"
#include "trellis/result.h"

namespace trellis {

/// The three ways a node can branch, in the order in which the tree branches (RFC 9623 section 4.1.2).
enum class Branch : std::uint8_t { path, protocol, endpoint };

/// Names a child of one node. Stable: re-sorting moves children that have not started, never renames them.
using ChildId = std::uint32_t;

/// One child as the racing policy sees it.
struct Child {
  enum class State : std::uint8_t { waiting, started, answered, ready, failed, canceled };  ///< in this order
  ChildId id;                                                                               ///< stable
  State state;                                                                              ///< how far it is
  bool ipv6;               ///< endpoint branch only: its family
  std::uint8_t rtts_left;  ///< round trips until ready, by its traits and by what it reported
  TimePoint started_at;    ///< of the last start
  TimePoint answered_at;   ///< when the peer first reacted: answered_at - started_at is about one RTT
  Duration expected;       ///< time to ready learnt from earlier connections; zero: unknown
  bool failed_before;      ///< it failed or was silent last time: it stands, and is best tried, behind the others
  bool last_resort;  ///< made from IPv4 by NAT64, where the name may have IPv6 addresses of its own (RFC 8305, 7.2)
  std::optional<Reason> failure;  ///< why it failed
};

/// Why decide() is called.
enum class RaceEvent : std::uint8_t { begin, children_changed, answered, ready, failed, wake };

/// What a racing policy sees of one node.
struct RaceView {
  Branch branch;                    ///< how the node branches
  TimePoint now;                    ///< the executor's
  TimePoint begun_at;               ///< when the node was started
  std::span<const Child> children;  ///< best first
  bool ipv6_pending;                ///< endpoint branch: AAAA answers may still come
  bool ipv4_pending;                ///< endpoint branch: A answers may still come
  bool service_pending;             ///< endpoint and protocol branch: SVCB or SRV answers may still come
  /// Endpoint branch, while answers may still come: the path leads to all of IPv4 and not to all of IPv6, so that
  /// IPv4 is the family to wait for; else it is IPv6.
  bool ipv4_preferred = false;
};

/// What shall be done.
struct RacePlan {
  std::vector<ChildId> start;     ///< in this order
  std::vector<ChildId> cancel;    ///< losers
  std::optional<TimePoint> wake;  ///< decide again then, with RaceEvent::wake
};

/// The race of one node.
class Race {
 public:
  virtual ~Race() = default;
  /// Pure: the same calls give the same plans. `about`: the child of the event, where it has one.
  virtual RacePlan decide(RaceEvent, ChildId about, const RaceView&) noexcept = 0;
};

/// A plugin that knows a way to race.
class RacingPolicy {
 public:
  virtual ~RacingPolicy() = default;
  virtual std::string_view name() const noexcept = 0;                              ///< as in provides and policies
  virtual std::span<const OptionSpec> options() const noexcept { return {}; }      ///< its settings
  virtual std::unique_ptr<Race> begin(Branch, const Options&) const noexcept = 0;  ///< one for each parent node
};

}  // namespace trellis
