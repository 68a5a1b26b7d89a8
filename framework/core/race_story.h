// race_story.h: from a race to its report (trellis/race_report.h).
#pragma once
#include <memory>
#include <vector>

#include "core/framework_core.h"
#include "core/race_engine.h"
#include "core/ways.h"

namespace trellis {

/// What a race came to, as far as it has come; takes the trace out of it. Times, winner and failure of the whole are
/// left to the caller.
std::unique_ptr<RaceReport> tell_race(const Plan& plan, const Ways& ways, RaceEngine& race);

/// Works out from the steps how every node fared: state, times, rules and failure.
void follow_steps(RaceReport& report);

}  // namespace trellis
