// simulated_world.h: the network of a world file, come true for one seed: a client with its paths, and behind a router
// a server that has the addresses of all hosts.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "loop/sim_network.h"
#include "loop/sim_resolver.h"
#include "simulation/world_file.h"
#include "simulation/world_name_server.h"

namespace trellis::simulation {

class SimulatedWorld {
 public:
  /// The file must outlive the world.
  SimulatedWorld(const WorldFile& file, std::uint64_t seed);
  SimulatedWorld(const SimulatedWorld&) = delete;
  SimulatedWorld& operator=(const SimulatedWorld&) = delete;

  VirtualWorld& time() noexcept { return time_; }
  SimNetwork& network() noexcept { return network_; }
  SimHost& client() noexcept { return client_; }
  SimHost& server() noexcept { return server_; }
  SimLink& link(std::size_t path) noexcept { return *ways_[path].link; }  ///< of the n-th path of the file
  /// The race begins: outages, changes and blocks that have a time count from now.
  void begin();
  /// What the name servers say on a path; a query without an interface goes the default route.
  SimAnswers answers(const Query& query);
  /// The name servers of a path; empty: the world has none.
  std::vector<Address> name_servers(std::string_view interface_name) const;

 private:
  /// A block that this run has.
  struct Filter {
    PacketFilter packets;
    bool on = false;
  };
  /// A link whose blocks come and go.
  struct Way {
    SimInterface* near = nullptr;
    SimLink* link = nullptr;
    std::vector<Filter> filters;
    void apply() {
      link->forth().conditions.filters.clear();
      for (const Filter& filter : filters) {
        if (filter.on) link->forth().conditions.filters.push_back(filter.packets);
      }
    }
  };
  void add_path(const WorldPath& path, std::size_t index);
  void add_name_servers(std::size_t path);
  std::optional<SimAnswers> told(std::size_t path, const std::string& host) const;
  void add_address(const WorldAddress& address, std::size_t index);
  void begin_blocks(Way& way, const std::vector<WorldBlock>& blocks, const SeededRandom& random);
  void begin_outages(const WorldPath& path, Way& way, const SeededRandom& random);
  void begin_changes(const WorldPath& path, Way& way, const SeededRandom& random);
  static void set_down(Way& way, bool down);
  SimRecords records(const WorldHost& host, Address::Family family, Duration lookup, const SeededRandom& random) const;
  SeededRandom random(std::string_view what, std::size_t index) const;

  const WorldFile& file_;
  VirtualWorld time_;
  SimNetwork network_;
  SimHost& client_;
  SimHost& router_;
  SimHost& server_;
  std::vector<Way> ways_;       // by path
  std::vector<Way> addresses_;  // in the order of the file
  std::vector<std::unique_ptr<WorldNameServer>> name_servers_;
};

}  // namespace trellis::simulation
