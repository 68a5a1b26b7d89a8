// race_simulation.h: races of a policy in a world: the real engine, plugins and policies, in virtual time. The n-th run
// depends on the seed and on n only, so each of a million can be looked at again alone.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "loop/sim_resolver.h"
#include "simulation/world_file.h"
#include "trellis/framework.h"
#include "trellis/race_report.h"
#include "trellis/security.h"

namespace trellis::simulation {

class WorldPaths;

/// What to race.
struct RaceSetting {
  std::string policy;                           ///< a policy file; empty: the shipped default
  WorldFile world;                              ///< where
  std::vector<std::string> plugin_directories;  ///< as FrameworkOptions::plugin_directories
  /// Of the client and the server. Both null: what the policy's stacks need is made for the world (world_authority.h).
  std::shared_ptr<const Security> client = {};
  std::shared_ptr<const Security> server = {};
  /// Hears every packet, turn and call of the races; null: nobody does.
  std::function<void(const TraceEvent&)> observe = {};
};

/// How one race went.
struct RaceRun {
  std::optional<Error> failure;        ///< none: connected
  Duration time{};                     ///< to ready, or to failure
  std::uint32_t attempts = 0;          ///< that were started
  std::string stack, path;             ///< of the winner
  Address::Family family{};            ///< of the winner
  std::unique_ptr<RaceReport> report;  ///< the whole story
};

class RaceSimulation {
 public:
  /// Loads policy and plugins. Errors are one line, with file:line where they come from a file.
  static Result<std::unique_ptr<RaceSimulation>> open(RaceSetting setting);
  ~RaceSimulation();

  /// The n-th race of a seed. Errors: the server cannot listen with the stacks of the policy.
  Result<RaceRun> run(std::uint64_t seed, std::uint64_t n);
  const WorldFile& world() const noexcept { return setting_.world; }
  const std::string& policy_name() const noexcept { return policy_name_; }
  Framework& framework() noexcept { return *framework_; }

 private:
  explicit RaceSimulation(RaceSetting setting) : setting_(std::move(setting)) {}
  Result<void> load();

  RaceSetting setting_;
  std::string policy_name_;
  std::vector<std::string> served_;  // profiles with one stack each, for the server
  std::unique_ptr<Framework> framework_;
  SimResolver* names_ = nullptr;
  WorldPaths* paths_ = nullptr;
};

}  // namespace trellis::simulation
