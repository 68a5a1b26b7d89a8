// property_name.h: names of properties as every protocol compares them. Compiled into each of them.
#pragma once
#include <algorithm>
#include <string_view>

namespace trellis {

/// Names of properties are compared without case.
inline bool same_name(std::string_view a, std::string_view b) noexcept {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

}  // namespace trellis
