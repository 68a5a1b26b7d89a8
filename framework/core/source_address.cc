#include "core/source_address.h"

namespace trellis {
namespace {

bool leads_to(const PathRoute& route, const Address& destination) noexcept {
  return route.destination.family == destination.family &&
         common_prefix(route.destination, destination) >= route.prefix_length;
}

// The bits of an address of ours that are its network's: its route says so, other than that of the address itself.
std::uint8_t prefix_of(const Path& path) noexcept {
  const std::uint8_t host = path.local.family == Address::Family::ipv4 ? 32 : 128;
  std::uint8_t longest = 0;
  for (const PathRoute& route : path.routes ? std::span(*path.routes) : std::span<const PathRoute>()) {
    if (route.prefix_length < host && route.prefix_length > longest && leads_to(route, path.local))
      longest = route.prefix_length;
  }
  if (longest > 0) return longest;
  return host == 32 ? host : 64;  // as long as the prefixes of usual links
}

// Rules 4 (home addresses) and 5.5 (next hops) have nothing to go by here; rule 5 holds for all of them, since they are
// of one interface.
SourceAddress source_of(const Path& path) noexcept {
  return {.address = path.local,
          .prefix_length = prefix_of(path),
          .deprecated = path.deprecated,
          .temporary = path.temporary};
}

}  // namespace

const PathRoute* route_to(const Path& path, const Address& destination) noexcept {
  static const PathRoute kEverywhere, kOnLink{.metric = UINT32_MAX};
  if (path.local && path.local.family != destination.family) return nullptr;
  // A link-local address means something on its own link only.
  if (destination.scope != 0 && path.local.scope != 0 && destination.scope != path.local.scope) return nullptr;
  if (!path.routes) return &kEverywhere;
  const PathRoute* best = nullptr;
  for (const PathRoute& route : *path.routes) {
    if (!leads_to(route, destination)) continue;
    if (best == nullptr || route.prefix_length > best->prefix_length ||
        (route.prefix_length == best->prefix_length && route.metric < best->metric))
      best = &route;
  }
  if (best == nullptr && is_multicast(destination)) return &kOnLink;  // it is on every link, with a route or without
  return best;
}

const PathRoute* default_route(const Path& path) noexcept {
  static const PathRoute kEverywhere;
  if (!path.routes) return &kEverywhere;
  const PathRoute* best = nullptr;
  for (const PathRoute& route : *path.routes) {
    if (route.prefix_length == 0 && (best == nullptr || route.metric < best->metric)) best = &route;
  }
  return best;
}

const Path* source_for(std::span<const Path> paths, const Address& destination,
                       const AddressSelection& rules) noexcept {
  const Path* best = nullptr;
  for (const Path& path : paths) {
    if (route_to(path, destination) == nullptr) continue;
    if (best == nullptr || rules.better_source(destination, source_of(path), source_of(*best))) best = &path;
  }
  return best;
}

}  // namespace trellis
