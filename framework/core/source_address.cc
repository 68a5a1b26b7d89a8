#include "core/source_address.h"

#include <algorithm>
#include <array>
#include <bit>

namespace trellis {
namespace {

constexpr unsigned kLinkLocal = 2, kSiteLocal = 5, kGlobal = 14;
constexpr std::uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

struct TableEntry {
  std::array<std::uint8_t, 16> prefix;
  unsigned bits;
  AddressClass is;
};
// RFC 6724 section 2.1, the longest prefix first.
constexpr TableEntry kTable[] = {
    {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 128, {50, 0}},  // ::1
    {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96, {35, 4}},         // IPv4
    {{}, 96, {1, 3}},                                                  // IPv4-compatible
    {{0x20, 0x01, 0, 0}, 32, {5, 5}},                                  // Teredo
    {{0x20, 0x02}, 16, {30, 2}},                                       // 6to4
    {{0x3f, 0xfe}, 16, {1, 12}},                                       // 6bone
    {{0xfe, 0xc0}, 10, {1, 11}},                                       // site-local
    {{0xfc}, 7, {3, 13}},                                              // unique local
    {{}, 0, {40, 1}},                                                  // everything else
};

std::array<std::uint8_t, 16> as_ipv6(const Address& address) noexcept {
  if (address.family != Address::Family::ipv4) return address.ip;
  std::array<std::uint8_t, 16> ip{};
  std::ranges::copy(kMapped, ip.begin());
  std::copy_n(address.ip.begin(), 4, ip.begin() + 12);
  return ip;
}

unsigned equal_bits(std::span<const std::uint8_t> a, std::span<const std::uint8_t> b, unsigned most) noexcept {
  unsigned bits = 0;
  for (std::size_t i = 0; i < a.size() && bits < most; ++i, bits += 8) {
    const auto differ = static_cast<std::uint8_t>(a[i] ^ b[i]);
    if (differ != 0) return std::min(most, bits + static_cast<unsigned>(std::countl_zero(differ)));
  }
  return std::min(most, bits);
}

/// RFC 6724 section 5: whether `a` is the better source. Rules 4 (home addresses) and 5.5 (next hops) have nothing to
/// go by here; rule 5 holds for all of them, since they are of one interface.
bool better_source(const Path& a, const Path& b, const Address& destination) noexcept {
  const Address &x = a.local, &y = b.local;
  if (const bool same = x.ip == destination.ip; same != (y.ip == destination.ip)) return same;  // rule 1
  if (const unsigned sx = scope_of(x), sy = scope_of(y), d = scope_of(destination); sx != sy)   // rule 2
    return sx < sy ? sx >= d : sy < d;
  if (a.deprecated != b.deprecated) return b.deprecated;  // rule 3
  const std::uint8_t label = class_of(destination).label;
  if (const bool fits = class_of(x).label == label; fits != (class_of(y).label == label)) return fits;  // rule 6
  if (a.temporary != b.temporary) return a.temporary;                                                   // rule 7
  constexpr unsigned kPrefix = 64;  // as long as the prefixes of usual links
  const unsigned most = destination.family == Address::Family::ipv6 ? kPrefix : 32;
  return common_prefix(x, destination, most) > common_prefix(y, destination, most);  // rule 8
}

}  // namespace

unsigned scope_of(const Address& address) noexcept {
  const auto& ip = address.ip;
  if (address.family == Address::Family::ipv4)
    return ip[0] == 127 || (ip[0] == 169 && ip[1] == 254) ? kLinkLocal : kGlobal;
  if (ip[0] == 0xff) return ip[1] & 0x0f;
  if (is_loopback_address(address)) return kLinkLocal;
  if (ip[0] != 0xfe) return kGlobal;
  return (ip[1] & 0xc0) == 0x80 ? kLinkLocal : (ip[1] & 0xc0) == 0xc0 ? kSiteLocal : kGlobal;
}

AddressClass class_of(const Address& address) noexcept {
  const auto ip = as_ipv6(address);
  for (const TableEntry& entry : kTable) {
    if (equal_bits(ip, entry.prefix, entry.bits) == entry.bits) return entry.is;
  }
  return {};
}

bool is_loopback_address(const Address& address) noexcept {
  if (address.family == Address::Family::ipv4) return address.ip[0] == 127;
  return address.family == Address::Family::ipv6 && address.ip == kTable[0].prefix;
}

unsigned common_prefix(const Address& a, const Address& b, unsigned most) noexcept {
  return equal_bits(a.ip, b.ip, most);
}

const PathRoute* route_to(const Path& path, const Address& destination) noexcept {
  static const PathRoute everywhere;
  if (path.local && path.local.family != destination.family) return nullptr;
  // A link-local address means something on its own link only.
  if (destination.scope != 0 && path.local.scope != 0 && destination.scope != path.local.scope) return nullptr;
  if (!path.routes) return &everywhere;
  const PathRoute* best = nullptr;
  for (const PathRoute& route : *path.routes) {
    if (route.destination.family != destination.family ||
        common_prefix(route.destination, destination, route.prefix_length) < route.prefix_length)
      continue;
    if (best == nullptr || route.prefix_length > best->prefix_length ||
        (route.prefix_length == best->prefix_length && route.metric < best->metric))
      best = &route;
  }
  return best;
}

const PathRoute* default_route(const Path& path) noexcept {
  static const PathRoute everywhere;
  if (!path.routes) return &everywhere;
  const PathRoute* best = nullptr;
  for (const PathRoute& route : *path.routes) {
    if (route.prefix_length == 0 && (best == nullptr || route.metric < best->metric)) best = &route;
  }
  return best;
}

const Path* source_for(std::span<const Path> paths, const Address& destination) noexcept {
  const Path* best = nullptr;
  for (const Path& path : paths) {
    if (route_to(path, destination) == nullptr) continue;
    if (best == nullptr || better_source(path, *best, destination)) best = &path;
  }
  return best;
}

}  // namespace trellis
