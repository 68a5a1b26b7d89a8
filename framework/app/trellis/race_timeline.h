// race_timeline.h: a race as a picture.
#pragma once
#include <string>

#include "trellis/race_report.h"

namespace trellis {

/// The report as one HTML page that needs nothing else: a bar for each node, the delays between them, why the losers
/// lost, and all steps below. Texts that come from peers are escaped, and the page may load nothing.
std::string race_timeline(const RaceReport& report);

}  // namespace trellis
