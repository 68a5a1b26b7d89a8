// faults.h: what was wrong in input that counts for nothing, as lines for the log.
#pragma once
#include <string>
#include <vector>

#include "../../shown.h"

namespace trellis {

/// "FILE:LINE: found X, expected Y: what comes of it". Whoever writes them stops at kFaultsMost.
using Faults = std::vector<std::string>;
inline constexpr std::size_t kFaultsMost = 8;

inline void add_fault(Faults& faults, std::string line) {
  if (faults.size() < kFaultsMost) faults.push_back(std::move(line));
}

}  // namespace trellis
