// sim_network.h: a simulated internet: hosts, links between their interfaces, and the routes that follow from them.
//
//   VirtualWorld world(seed);
//   SimNetwork network(world);
//   SimHost& client = network.add_host("client");
//   SimHost& server = network.add_host("server");
//   SimLink& link = network.link(client.add_interface("eth0", {"10.0.0.1", "2001:db8::1"}),
//                                server.add_interface("eth0", {"10.0.0.2", "2001:db8::2"}), {.delay = 25ms});
//   … client.loop() and server.loop() are Executors: give them to whatever shall run …
//   world.after(3s, [&] { link.block({.protocol = IPPROTO_UDP}); });
//   EXPECT_TRUE(world.run_until([&] { return done; }, 10s));
//
// Packets take the way over the fewest links that are up. Hosts whose options say `forwards` are routers. A socket that
// is bound to an address or an interface sends by that interface, as with source routing on a multi-homed host.
#pragma once
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "loop/fault_plan.h"
#include "loop/sim_address.h"
#include "loop/sim_host.h"
#include "loop/sim_link.h"

namespace trellis {

/// Who wants to know that an interface, an address or a link came, went, or changed its state.
class TopologyListener {
 public:
  virtual void topology_changed() noexcept = 0;  ///< called inside the change

 protected:
  ~TopologyListener() = default;
};

/// All hosts and links of a world. Must be destroyed before the world, and after everything that uses its loops.
class SimNetwork {
 public:
  explicit SimNetwork(VirtualWorld& world);
  ~SimNetwork();
  SimNetwork(const SimNetwork&) = delete;
  SimNetwork& operator=(const SimNetwork&) = delete;

  SimHost& add_host(std::string name, const HostOptions& options = {});
  /// Connects two interfaces that have no link yet, with the same conditions in both directions.
  SimLink& link(SimInterface& first, SimInterface& second, const LinkConditions& conditions = {});
  /// A link that is down is used by no route. What is on its way still arrives.
  void set_up(SimLink& link, bool up) noexcept;
  FaultPlan& faults() noexcept { return faults_; }   ///< which socket calls fail
  VirtualWorld& world() noexcept { return world_; }  ///< whose time it lives in

  /// For hosts: the interface of `from` by which packets to an address of another host leave; null: no route.
  SimInterface* route(SimHost& from, const Address& to, const SimInterface* bound);
  void topology_changed() noexcept;                     ///< for hosts: forgets all routes and tells the listeners
  SimHost* host_of(const Executor& executor) noexcept;  ///< whose loop it is; null: of no host here
  void add(TopologyListener& listener) { listeners_.push_back(&listener); }
  void remove(TopologyListener& listener) noexcept { std::erase(listeners_, &listener); }

 private:
  using Key = std::tuple<const SimHost*, const SimInterface*, Address>;
  struct Less {
    bool operator()(const Key& a, const Key& b) const noexcept;
  };
  SimInterface* search(SimHost& from, const Address& to, const SimInterface* bound) const;

  VirtualWorld& world_;
  FaultPlan faults_;
  std::deque<std::unique_ptr<SimHost>> hosts_;
  std::deque<std::unique_ptr<SimLink>> links_;
  std::map<Key, SimInterface*, Less> routes_;  // found before, for the present topology
  std::vector<TopologyListener*> listeners_;
};

}  // namespace trellis
