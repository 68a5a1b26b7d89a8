// routed_source.h: what the host's routes say of a destination, where nobody has told them (RFC 6724 section 5).
#pragma once
#include "trellis/executor.h"
#include "trellis/path.h"

namespace trellis {

/// The address of ours that the destination would be spoken to from on the path: a connected socket asks the system and
/// sends nothing (RACE-190). Unset: it cannot be reached. A port that is unset does not matter.
Address routed_source(Executor& executor, const Path& path, Address destination) noexcept;

}  // namespace trellis
