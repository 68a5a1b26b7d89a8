// interface_table.h: what the kernel has said about links, addresses and routes, and the paths that this comes to.
#pragma once
#include <map>
#include <memory>
#include <set>
#include <tuple>
#include <vector>

#include "link_offers.h"
#include "rtnetlink.h"
#include "system_dns.h"

namespace trellis {

/// Facts in, paths out. A path is an address of an interface that is up and has a carrier. Deprecated ones come last
/// of their family: what began from them goes on, and nothing new does where there is another (RFC 4862 section 5.5.4).
class InterfaceTable {
 public:
  // What is kept at most; more is not looked at, except default routes.
  static constexpr std::size_t kLinksMost = 4096, kAddressesMost = 16384, kRoutesMost = 4096;

  /// Lifetimes of addresses and of what routers offer count from `now`.
  void learn(const LinkFact& fact);
  void learn(const AddressFact& fact, TimePoint now);
  void learn(const RouteFact& fact);
  void learn(const RouterFact& fact, TimePoint now);
  void forget_offers(TimePoint now);           ///< of routers, that are over
  TimePoint first_offer_end() const noexcept;  ///< max(): none ends
  /// From a listing that begins anew: what routers have offered is in no listing.
  void take_offers(InterfaceTable& other);

  /// Without ids. In the order of the interfaces; of one interface temporary addresses first (RFC 8981 section 3.1).
  std::vector<Path> paths() const;
  /// As paths(), with the name servers that the host knows for each interface.
  std::vector<Path> paths(const SystemDnsPlaces& places, Faults& faults) const;
  std::string name_of(unsigned index) const;  ///< "eth0", or "interface 7" where it is not known

 private:
  using Routes = std::shared_ptr<const std::vector<PathRoute>>;
  using AddressKey = std::pair<Address::Family, std::array<std::uint8_t, 16>>;
  struct KnownAddress {
    AddressFact fact;
    TimePoint preferred_until, valid_until;
  };
  struct Interface {
    LinkFact link;  // of index 0: not heard of yet
    std::map<AddressKey, KnownAddress> addresses;
    std::vector<PathRoute> routes;
  };
  Routes routes_of(const Interface& interface, Address::Family family) const;
  using Offered = std::shared_ptr<const Provisioning>;
  Offered offered(unsigned index, const SystemDnsPlaces& places, Faults& faults) const;
  void add_paths(const Interface& interface, Address::Family family, const Offered& offered,
                 std::vector<Path>& out) const;

  std::map<unsigned, Interface> interfaces_;
  std::map<unsigned, LinkOffers> offers_;
  std::size_t addresses_ = 0, routes_ = 0;
};

/// Whether two paths of one id say the same; a second more or less of a lifetime is nothing new.
bool same_facts(const Path& a, const Path& b) noexcept;

}  // namespace trellis
