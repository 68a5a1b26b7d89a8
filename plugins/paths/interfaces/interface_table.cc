#include "interface_table.h"

#include <algorithm>

namespace trellis {
namespace {

constexpr Duration kNothingNew = std::chrono::seconds(2);

TimePoint end_of(std::uint32_t seconds, TimePoint now) {
  return seconds == UINT32_MAX ? TimePoint::max() : now + std::chrono::seconds(seconds);
}

}  // namespace

void InterfaceTable::learn(const LinkFact& fact) {
  const auto known = interfaces_.find(fact.index);
  if (fact.gone) {
    if (known == interfaces_.end()) return;
    addresses_ -= known->second.addresses.size();
    routes_ -= known->second.routes.size();
    offers_.erase(fact.index);
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

void InterfaceTable::learn(const AddressFact& fact, TimePoint now) {
  const auto interface = interfaces_.find(fact.index);
  if (interface == interfaces_.end()) return;
  auto& addresses = interface->second.addresses;
  const AddressKey key{fact.address.family, fact.address.ip};
  if (fact.gone) {
    addresses_ -= addresses.erase(key);
  } else if (addresses.contains(key) || addresses_ < kAddressesMost) {
    const KnownAddress known{fact, end_of(fact.preferred_seconds, now), end_of(fact.valid_seconds, now)};
    addresses_ += addresses.insert_or_assign(key, known).second ? 1 : 0;
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
      for (const auto& [key, known] : other.addresses) {
        if (key.first != family) continue;
        const bool whole = index == interface.link.index;  // all of 127.0.0.0/8
        const auto all = static_cast<std::uint8_t>(family == Address::Family::ipv4 ? 32 : 128);
        routes->push_back({known.fact.address, whole ? known.fact.prefix_length : all, 0});
      }
    }
  }
  return routes;
}

void InterfaceTable::learn(const RouterFact& fact, TimePoint now) {
  if (!interfaces_.contains(fact.index)) return;
  for (const RouterOption& option : fact.told.options) offers_[fact.index].learn(option, now);
}

void InterfaceTable::forget_offers(TimePoint now) {
  for (auto& [index, offers] : offers_) offers.forget(now);
  std::erase_if(offers_, [](const auto& entry) { return entry.second.empty(); });
}

TimePoint InterfaceTable::first_offer_end() const noexcept {
  TimePoint first = TimePoint::max();
  for (const auto& [index, offers] : offers_) first = std::min(first, offers.first_end());
  return first;
}

void InterfaceTable::take_offers(InterfaceTable& other) { offers_ = std::move(other.offers_); }

InterfaceTable::Offered InterfaceTable::offered(unsigned index, const SystemDnsPlaces& places, Faults& faults) const {
  Provisioning found;
  add_system_dns(places, index, found, faults);
  if (const auto offers = offers_.find(index); offers != offers_.end()) offers->second.add_to(found);
  return found == Provisioning{} ? nullptr : std::make_shared<const Provisioning>(std::move(found));
}

void InterfaceTable::add_paths(const Interface& interface, Address::Family family, const Offered& offered,
                               std::vector<Path>& out) const {
  std::vector<const KnownAddress*> usable;
  for (const auto& [key, known] : interface.addresses) {
    if (key.first == family && known.fact.usable) usable.push_back(&known);
  }
  if (usable.empty()) return;
  std::ranges::stable_sort(
      usable, {}, [](const KnownAddress* known) { return std::pair(known->fact.deprecated, !known->fact.temporary); });
  const Routes routes = routes_of(interface, family);
  for (const KnownAddress* known : usable) {
    Path& path = out.emplace_back();
    path.interface_name = interface.link.name;
    path.local = known->fact.address;
    path.type = interface.link.type;
    path.mtu = interface.link.mtu;
    path.temporary = known->fact.temporary;
    path.deprecated = known->fact.deprecated;
    path.preferred_until = known->preferred_until;
    path.valid_until = known->valid_until;
    path.routes = routes;
    path.provisioning = offered;
  }
}

std::string InterfaceTable::name_of(unsigned index) const {
  const auto known = interfaces_.find(index);
  return known != interfaces_.end() ? known->second.link.name : "interface " + std::to_string(index);
}

std::vector<Path> InterfaceTable::paths() const {
  Faults none;
  return paths({.resolved = {}, .networkd = {}}, none);
}

std::vector<Path> InterfaceTable::paths(const SystemDnsPlaces& places, Faults& faults) const {
  std::vector<Path> paths;
  paths.reserve(addresses_);
  for (const auto& [index, interface] : interfaces_) {
    if (!interface.link.running) continue;
    const Offered of_link = offered(index, places, faults);
    add_paths(interface, Address::Family::ipv6, of_link, paths);
    add_paths(interface, Address::Family::ipv4, of_link, paths);
  }
  return paths;
}

bool same_facts(const Path& a, const Path& b) noexcept {
  const auto near = [](TimePoint x, TimePoint y) {
    return x == y || (std::max(x, y) != TimePoint::max() && std::max(x, y) - std::min(x, y) < kNothingNew);
  };
  return a.interface_name == b.interface_name && a.mtu == b.mtu && a.type == b.type && a.temporary == b.temporary &&
         a.deprecated == b.deprecated && near(a.preferred_until, b.preferred_until) &&
         near(a.valid_until, b.valid_until) && (a.routes == b.routes || *a.routes == *b.routes) &&
         a.provisioned() == b.provisioned();
}

}  // namespace trellis
