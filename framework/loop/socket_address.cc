// socket_address.cc: see socket_address.h.
#include "loop/socket_address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

namespace trellis {

socklen_t to_kernel(const Address& address, SocketAddress& out) noexcept {
  switch (address.family) {
    case Address::Family::ipv4:
      out.ipv4 = {};
      out.ipv4.sin_family = AF_INET;
      out.ipv4.sin_port = htons(address.port);
      std::memcpy(&out.ipv4.sin_addr, address.ip.data(), sizeof out.ipv4.sin_addr);
      return sizeof out.ipv4;
    case Address::Family::ipv6:
      out.ipv6 = {};
      out.ipv6.sin6_family = AF_INET6;
      out.ipv6.sin6_port = htons(address.port);
      out.ipv6.sin6_scope_id = address.scope;
      std::memcpy(&out.ipv6.sin6_addr, address.ip.data(), sizeof out.ipv6.sin6_addr);
      return sizeof out.ipv6;
    case Address::Family::none: break;
  }
  return 0;
}

Address from_kernel(const SocketAddress& in) noexcept {
  Address address;
  if (in.any.sa_family == AF_INET) {
    address.family = Address::Family::ipv4;
    address.port = ntohs(in.ipv4.sin_port);
    std::memcpy(address.ip.data(), &in.ipv4.sin_addr, sizeof in.ipv4.sin_addr);
  } else if (in.any.sa_family == AF_INET6) {
    address.family = Address::Family::ipv6;
    address.port = ntohs(in.ipv6.sin6_port);
    address.scope = in.ipv6.sin6_scope_id;
    std::memcpy(address.ip.data(), &in.ipv6.sin6_addr, sizeof in.ipv6.sin6_addr);
  }
  return address;
}

int kernel_family(Address::Family family) noexcept {
  switch (family) {
    case Address::Family::ipv4: return AF_INET;
    case Address::Family::ipv6: return AF_INET6;
    case Address::Family::none: break;
  }
  return AF_UNSPEC;
}

bool is_wildcard(const Address& address) noexcept {
  return address && std::ranges::all_of(address.ip, [](std::uint8_t byte) { return byte == 0; });
}

bool is_link_local(const Address& address) noexcept {
  return address.family == Address::Family::ipv6 && address.ip[0] == 0xfe && (address.ip[1] & 0xc0) == 0x80;
}

std::string describe(const Address& address) {
  if (!address) return "no address";
  char text[INET6_ADDRSTRLEN] = "";
  inet_ntop(kernel_family(address.family), address.ip.data(), text, sizeof text);
  const std::string port = ":" + std::to_string(address.port);
  if (address.family == Address::Family::ipv4) return text + port;
  const std::string scope = address.scope == 0 ? "" : "%" + std::to_string(address.scope);
  return "[" + (text + scope) + "]" + port;
}

}  // namespace trellis
