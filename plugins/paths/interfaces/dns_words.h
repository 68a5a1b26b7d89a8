// dns_words.h: name servers and domains as people and services write them.
#pragma once
#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "trellis/address.h"

namespace trellis {

std::vector<std::string> words_of(std::string_view text);  ///< separated by blanks

/// A number from 0 to `most`, of digits alone.
template <class Number>
std::optional<Number> read_number(std::string_view digits, Number most) {
  Number value{};
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (digits.empty() || error != std::errc() || end != digits.data() + digits.size() || value > most) return {};
  return value;
}

std::optional<Address> read_literal(const std::string& text);
/// "192.0.2.53", "192.0.2.53:5353", "2001:db8::53", "[2001:db8::53]:5353"
std::optional<Address> read_dns_server(const std::string& text);
bool is_domain(std::string_view text);

}  // namespace trellis
