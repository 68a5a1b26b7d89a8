// interface_table.h: what the kernel has said about links, addresses and routes, and the paths that this comes to.
#pragma once
#include <map>
#include <memory>
#include <set>
#include <tuple>
#include <vector>

#include "rtnetlink.h"

namespace trellis {

/// Facts in, paths out. A path is an address of an interface that is up and has a carrier. Deprecated addresses count
/// only where an interface has no other of their family (RFC 4862 section 5.5.4).
class InterfaceTable {
 public:
  // What is kept at most; more is not looked at, except default routes.
  static constexpr std::size_t kLinksMost = 4096, kAddressesMost = 16384, kRoutesMost = 4096;

  void learn(const LinkFact& fact);
  void learn(const AddressFact& fact);
  void learn(const RouteFact& fact);

  /// Without ids. In the order of the interfaces; of one interface temporary addresses first (RFC 8981 section 3.1).
  std::vector<Path> paths() const;

 private:
  using Routes = std::shared_ptr<const std::vector<PathRoute>>;
  using AddressKey = std::pair<Address::Family, std::array<std::uint8_t, 16>>;
  struct Interface {
    LinkFact link;  // of index 0: not heard of yet
    std::map<AddressKey, AddressFact> addresses;
    std::vector<PathRoute> routes;
  };
  Routes routes_of(const Interface& interface, Address::Family family) const;
  void add_paths(const Interface& interface, Address::Family family, std::vector<Path>& out) const;

  std::map<unsigned, Interface> interfaces_;
  std::size_t addresses_ = 0, routes_ = 0;
};

/// Whether two paths of one id say the same.
bool same_facts(const Path& a, const Path& b) noexcept;

}  // namespace trellis
