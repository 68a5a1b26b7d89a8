// sim_paths.h: the paths of simulated hosts, for racing over interfaces and for migration in virtual time.
#pragma once
#include <map>
#include <tuple>

#include "loop/sim_network.h"
#include "trellis/path.h"

namespace trellis {

/// A PathProvider for all hosts of a network: whoever watches gets the paths of the host that its loop belongs to. A
/// path is an address of an interface that is up and has a link that is up. Changes are told in the next turn.
class SimPaths final : public PathProvider {
 public:
  explicit SimPaths(SimNetwork& network) noexcept : network_(network) {}
  std::string_view name() const noexcept override { return "simulated"; }
  Result<std::unique_ptr<Watch>> watch(Executor& executor, const Options& options,
                                       PathObserver& observer) noexcept override;

 private:
  class HostWatch;
  std::vector<Path> paths_of(const SimHost& host);

  SimNetwork& network_;
  std::map<std::tuple<std::string, unsigned, std::string>, std::uint32_t> ids_;  // host, interface, address
};

}  // namespace trellis
