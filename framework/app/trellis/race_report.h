// race_report.h: how a Connection came to be, or why it did not: every candidate, every step, the rule behind each.
#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "trellis/path.h"
#include "trellis/racing.h"

namespace trellis {

/// One step of a race.
struct RaceStep {
  /// What happened to the node.
  enum class Kind : std::uint8_t {
    added,     ///< it joined the tree
    moved,     ///< it has another place among its siblings: `rank`
    dropped,   ///< a candidate was not added below it; `why`: the rule or limit, `detail`: which candidate
    changed,   ///< its candidates were gathered, all or some: its race decides anew; `awaited`
    woke,      ///< the time was over that races waited for
    started,   ///< it was started; `why`: what made the racing policy start it
    waiting,   ///< its race decides again at `until`
    answered,  ///< the peer reacted; `rtts_left`
    ready,     ///< it is established, and so are the nodes above it
    failed,    ///< `error`
    canceled,  ///< it lost, or was given up
    ignored,   ///< a plan asked for something impossible, or not yet possible
  };
  /// Answers to a name that may still come.
  struct Awaited {
    bool ipv6 = false, ipv4 = false, service = false;
    bool ipv4_preferred = false;  ///< IPv4 is the family that is worth waiting for, not IPv6; only while any may come
    bool operator==(const Awaited&) const = default;
  };
  TimePoint at{};                   ///< the executor's time
  Kind kind = Kind::added;          ///< what happened
  bool fact = false;                ///< it came from outside: an answer, a failure, time. Otherwise the race decided it
  std::uint32_t nested = 0;         ///< inside how many starts it happened: something failed or was known at once
  std::uint32_t node = 0;           ///< index into RaceReport::nodes
  std::string why = {};             ///< the rule or reason
  std::string detail = {};          ///< more about it; mostly empty
  TimePoint until{};                ///< waiting: when it decides again
  std::int64_t rank = 0;            ///< added, moved: its place from now on, as RaceNode::rank
  std::uint8_t rtts_left = 0;       ///< answered: round trips until it is ready
  Awaited awaited = {};             ///< changed: what its race still hopes for
  std::optional<Error> error = {};  ///< failed: how
  std::string text() const;         ///< why, and all that is known besides, for people
};

/// The word for a kind of step.
std::string_view to_string(RaceStep::Kind kind) noexcept;
/// The word for the state of a node: "waiting", "started", …
std::string_view to_string(Child::State state) noexcept;
/// The word for a way to branch: "path", "protocol", "endpoint".
std::string_view to_string(Branch branch) noexcept;

/// One node of the candidate tree, as it was at the end.
struct RaceNode {
  std::string id = {};                ///< "1.2.1": numbered as added, never renamed
  std::uint32_t parent = 0;           ///< index into RaceReport::nodes; the root's: 0
  Endpoint remote = {};               ///< a name, or an address
  std::string stack = {};             ///< "length-prefix/tcp"; empty: not chosen yet
  std::string path = {};              ///< interface; empty: any
  std::int64_t rank = 0;              ///< place among its siblings at the end: lower is tried first
  std::uint8_t rtts = 0;              ///< round trips that its stack needs
  Duration expected{};                ///< time to ready learnt from history; zero: unknown
  std::string history = {};           ///< what history says of it, "history: 23 ms, 4 min ago"; empty: nothing
  bool failed_before = false;         ///< by history: it is tried last
  bool last_resort = false;           ///< its address was made from an IPv4 one by NAT64
  bool attempt = false;               ///< address, path and stack are known: it can be attempted
  std::optional<Branch> branch = {};  ///< how it branches; none: not at all, or not yet
  Child::State state = {};            ///< how it ended
  TimePoint started_at{};             ///< zero: never started
  TimePoint ended_at{};               ///< when it was ready, failed or canceled; zero: never started
  std::string started_why = {};       ///< the rule that started it; empty: never started
  std::string ended_why = {};         ///< the rule that ended it, or that kept it from being started
  std::optional<Error> failure = {};  ///< why it failed
  std::string text() const;           ///< "[example.net:443, eth0, tls/tcp]" (RACE-16)
};

/// The whole story of one establishment (RFC 9623 section 4). Times are the executor's.
struct RaceReport {
  /// How one kind of branch was raced.
  struct Racing {
    std::string policy;                                         ///< the racing policy, "staggered"
    std::vector<std::pair<std::string, std::string>> settings;  ///< its settings as a policy file has them
  };
  /// What the race could grow to.
  struct Limits {
    std::uint32_t children = 0, nodes = 0, leaves = 0, attempts_at_once = 0;
  };
  /// What the established Connection has told of its paths: one was joined or lost, or carries its data now.
  struct PathEvent {
    TimePoint at{};          ///< the executor's time
    bool lost = false;       ///< a path is no longer there; else it is good news
    std::string layer = {};  ///< who tells it, "tcpls"
    std::string detail = {};
  };
  std::string remote;                             ///< what was asked for, "example.net:443"
  std::string profile;                            ///< name of the policy
  Racing racing[3];                               ///< by Branch
  Limits limits;                                  ///< what it could grow to
  std::chrono::system_clock::time_point clock{};  ///< wall clock at begun_at
  TimePoint begun_at{}, ended_at{};               ///< from initiate() to ready or failed
  std::vector<RaceNode> nodes;                    ///< root first
  std::vector<RaceStep> steps;                    ///< in the order of time
  std::string winner;                             ///< id of the leaf; empty: none
  std::optional<Error> failure;                   ///< why none
  /// Of Notice::path_change since, in the order of time. Empty when the race is over: whoever tells the whole story of
  /// a Connection, in a trace or as a picture, adds them.
  std::vector<PathEvent> path_events;
};

}  // namespace trellis
