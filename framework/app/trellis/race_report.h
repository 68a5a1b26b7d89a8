// race_report.h: how a Connection came to be, or why it did not: every candidate, every step, the rule behind each.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "trellis/path.h"
#include "trellis/racing.h"

namespace trellis {

/// One step of a race.
struct RaceStep {
  /// What happened to the node.
  enum class Kind : std::uint8_t {
    added,     ///< it joined the tree
    dropped,   ///< a candidate was not added below it; `why`: the rule or limit
    started,   ///< it was started; `why`: what made the racing policy start it
    waiting,   ///< its race decides again at `until`
    answered,  ///< the peer reacted
    ready,     ///< it is established, and so are the nodes above it
    failed,    ///< `error`
    canceled,  ///< it lost, or was given up
    ignored,   ///< a plan asked for something impossible, or not yet possible
  };
  TimePoint at{};                   ///< the executor's time
  Kind kind = Kind::added;          ///< what happened
  std::uint32_t node = 0;           ///< index into RaceReport::nodes
  const char* why = "";             ///< the reason, a static text
  std::string detail = {};          ///< more about it; mostly empty
  TimePoint until{};                ///< waiting: when it decides again
  std::optional<Error> error = {};  ///< failed: how
};

/// The word for a kind of step.
std::string_view to_string(RaceStep::Kind kind) noexcept;

/// One node of the candidate tree, as it was at the end.
struct RaceNode {
  std::string id;                ///< "1.2.1": numbered as added, never renamed
  Endpoint remote;               ///< a name, or an address
  std::string stack;             ///< "length-prefix/tcp"; empty: not chosen yet
  std::string path;              ///< interface; empty: any
  std::optional<Branch> branch;  ///< how it branches; none: an attempt
  Child::State state = {};       ///< how it ended
  TimePoint started_at{};        ///< zero: never started
  TimePoint ended_at{};          ///< zero: never started, or won
  std::optional<Error> failure;  ///< why it failed
  std::string text() const;      ///< "[example.net:443, eth0, tls/tcp]" (RACE-16)
};

/// The whole story of one establishment (RFC 9623 section 4). Times are the executor's.
struct RaceReport {
  std::string remote;                ///< what was asked for, "example.net:443"
  TimePoint begun_at{}, ended_at{};  ///< from initiate() to ready or failed
  std::vector<RaceNode> nodes;       ///< root first
  std::vector<RaceStep> steps;       ///< in the order of time
  std::string winner;                ///< id of the leaf; empty: none
  std::optional<Error> failure;      ///< why none
};

}  // namespace trellis
