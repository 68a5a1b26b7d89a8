#include "trellis/address_text.h"

#include <arpa/inet.h>
#include <net/if.h>

#include <charconv>
#include <cstring>

namespace trellis {

std::string to_text(const Address& address) {
  char text[INET6_ADDRSTRLEN] = {};
  if (address.family == Address::Family::none) return "(no address)";
  const bool v6 = address.family == Address::Family::ipv6;
  inet_ntop(v6 ? AF_INET6 : AF_INET, address.ip.data(), text, sizeof text);
  const std::string port = ":" + std::to_string(address.port);
  if (!v6) return text + port;
  const std::string scope = address.scope != 0 ? "%" + std::to_string(address.scope) : std::string();
  return "[" + (text + scope) + "]" + port;
}

std::optional<Address> parse_address(std::string_view literal, std::uint16_t port) {
  const bool in_brackets = literal.size() >= 2 && literal.front() == '[' && literal.back() == ']';
  if (in_brackets) literal = literal.substr(1, literal.size() - 2);
  const std::size_t percent = literal.find('%');
  const std::string host(literal.substr(0, percent));
  Address address{.port = port};
  if (percent == std::string_view::npos && inet_pton(AF_INET, host.c_str(), address.ip.data()) == 1) {
    address.family = Address::Family::ipv4;
    return address;
  }
  if (inet_pton(AF_INET6, host.c_str(), address.ip.data()) != 1) return std::nullopt;
  address.family = Address::Family::ipv6;
  if (percent == std::string_view::npos) return address;
  const std::string zone(literal.substr(percent + 1));
  const auto [end, error] = std::from_chars(zone.data(), zone.data() + zone.size(), address.scope);
  if (error != std::errc{} || end != zone.data() + zone.size()) address.scope = if_nametoindex(zone.c_str());
  if (address.scope == 0) return std::nullopt;
  return address;
}

}  // namespace trellis
