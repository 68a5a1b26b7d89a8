// ways.h: the paths of a race: those of one interface in one provisioning domain are one way, with several addresses of
// ours.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/path_table.h"
#include "core/recycle.h"
#include "trellis/preconnection.h"

namespace trellis {

/// One way out of this host.
struct Way {
  std::vector<Path, Recycling<Path>> paths;  // one for each local address, the best first; never empty
  std::string ranked = {};                   // what the capacity profile says of it, for people; mostly empty
  std::string name;                          // for people: "eth0", "eth0 (corp.example)"; empty: routing decides
  bool ours = false;                         // the loopback: leads to this host's own addresses only
  bool raced = true;                         // false: only for addresses that turn out to be this host's own
  bool gone = false;                         // it was there
  bool translates = false;  // it leads to IPv6 only, and an IPv4 address was asked for: its resolvers may know NAT64
  bool is(const Path& path) const noexcept {
    return paths.front().interface_name == path.interface_name &&
           paths.front().provisioning_domain == path.provisioning_domain;
  }
};

using Ways = RecycledVector<Way>;
/// An IPv6 address that is as far away as any: that of a translator (RFC 6052).
inline constexpr Address kFarIpv6{.family = Address::Family::ipv6, .ip = {0x00, 0x64, 0xff, 0x9b}};

/// Of which families addresses can be reached.
struct Families {
  bool ipv6 = true, ipv4 = true;
  bool ipv4_preferred = false;  // there is a default route for IPv4 and none for IPv6 (RACE-144)
};
/// RACE-139: a family can be reached with an address of ours that is more than link-local, and a route that is; where
/// that holds for none, nothing is known.
Families families_of(const Way& way) noexcept;

/// What of the table may serve, best first, and of which it is said why not.
struct WaysFound {
  Ways ways;
  std::vector<std::pair<std::string, std::string>> left_out;  // which, and by which rule
  bool only_prohibited = true;  // what the policy or the application says has left them out, and not where they lead
};

/// Whom the host has to reach on a path, by one stack or another: the remote endpoint, or proxies.
using Targets = std::function<std::vector<Endpoint>(const Path&)>;

/// Where a capacity profile puts a path, lower first (PathRanking::place).
using PathPlace = std::function<std::uint64_t(const Path&)>;

/// Applies what the application asks for to the paths that the policy allows. `remote`: with an address, only ways that
/// lead there, or to another of the targets, are found; by the host's routes, the most specific one first. To an IPv4
/// address those that lead to IPv6 alone come last: the network may translate (RACE-136).
WaysFound find_ways(const PathTable& table, const Preconnection::Wishes& wishes, const Endpoint& remote,
                    const Targets& targets, const PathPlace& place = {});

/// Why the application does not want the path; empty: it does.
std::string unwanted(const Preconnection::Wishes& wishes, const Path& path);
/// The application has removed the address from the Connection.
bool is_removed(const Preconnection::Wishes& wishes, const Address& local) noexcept;
std::string way_name(const Path& path);  ///< Way::name

/// The way of a Connection where no policy says how paths are found: routing decides.
void add_any_way(Ways& ways, const Preconnection::Wishes& wishes);

}  // namespace trellis
