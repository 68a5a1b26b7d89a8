#include "resolv_conf.h"

#include <ares.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <format>

#include "../../shown.h"

namespace trellis::dns {
namespace {

constexpr std::string_view kBlanks = " \t\r\f\v";
constexpr std::array<std::string_view, 4> kOfNoUse{"sortlist", "lookup", "family", "hostresorder"};  // of other systems
constexpr unsigned kNdotsMost = 15;                                                                  // resolv.conf(5)

std::string_view take_word(std::string_view& line) {
  line.remove_prefix(std::min(line.find_first_not_of(kBlanks), line.size()));
  const std::string_view word = line.substr(0, line.find_first_of(kBlanks));
  line.remove_prefix(word.size());
  return word;
}

/// "192.0.2.53", "2001:db8::53", "fe80::1%eth0", "[2001:db8::53]:53", "192.0.2.53:53"
bool is_server(std::string_view word) {
  const bool bracketed = word.starts_with('[');
  if (bracketed) word.remove_prefix(1);
  const std::size_t end = bracketed                            ? word.find(']')
                          : std::ranges::count(word, ':') == 1 ? word.find(':')
                                                               : word.size();
  if (end == std::string_view::npos) return false;
  const std::string_view port = word.substr(std::min(end + (bracketed ? 1 : 0), word.size()));
  if (!port.empty()) {
    std::uint16_t number = 0;
    const auto [last, error] = std::from_chars(port.data() + 1, port.data() + port.size(), number);
    if (port.front() != ':' || error != std::errc() || last != port.data() + port.size() || number == 0) return false;
  }
  word = word.substr(0, end);
  const std::string literal(word.substr(0, word.find('%')));
  std::array<unsigned char, 16> ip{};
  return ares_inet_pton(AF_INET6, literal.c_str(), ip.data()) == 1 ||
         ares_inet_pton(AF_INET, literal.c_str(), ip.data()) == 1;
}

bool is_ndots(std::string_view number) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
  return error == std::errc() && end == number.data() + number.size() && value <= kNdotsMost;
}

/// What is wrong with the line; empty: nothing.
std::string fault_of(std::string_view line) {
  const std::string_view keyword = take_word(line);
  if (keyword.empty() || keyword.front() == '#' || keyword.front() == ';') return {};
  if (keyword == "nameserver") {
    const std::string_view server = take_word(line);
    if (is_server(server)) return {};
    return "found name server " + shown(server) + ", expected an address like 192.0.2.53 or 2001:db8::53";
  }
  if (keyword == "search" || keyword == "domain")
    return take_word(line).empty() ? "found " + std::string(keyword) + " alone, expected a domain behind it" : "";
  if (keyword == "options") {
    for (std::string_view option = take_word(line); !option.empty(); option = take_word(line)) {
      if (option.starts_with("ndots:") && !is_ndots(option.substr(6)))
        return "found option " + shown(option) + ", expected ndots:0 to ndots:" + std::to_string(kNdotsMost);
    }
    return {};  // others are not for this resolver
  }
  if (std::ranges::contains(kOfNoUse, keyword)) return {};
  return "found " + shown(keyword) + ", expected nameserver, search, domain or options (resolv.conf(5))";
}

}  // namespace

std::vector<std::string> faults_of_resolv_conf(std::string_view text, const std::string& file) {
  std::vector<std::string> faults;
  for (std::size_t number = 1; !text.empty() && faults.size() < kResolvConfFaultsMost; ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    if (const std::string fault = fault_of(text.substr(0, end)); !fault.empty())
      faults.push_back(std::format("{}:{}: {}: it counts for nothing", file, number, fault));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return faults;
}

}  // namespace trellis::dns
