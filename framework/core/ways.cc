#include "core/ways.h"

#include <algorithm>
#include <tuple>

#include "core/applies_to.h"
#include "core/source_address.h"

namespace trellis {
namespace {

// RFC 6761 section 6.3.
bool is_localhost(std::string_view host) {
  if (host.ends_with('.')) host.remove_suffix(1);
  return matches("localhost", host) || matches("*.localhost", host);
}

bool is_wildcard(const Address& address) { return address.ip == decltype(address.ip){}; }
bool same_ip(const Address& a, const Address& b) { return a.family == b.family && a.ip == b.ip; }

// Whether names could be reached over IPv6.
bool leads_to_ipv6(const Path& path) {
  return path.local.family == Address::Family::ipv6 && route_to(path, kFarIpv6) != nullptr;
}

class Finding {
 public:
  Finding(const PathTable& table, const Preconnection::Wishes& wishes, const Endpoint& remote, const Targets& targets,
          const PathPlace& place)
      : table_(table), wishes_(wishes), remote_(remote), targets_(targets), place_(place) {}

  void take(const Path& path) {
    if (std::string why = unwanted(wishes_, path); !why.empty()) return leave_out(path, std::move(why));
    const auto known = std::ranges::find_if(found_.ways, [&](const Way& way) { return way.is(path); });
    if (known != found_.ways.end()) return known->paths.push_back(path);
    found_.ways.push_back({.paths = {path}, .name = way_name(path), .ours = path.type == InterfaceType::loopback});
  }
  void leave_out(const Path& path, std::string why) {
    if (found_.left_out.size() < kLeftOutMost &&
        !std::ranges::contains(found_.left_out, std::pair(way_name(path), why)))
      found_.left_out.emplace_back(way_name(path), std::move(why));
  }
  WaysFound result() {
    if (remote_.address)
      keep_those_that_lead();
    else
      choose_for_name();
    std::vector<std::pair<Key, Way>> order;  // history is asked once for each
    for (Way& way : found_.ways) {
      Key where = key(way);
      order.emplace_back(where, std::move(way));
    }
    std::ranges::stable_sort(order, {}, &std::pair<Key, Way>::first);
    found_.ways.clear();
    for (auto& [where, way] : order) found_.ways.push_back(std::move(way));
    return std::move(found_);
  }

 private:
  static constexpr std::size_t kLeftOutMost = 32;

  // A group is on all links: the loopback is meant where the application leaves nothing else.
  bool loopback_to(const Address& address) const {
    if (is_multicast(address)) return std::ranges::all_of(found_.ways, &Way::ours);
    return std::ranges::any_of(found_.ways, [&](const Way& way) { return way.ours && source_for(way.paths, address); });
  }
  // An interface with IPv4 addresses of its own is not one of a network that translates.
  bool may_translate(const Way& way) const {
    if (is_multicast(remote_.address)) return false;
    const auto is_ipv4 = [](const Path& path) { return path.local.family == Address::Family::ipv4; };
    return remote_.address.family == Address::Family::ipv4 && std::ranges::none_of(way.paths, is_ipv4) &&
           std::ranges::any_of(way.paths, leads_to_ipv6);
  }
  void keep_those_that_lead() {
    const bool ours = loopback_to(remote_.address);
    const auto leads_to = [&](const Way& way, const Endpoint& target) {
      return !target.address || source_for(way.paths, target.address) != nullptr || loopback_to(target.address);
    };
    const auto leads = [&](const Way& way) {
      return std::ranges::any_of(targets_(way.paths.front()), [&](const Endpoint& t) { return leads_to(way, t); });
    };
    Ways kept;
    for (Way& way : found_.ways) {
      way.translates = !ours && !way.ours && !leads(way) && may_translate(way);
      if (way.translates || (way.ours == ours && leads(way))) {
        kept.push_back(std::move(way));
        continue;
      }
      const bool passed_over = way.ours != ours;
      way.raced = false;
      if (way.ours) {
        kept.push_back(way);
        continue;
      }
      found_.only_prohibited = false;
      leave_out(way.paths.front(), passed_over ? "the address is this host's own" : "it does not lead to the address");
    }
    found_.ways = std::move(kept);
  }
  // The loopback is of use for names of this host, which mostly nobody knows before they are resolved.
  void choose_for_name() {
    const bool others = std::ranges::any_of(found_.ways, [](const Way& way) { return !way.ours; });
    const bool loopback = std::ranges::any_of(found_.ways, &Way::ours) && (!others || is_localhost(remote_.host));
    for (Way& way : found_.ways) way.raced = way.ours == loopback;
  }
  // Those that need no translation; what the application and the policy like; what suits the capacity profile; then, to
  // an address, the host's routes, the more specific first; then the order of the table.
  using Key = std::tuple<bool, Liking, Liking, std::uint64_t, bool, int, std::uint32_t>;
  Key key(const Way& way) const {
    Liking mine = 0, policy = 0;
    for (const Path& path : way.paths) {
      mine = std::max(mine, liking(wishes_.paths, path));
      policy = std::max(policy, table_.liked(path));
    }
    const Path& first = way.paths.front();
    const Path* const source = remote_.address ? source_for(way.paths, remote_.address) : nullptr;
    const std::uint64_t place = place_ ? place_(first) : 0;
    if (source == nullptr) return {way.translates, ~mine, ~policy, place, first.metered, 0, 0};
    const PathRoute& route = *route_to(*source, remote_.address);
    return {false, ~mine, ~policy, place, first.metered, -int{route.prefix_length}, route.metric};
  }

  const PathTable& table_;
  const Preconnection::Wishes& wishes_;
  const Endpoint& remote_;
  const Targets& targets_;
  const PathPlace& place_;
  WaysFound found_;
};

}  // namespace

std::string unwanted(const Preconnection::Wishes& wishes, const Path& path) {
  if (!wishes.interface_name.empty() && wishes.interface_name != path.interface_name)
    return "the application is bound to " + wishes.interface_name;
  const Address& local = wishes.local.address;
  if (local && !is_wildcard(local) && !is_multicast(local) && !same_ip(local, path.local))
    return "the application is bound to another address";
  if (wishes.family != Address::Family::none && wishes.family != path.local.family)
    return "another address family than was asked for";
  if (is_removed(wishes, path.local)) return "the application has removed its address";
  return refusal(wishes.paths, path, "the application");
}

bool is_removed(const Preconnection::Wishes& wishes, const Address& local) noexcept {
  return std::ranges::any_of(wishes.not_from, [&](const Address& address) { return same_ip(address, local); });
}

std::string way_name(const Path& path) {
  if (path.provisioning_domain.empty() || path.provisioning_domain == path.interface_name) return path.interface_name;
  return path.interface_name + " (" + path.provisioning_domain + ")";
}

Families families_of(const Way& way) noexcept {
  const auto leads_beyond = [](const Path& path) {
    if (!path.routes) return true;
    return std::ranges::any_of(*path.routes, [&](const PathRoute& route) {
      return route.destination.family == path.local.family &&
             (route.prefix_length == 0 || address_scope(route.destination) > kLinkLocalScope);
    });
  };
  const auto reaches = [&](Address::Family family) {
    return std::ranges::any_of(way.paths, [&](const Path& path) {
      return !path.local ||
             (path.local.family == family && address_scope(path.local) > kLinkLocalScope && leads_beyond(path));
    });
  };
  const auto leads_everywhere = [&](Address::Family family) {
    return std::ranges::any_of(way.paths, [&](const Path& path) {
      return (!path.local || path.local.family == family) && (!path.routes || default_route(path) != nullptr);
    });
  };
  const Families found{
      .ipv6 = reaches(Address::Family::ipv6),
      .ipv4 = reaches(Address::Family::ipv4),
      .ipv4_preferred = leads_everywhere(Address::Family::ipv4) && !leads_everywhere(Address::Family::ipv6)};
  return found.ipv6 || found.ipv4 ? found : Families{};
}

WaysFound find_ways(const PathTable& table, const Preconnection::Wishes& wishes, const Endpoint& remote,
                    const Targets& targets, const PathPlace& place) {
  Finding finding(table, wishes, remote, targets, place);
  for (const Path& path : table.paths()) finding.take(path);
  for (const auto& [path, why] : table.refused()) finding.leave_out(path, why);
  return finding.result();
}

void add_any_way(Ways& ways, const Preconnection::Wishes& wishes) {
  Way& way = ways.emplace_back();
  Path& any = way.paths.emplace_back();
  any.id = 1;
  if (!wishes.interface_name.empty()) way.name = any.interface_name = wishes.interface_name;
  any.local = wishes.local.address;
}

}  // namespace trellis
