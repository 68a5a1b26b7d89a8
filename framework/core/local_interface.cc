#include "core/local_interface.h"

#include <ifaddrs.h>
#include <netinet/in.h>

#include <cstring>
#include <memory>

namespace trellis {
namespace {

bool same(const sockaddr& found, const Address& wanted) {
  if (found.sa_family == AF_INET && wanted.family == Address::Family::ipv4) {
    return std::memcmp(&reinterpret_cast<const sockaddr_in&>(found).sin_addr, wanted.ip.data(), 4) == 0;
  }
  if (found.sa_family == AF_INET6 && wanted.family == Address::Family::ipv6) {
    return std::memcmp(&reinterpret_cast<const sockaddr_in6&>(found).sin6_addr, wanted.ip.data(), 16) == 0;
  }
  return false;
}

}  // namespace

std::string interface_of(const Address& address) {
  if (address.family == Address::Family::ipv4 && address.ip[0] == 127)
    return "lo";  // all of 127/8, one address is listed
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return {};
  const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> owner(list, &freeifaddrs);
  for (const ifaddrs* one = list; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr != nullptr && same(*one->ifa_addr, address)) return one->ifa_name;
  }
  return {};
}

}  // namespace trellis
