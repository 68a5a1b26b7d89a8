// framework_core.h: what all loops share: plugins, policies and their stacks; and each loop's Turn.
#pragma once
#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "core/connection_core.h"
#include "core/history.h"
#include "core/passed_over.h"
#include "core/profile.h"
#include "core/race_engine.h"
#include "core/registry.h"
#include "core/sibling_acceptors.h"
#include "core/state_keeper.h"
#include "core/state_memory.h"
#include "core/turn.h"
#include "core/watchdog.h"
#include "trellis/preconnection.h"
#include "trellis/resolver.h"

namespace trellis {

class PathTable;

/// A resolver of the policy with its settings.
struct ResolverUse {
  Resolver* resolver;
  OptionValues options;
};

/// What one Preconnection comes to: everything that establishing or listening needs, copied.
struct Plan {
  std::shared_ptr<const Profile> profile;  // what `racing` refers to; stays when the policy is loaded anew
  std::uint64_t generation = 0;            // FrameworkCore::generation() before it was made
  Preconnection::Wishes wishes;
  SharedEndpoint target;                // wishes.remote, for candidates; of several, what stands for all of them
  std::vector<SharedEndpoint> targets;  // all of them, where there are several; else empty
  std::string peer;                     // wishes.remote, as what is remembered names it: state_endpoint()
  StackList stacks;                     // usable and equivalent, best first; at least one
  std::shared_ptr<Plan> in_clear;       // when all of them have failed (SecurityMode::opportunistic); null: nothing
  std::vector<std::string> unfit;       // the others, "udp: lacks what is required: reliability"
  Face face = Face::none;               // of all of them
  Duration connect_timeout{};
  std::size_t candidates = 16;
  std::size_t attempts_at_once = 8;
  BranchRacing racing[3];                           // by Branch
  Watchdog* watchdog = nullptr;                     // over them
  std::shared_ptr<Preconnection::RaceOver> report;  // null: nobody wants the story
  ConnectionLimits limits;
  std::shared_ptr<const StateRules> state;  // what is remembered
  RaceLimits race_limits() const;
  /// Another remote endpoint than that of the wishes. An address that is given as text is read here, once.
  void aim_at(Endpoint remote);
  void aim_at_all();  // those of the wishes

  /// The remote endpoint of the wishes that has come to this one.
  const Endpoint& asked_for(const Endpoint& found) const noexcept;
  std::span<const PrefixPolicy> prefix_policies() const noexcept;  // how addresses are ordered (RFC 6724)
};

struct FrameworkCore {
  FrameworkCore(FrameworkOptions options, std::vector<PluginRules> rules);
  ~FrameworkCore();

  /// Replaces the policies, or leaves them as they are.
  Result<void> load(std::vector<Policy> policies);
  Result<void> reload();  ///< as Framework::reload()
  /// Grows with each load: whoever holds a plan sees that there is another one.
  std::uint64_t generation() const noexcept { return generation_.load(std::memory_order_acquire); }
  /// What the wishes come to under their profile. Errors name what no stack offers.
  Result<Plan> plan(const Preconnection::Wishes& wishes);
  /// Those of the policy, in the order in which they are asked; at least one.
  Result<std::vector<ResolverUse>> open_resolvers(const Plan& plan);
  /// On the loop's thread; null: routing decides. Errors: paths cannot be found, or the application wants to choose
  /// among those of a policy that finds none.
  Result<std::shared_ptr<PathTable>> paths(Executor& executor, const Plan& plan);
  const KnownHost* known_host(const Endpoint& remote) const;  // null: the resolver has to be asked
  Turn& turn(Executor& executor);
  /// The number of another candidate tree: 1, 2, 3, … (RACE-15).
  std::uint32_t next_root() noexcept { return roots_.fetch_add(1, std::memory_order_relaxed) + 1; }
  /// Of a simulation: a world begins anew.
  void restart_roots() noexcept { roots_.store(0, std::memory_order_relaxed); }
  /// To the log: wrong input that a plugin has passed over. Any thread.
  void tell_passed_over(std::string_view who, std::string_view what, TimePoint now) {
    passed_over_.tell(options.log, who, what, now);
  }
  /// The loop goes before the framework does: destroys its Turn with all that is still in it. No handle may be left.
  void forget(Executor& executor);

  FrameworkOptions options;
  std::unique_ptr<Watchdog> watchdog;  // null: nobody watches
  Registry registry;
  StateMemory state;  // what layers remember between Connections
  History history;    // how attempts went
  SiblingAcceptors siblings;
  ProfileList profiles() const;

 private:
  Result<std::shared_ptr<const Profile>> profile(const Preconnection::Wishes& wishes) const;
  Result<std::shared_ptr<const ComposedStack>> stack(const std::string& text, Face face);
  Result<std::shared_ptr<StateKeeper>> store(const std::optional<PluginUse>& use);
  std::shared_ptr<StateKeeper> default_store();

  PassedOver passed_over_;
  std::mutex reload_mutex_;  // taken before mutex_
  std::atomic<std::uint64_t> generation_ = 0;
  std::atomic<std::uint32_t> roots_ = 0;
  mutable std::mutex mutex_;
  ProfileList profiles_;
  std::map<std::string, std::shared_ptr<StateKeeper>> stores_;  // by plugin and settings; belongs to reload_mutex_
  /// The paths of a policy on a loop. Destroyed on the thread of the loop, or when no loop runs any more.
  struct LoopPaths {
    Executor* executor;
    std::shared_ptr<const Profile> profile;
    std::shared_ptr<PathTable> table;
  };
  std::vector<LoopPaths> paths_;
  std::vector<std::pair<Executor*, std::unique_ptr<Turn>>> turns_;
  std::map<std::pair<std::string, Face>, std::shared_ptr<const ComposedStack>> stacks_;  // composed from text
};

/// The shipped default policy: beside the program in the build tree, or where `cmake --install` puts it.
Result<std::string> default_policy_file();

}  // namespace trellis
