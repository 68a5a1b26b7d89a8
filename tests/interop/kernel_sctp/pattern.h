// pattern.h: the long messages of the peer inside the user-mode Linux and of the test outside, which compares them.
#pragma once
#include <cstddef>
#include <string>

namespace trellis::tests {

inline std::string pattern(std::size_t length) {
  std::string all(length, ' ');
  for (std::size_t i = 0; i < length; ++i) all[i] = static_cast<char>(i * 7 + i / 251);
  return all;
}

}  // namespace trellis::tests
