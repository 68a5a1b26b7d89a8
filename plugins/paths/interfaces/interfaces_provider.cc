#include "interfaces_provider.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <array>
#include <format>
#include <fstream>
#include <map>
#include <string>
#include <system_error>

#include "interface_table.h"

namespace trellis {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kReadAtOnce = 256 * 1024;  // bytes, before others get their turn
constexpr Duration kListAgainAfter = 20ms;       // changes that never end must not keep the loop busy
constexpr std::array<std::uint16_t, 3> kListings = {RTM_GETLINK, RTM_GETADDR, RTM_GETROUTE};
constexpr std::array<int, 6> kGroups = {RTNLGRP_LINK,       RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
                                        RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE,  RTNLGRP_ND_USEROPT};
constexpr Duration kLookAgainAfter = 3s;  // at the system's files: nobody tells of a change

constexpr OptionSpec kOptions[] = {
    {.name = "system-dns",
     .fallback = true,
     .meaning = "each interface has the name servers that systemd-resolved or systemd-networkd keeps for it"},
    {.name = "resolved-links",
     .fallback = std::string_view("/run/systemd/resolve/netif"),
     .meaning = "where systemd-resolved keeps them"},
    {.name = "networkd-links",
     .fallback = std::string_view("/run/systemd/netif/links"),
     .meaning = "where systemd-networkd keeps them"},
};

/// Wireless links look like Ethernet to rtnetlink; sysfs tells. It is slow: a host has few devices, but may have
/// thousands of links that are none.
InterfaceType finer_type(const LinkFact& fact) {
  if (fact.made_here) return fact.type;
  if (fact.type != InterfaceType::wired && fact.type != InterfaceType::unknown) return fact.type;
  if (fact.name.find('/') != std::string::npos) return fact.type;
  std::ifstream uevent("/sys/class/net/" + fact.name + "/uevent");
  for (std::string line; std::getline(uevent, line);) {
    if (line == "DEVTYPE=wlan") return InterfaceType::wifi;
    if (line == "DEVTYPE=wwan") return InterfaceType::cellular;
  }
  return fact.type;
}

/// Joins the groups, then lists links, addresses and routes, one after the other; what changes meanwhile comes in
/// between, in the kernel's order. When something was lost all is listed again, and compared with what was told.
class Watching final : public PathProvider::Watch, SocketEvents, RtnetlinkSink, Alarm, Job {
 public:
  Watching(Executor& executor, SystemDnsPlaces places, PathObserver& observer)
      : executor_(executor), places_(std::move(places)), observer_(observer) {}

  Result<void> begin() {
    auto opened = executor_.sockets().open(
        {.kind = SocketSpec::Kind::netlink, .role = SocketSpec::Role::unconnected, .protocol = NETLINK_ROUTE});
    if (!opened) return fail(std::move(opened));
    socket_ = std::move(*opened);
    for (const int group : kGroups) {
      auto joined = socket_->set(kSolNetlink, NETLINK_ADD_MEMBERSHIP, std::as_bytes(std::span(&group, 1)));
      if (!joined) return joined;
    }
    if (auto watched = socket_->watch(*this, Ready::readable); !watched) return watched;
    return list();
  }

 private:
  static constexpr int kSolNetlink = 270;

  Result<void> list() {
    InterfaceTable anew;
    anew.take_offers(table_);
    table_ = std::move(anew);
    listing_ = 0;
    return ask();
  }
  Result<void> ask() {
    const auto bytes = listing_request(kListings[listing_], ++sequence_);
    Slice slice = executor_.pool().allocate(0, static_cast<std::uint32_t>(bytes.size()), 0);
    std::ranges::copy(bytes, slice.edit().begin());
    Batch batch;
    batch.add({.data = std::move(slice)});
    auto sent = socket_->send(batch);
    if (!sent) return fail(std::move(sent));
    if (sent->blocked) arm(executor_, executor_.now() + kListAgainAfter);
    return {};
  }
  void list_again() {
    listing_ = kListings.size() + 1;  // nothing that comes now completes a listing
    arm(executor_, executor_.now() + kListAgainAfter);
  }

  // Alarm
  void on_alarm() noexcept override {
    if (!list()) list_again();
  }

  // SocketEvents
  void on_ready(Socket&, Ready) noexcept override {
    Batch batch;
    const auto received = socket_->receive(batch, kReadAtOnce);
    while (!batch.empty()) {
      if (!read_rtnetlink(batch.pop().data.bytes(), *this)) list_again();
    }
    if (!received) list_again();
    if (complete() && !queued()) executor_.queue(*this);
  }

  // RtnetlinkSink
  void link(const LinkFact& fact) noexcept override {
    LinkFact known = fact;
    if (!fact.gone) known.type = finer_type(fact);
    table_.learn(known);
  }
  void address(const AddressFact& fact) noexcept override { table_.learn(fact, executor_.now()); }
  void router(const RouterFact& fact) noexcept override {
    table_.learn(fact, executor_.now());
    for (const std::string& fault : fact.told.faults) {
      observer_.passed_over(
          std::format("router advertisement on {}: {}: it counts for nothing, see to the router's settings",
                      table_.name_of(fact.index), fault));
    }
  }
  void route(const RouteFact& fact) noexcept override { table_.learn(fact); }
  void listed(std::uint32_t sequence, int error, bool torn) noexcept override {
    if (sequence != sequence_ || listing_ >= kListings.size()) return;
    if (error != 0) refused(error);
    if (error != 0 || torn) return list_again();
    if (++listing_ < kListings.size() && !ask()) list_again();
  }

  void malformed(std::string_view what) noexcept override {
    observer_.passed_over("rtnetlink(7), " + std::string(what) + ": everything is listed again");
  }
  void refused(int error) noexcept {
    observer_.passed_over("rtnetlink(7): found a refusal to list links, addresses or routes (" +
                          std::generic_category().message(error) +
                          "), expected the list: it is asked for again, and no path is known until then");
  }

  bool complete() const noexcept { return listing_ == kListings.size(); }

  // Job: what came in one turn is told together.
  void run() noexcept override {
    if (!complete()) return;
    std::map<std::uint32_t, Path> now;
    std::vector<std::uint32_t> order;
    table_.forget_offers(executor_.now());
    version_ = system_dns_version(places_);
    Faults faults;
    std::vector<Path> paths = table_.paths(places_that_are_there(places_), faults);
    for (const std::string& fault : faults) observer_.passed_over(fault);
    for (Path& path : paths) {
      path.id = id_of(path);
      order.push_back(path.id);
      now.emplace(path.id, std::move(path));
    }
    const std::map<std::uint32_t, Path> before = std::exchange(told_, std::move(now));
    for (const auto& [id, path] : before) {
      if (!told_.contains(id)) {
        std::erase_if(ids_, [&](const auto& entry) { return entry.second == id; });
        observer_.path_removed(id);
      }
    }
    for (const std::uint32_t id : order) {
      const auto known = before.find(id);
      if (known == before.end())
        observer_.path_added(told_.at(id));
      else if (!same_facts(known->second, told_.at(id)))
        observer_.path_changed(told_.at(id));
    }
    if (!std::exchange(settled_, true)) observer_.settled();
    look_again_.arm(executor_, executor_.now() + kLookAgainAfter);
  }
  /// What routers offer ends, and the system's files change, without a message of the kernel.
  void look_again() {
    const bool over = table_.first_offer_end() <= executor_.now();
    if ((over || system_dns_version(places_) != version_) && complete() && !queued()) executor_.queue(*this);
    look_again_.arm(executor_, executor_.now() + kLookAgainAfter);
  }
  struct LookAgain final : Alarm {
    explicit LookAgain(Watching& of) : watching(of) {}
    void on_alarm() noexcept override { watching.look_again(); }
    Watching& watching;
  };
  std::uint32_t id_of(const Path& path) {
    const auto [entry, added] = ids_.try_emplace({path.interface_name, path.local.family, path.local.ip}, next_id_);
    if (added) ++next_id_;
    return entry->second;
  }

  Executor& executor_;
  SystemDnsPlaces places_;
  std::int64_t version_ = 0;  // of what is in them
  PathObserver& observer_;
  LookAgain look_again_{*this};
  std::unique_ptr<Socket> socket_;
  InterfaceTable table_;
  std::size_t listing_ = 0;  // which of kListings is asked for; their number: all are known
  std::uint32_t sequence_ = 0, next_id_ = 1;
  std::map<std::tuple<std::string, Address::Family, std::array<std::uint8_t, 16>>, std::uint32_t> ids_;
  std::map<std::uint32_t, Path> told_;
  bool settled_ = false;
};

}  // namespace

Result<std::unique_ptr<PathProvider::Watch>> watch_interfaces(Executor& executor, SystemDnsPlaces places,
                                                              PathObserver& observer) noexcept {
  auto watching = std::make_unique<Watching>(executor, std::move(places), observer);
  if (auto begun = watching->begin(); !begun) {
    begun.error().layer = "interfaces";
    return fail(std::move(begun));
  }
  return watching;
}

std::span<const OptionSpec> InterfacesProvider::options() const noexcept { return kOptions; }

Result<std::unique_ptr<PathProvider::Watch>> InterfacesProvider::watch(Executor& executor, const Options& options,
                                                                       PathObserver& observer) noexcept {
  SystemDnsPlaces places{.resolved = {}, .networkd = {}};
  if (options.flag("system-dns"))
    places = {std::string(options.text("resolved-links")), std::string(options.text("networkd-links"))};
  return watch_interfaces(executor, std::move(places), observer);
}

}  // namespace trellis
