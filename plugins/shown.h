// shown.h: text of others in messages. Compiled into each plugin that reads such.
#pragma once
#include <string>
#include <string_view>

namespace trellis {

/// In quotes, and as far as it can be shown.
inline std::string shown(std::string_view text) {
  std::string out = "\"";
  for (const char c : text.substr(0, 64)) out += c >= ' ' && c <= '~' ? c : '?';
  return out + (text.size() > 64 ? "...\"" : "\"");
}

}  // namespace trellis
