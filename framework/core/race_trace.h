// race_trace.h: what happened in one race, step by step. `explain`, `race`, qlog files, the timeline picture, the report
// to the application and the tests all read this one list.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "trellis/clock.h"
#include "trellis/result.h"

namespace trellis {

/// One step. `node` names an entry of the candidate tree ("1.2.1").
struct RaceStep {
  enum class Kind : std::uint8_t {
    added,     // the node joined the tree; `why`: what it is
    dropped,   // it was not added; `why`: the rule or limit
    started,   // it was started; `why`: the racing policy's event
    waiting,   // the node's race decides again at `until`
    resolved,  // a name was answered
    answered,  // the peer reacted
    ready,     // it is established, and so are the nodes above it
    failed,    // `error`
    canceled,  // it lost, or was given up
    ignored,   // a plan asked for something impossible; `why`
  };
  TimePoint at{};
  Kind kind;
  std::string node;
  std::string why = {};
  TimePoint until{};                  // waiting: when
  std::optional<Error> error = {};    // failed: how
};

/// The word for a kind of step.
std::string_view to_string(RaceStep::Kind kind) noexcept;

using RaceTrace = std::vector<RaceStep>;

}  // namespace trellis
