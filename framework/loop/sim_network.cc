// sim_network.cc: see sim_network.h.
#include "loop/sim_network.h"

#include <algorithm>
#include <cassert>
#include <optional>
#include <set>

namespace trellis {

namespace {

/// The next interface over a link, if a packet can cross it now.
SimInterface* across(const SimInterface& from) noexcept {
  if (!from.up() || from.link() == nullptr || !from.link()->up() || !from.peer()->up()) return nullptr;
  return from.peer();
}

}  // namespace

SimNetwork::SimNetwork(VirtualWorld& world) : world_(world), faults_(world) {}

SimNetwork::~SimNetwork() = default;

SimHost& SimNetwork::add_host(std::string name, const HostOptions& options) {
  assert(std::ranges::none_of(hosts_, [&](const auto& host) { return host->name() == name; }) &&
         "hosts of one name would draw the same random numbers");
  return *hosts_.emplace_back(std::make_unique<SimHost>(*this, std::move(name), options));
}

SimLink& SimNetwork::link(SimInterface& first, SimInterface& second, const LinkConditions& conditions) {
  assert(first.link_ == nullptr && second.link_ == nullptr && "an interface has one link");
  const auto end = [](const SimInterface& interface) { return interface.host().name() + "." + interface.name(); };
  SimLink& link =
      *links_.emplace_back(std::make_unique<SimLink>(world_, end(first), end(second), first, second, conditions));
  first.link_ = second.link_ = &link;
  first.out_ = &link.forth();
  second.out_ = &link.back();
  first.peer_ = &second;
  second.peer_ = &first;
  topology_changed();
  return link;
}

void SimNetwork::set_up(SimLink& link, bool up) noexcept {
  link.up_ = up;
  topology_changed();
}

void SimNetwork::topology_changed() noexcept {
  routes_.clear();
  for (TopologyListener* listener : listeners_) listener->topology_changed();
}

SimHost* SimNetwork::host_of(const Executor& executor) noexcept {
  for (const auto& host : hosts_) {
    for (unsigned i = 0; i < host->loops(); ++i) {
      if (&host->loop(i) == &executor) return host.get();
    }
  }
  return nullptr;
}

bool SimNetwork::Less::operator()(const Key& a, const Key& b) const noexcept {
  constexpr AddressLess kLess;
  if (std::get<0>(a) != std::get<0>(b)) return std::get<0>(a) < std::get<0>(b);
  if (std::get<1>(a) != std::get<1>(b)) return std::get<1>(a) < std::get<1>(b);
  return kLess(std::get<2>(a), std::get<2>(b));
}

SimInterface* SimNetwork::route(SimHost& from, const Address& to, const SimInterface* bound) {
  const auto [entry, fresh] = routes_.try_emplace({&from, bound, with_port(to, 0)}, nullptr);
  if (fresh) entry->second = search(from, to, bound);
  return entry->second;
}

// Breadth first: the fewest links win, then the way that comes in where the address is, then the interface that was
// added first.
SimInterface* SimNetwork::search(SimHost& from, const Address& to, const SimInterface* bound) const {
  struct Step {
    SimInterface* reached;
    SimInterface* first;
    int links;
  };
  std::deque<Step> steps;
  std::optional<Step> found;
  std::set<const SimHost*> visited = {&from};
  for (const auto& interface : from.interfaces()) {
    SimInterface* next = across(*interface);
    const bool wanted = bound == nullptr || bound == interface.get();
    if (next != nullptr && wanted && interface->carries(to.family)) steps.push_back({next, interface.get(), 1});
  }
  while (!steps.empty()) {
    const Step step = steps.front();
    steps.pop_front();
    if (found && step.links > found->links) break;
    const SimHost& host = step.reached->host();
    if (step.reached->has(to)) return step.first;
    if (host.owns(to) && !found) found = step;
    if (is_link_local(to) || !host.forwards_from(*step.reached) || !visited.insert(&host).second) continue;
    for (const auto& interface : host.interfaces()) {
      SimInterface* next = across(*interface);
      if (next != nullptr && interface.get() != step.reached) steps.push_back({next, step.first, step.links + 1});
    }
  }
  return found ? found->first : nullptr;
}

}  // namespace trellis
