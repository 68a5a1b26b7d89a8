// sim_address.cc: see sim_address.h.
#include "loop/sim_address.h"

#include <arpa/inet.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <tuple>

namespace trellis {

Address ip(std::string_view literal, std::uint16_t port) noexcept {
  const std::string text(literal);
  Address address;
  address.port = port;
  if (inet_pton(AF_INET, text.c_str(), address.ip.data()) == 1) {
    address.family = Address::Family::ipv4;
  } else if (inet_pton(AF_INET6, text.c_str(), address.ip.data()) == 1) {
    address.family = Address::Family::ipv6;
  } else {
    std::fprintf(stderr, "\"%s\" is not an IP address; write it like \"10.0.0.1\" or \"2001:db8::1\"\n", text.c_str());
    std::abort();
  }
  return address;
}

bool same_ip(const Address& a, const Address& b) noexcept { return a.family == b.family && a.ip == b.ip; }

bool same_port(const Address& a, const Address& b) noexcept { return a.port == b.port && same_ip(a, b); }

bool is_loopback(const Address& address) noexcept {
  if (address.family == Address::Family::ipv4) return address.ip[0] == 127;
  static const Address kOne = ip("::1");
  return same_ip(address, kOne);
}

Address with_port(Address address, std::uint16_t port) noexcept {
  address.port = port;
  return address;
}

bool AddressLess::operator()(const Address& a, const Address& b) const noexcept {
  return std::tie(a.family, a.ip, a.port) < std::tie(b.family, b.ip, b.port);
}

}  // namespace trellis
