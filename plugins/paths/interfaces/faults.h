// faults.h: what was wrong in input that counts for nothing, as lines for the log.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace trellis {

/// "FILE:LINE: found X, expected Y: what comes of it". Whoever writes them stops at kFaultsMost.
using Faults = std::vector<std::string>;
inline constexpr std::size_t kFaultsMost = 8;

inline void add_fault(Faults& faults, std::string line) {
  if (faults.size() < kFaultsMost) faults.push_back(std::move(line));
}

/// In quotes, and as far as it can be shown.
inline std::string shown(std::string_view text) {
  std::string out = "\"";
  for (const char c : text.substr(0, 64)) out += c >= ' ' && c <= '~' ? c : '?';
  return out + (text.size() > 64 ? "...\"" : "\"");
}

}  // namespace trellis
