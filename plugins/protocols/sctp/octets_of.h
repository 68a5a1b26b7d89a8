// octets_of.h: for tests: bytes written as hexadecimal digits.
#pragma once
#include <charconv>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace trellis::sctp {

inline std::vector<std::byte> octets_of(std::string_view digits) {
  std::vector<std::byte> made;
  for (; digits.size() >= 2; digits.remove_prefix(2)) {
    unsigned octet = 0;
    std::from_chars(digits.data(), digits.data() + 2, octet, 16);
    made.push_back(static_cast<std::byte>(octet));
  }
  return made;
}

/// The octets from `first` on, as in RANDOM parameters.
inline std::vector<std::byte> counted_from(unsigned first, std::size_t count) {
  std::vector<std::byte> made;
  for (std::size_t i = 0; i < count; ++i) made.push_back(static_cast<std::byte>(first + i));
  return made;
}

}  // namespace trellis::sctp
