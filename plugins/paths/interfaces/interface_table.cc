#include "interface_table.h"

#include <algorithm>

namespace trellis {

void InterfaceTable::learn(const LinkFact& fact) {
  const auto known = interfaces_.find(fact.index);
  if (fact.gone) {
    if (known == interfaces_.end()) return;
    addresses_ -= known->second.addresses.size();
    routes_ -= known->second.routes.size();
    interfaces_.erase(known);
    return;
  }
  if (known == interfaces_.end() && interfaces_.size() >= kLinksMost) return;
  Interface& interface = interfaces_[fact.index];
  interface.link = fact;
  if (fact.enabled) return;
  routes_ -= interface.routes.size();  // the kernel drops them all and says so for IPv6 only
  interface.routes.clear();
}

void InterfaceTable::learn(const AddressFact& fact) {
  const auto interface = interfaces_.find(fact.index);
  if (interface == interfaces_.end()) return;
  auto& addresses = interface->second.addresses;
  const AddressKey key{fact.address.family, fact.address.ip};
  if (fact.gone) {
    addresses_ -= addresses.erase(key);
  } else if (addresses.contains(key) || addresses_ < kAddressesMost) {
    addresses_ += addresses.insert_or_assign(key, fact).second ? 1 : 0;
  }
}

void InterfaceTable::learn(const RouteFact& fact) {
  const auto interface = interfaces_.find(fact.index);
  if (interface == interfaces_.end()) return;
  auto& routes = interface->second.routes;
  const auto known = std::ranges::find(routes, fact.route);
  if (fact.gone) {
    if (known == routes.end()) return;
    routes.erase(known);
    --routes_;
  } else if (known == routes.end() && (routes_ < kRoutesMost || fact.route.prefix_length == 0)) {
    routes.push_back(fact.route);
    ++routes_;
  }
}

InterfaceTable::Routes InterfaceTable::routes_of(const Interface& interface, Address::Family family) const {
  auto routes = std::make_shared<std::vector<PathRoute>>();
  for (const PathRoute& route : interface.routes) {
    if (route.destination.family == family) routes->push_back(route);
  }
  if (interface.link.type == InterfaceType::loopback) {
    // This host's own addresses: nothing for them leaves it.
    for (const auto& [index, other] : interfaces_) {
      for (const auto& [key, fact] : other.addresses) {
        if (key.first != family) continue;
        const bool whole = index == interface.link.index;  // all of 127.0.0.0/8
        const auto all = static_cast<std::uint8_t>(family == Address::Family::ipv4 ? 32 : 128);
        routes->push_back({fact.address, whole ? fact.prefix_length : all, 0});
      }
    }
  }
  return routes;
}

void InterfaceTable::add_paths(const Interface& interface, Address::Family family, std::vector<Path>& out) const {
  std::vector<const AddressFact*> usable;
  bool fresh = false;
  for (const auto& [key, fact] : interface.addresses) {
    if (key.first != family || !fact.usable) continue;
    usable.push_back(&fact);
    fresh = fresh || !fact.deprecated;
  }
  if (fresh) std::erase_if(usable, [](const AddressFact* fact) { return fact->deprecated; });
  if (usable.empty()) return;
  std::ranges::stable_sort(usable, std::greater(), &AddressFact::temporary);
  const Routes routes = routes_of(interface, family);
  for (const AddressFact* fact : usable) {
    Path& path = out.emplace_back();
    path.interface_name = interface.link.name;
    path.local = fact->address;
    path.type = interface.link.type;
    path.mtu = interface.link.mtu;
    path.temporary = fact->temporary;
    path.routes = routes;
  }
}

std::vector<Path> InterfaceTable::paths() const {
  std::vector<Path> paths;
  paths.reserve(addresses_);
  for (const auto& [index, interface] : interfaces_) {
    if (!interface.link.running) continue;
    add_paths(interface, Address::Family::ipv6, paths);
    add_paths(interface, Address::Family::ipv4, paths);
  }
  return paths;
}

bool same_facts(const Path& a, const Path& b) noexcept {
  return a.interface_name == b.interface_name && a.mtu == b.mtu && a.type == b.type && a.temporary == b.temporary &&
         (a.routes == b.routes || *a.routes == *b.routes);
}

}  // namespace trellis
