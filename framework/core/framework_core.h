// framework_core.h: what all loops share: plugins, policies and their stacks; and each loop's Turn.
#pragma once
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "core/compose.h"
#include "core/connection_core.h"
#include "core/policy.h"
#include "core/race_engine.h"
#include "core/registry.h"
#include "core/turn.h"
#include "trellis/preconnection.h"
#include "trellis/resolver.h"

namespace trellis {

using StackList = std::vector<std::shared_ptr<const ComposedStack>>;

/// A loaded policy with its stacks, best first.
struct Profile {
  Policy policy;
  StackList stacks;
  struct {
    const RacingPolicy* policy = nullptr;
    OptionValues options;
  } racing[3];                                                   // by Branch
  Result<void> equivalence(std::size_t a, std::size_t b) const;  // whether two of the stacks may race; if not, why
};

/// What one Preconnection comes to: everything that establishing or listening needs, copied.
struct Plan {
  std::shared_ptr<const Profile> profile;  // what `racing` refers to; stays when the policy is loaded anew
  Preconnection::Wishes wishes;
  StackList stacks;                // usable and equivalent, best first; at least one
  std::vector<std::string> unfit;  // the others, "udp: lacks what is required: reliability"
  Face face = Face::none;          // of all of them
  Duration connect_timeout{};
  std::size_t candidates = 16;
  std::size_t attempts_at_once = 4;
  BranchRacing racing[3];                           // by Branch
  std::shared_ptr<Preconnection::RaceOver> report;  // null: nobody wants the story
  ConnectionLimits limits;
  std::string resolver = "system";
  OptionValues resolver_options;
  RaceLimits race_limits() const;
};

struct FrameworkCore {
  FrameworkCore(FrameworkOptions options, std::vector<PluginRules> rules);

  Result<void> load(std::vector<Policy> policies);
  /// What the wishes come to under their profile. Errors name what no stack offers.
  Result<Plan> plan(const Preconnection::Wishes& wishes);
  Result<Resolver*> resolver(Plan& plan);                     // fills plan.resolver_options
  const KnownHost* known_host(const Endpoint& remote) const;  // null: the resolver has to be asked
  Turn& turn(Executor& executor);
  /// The loop goes before the framework does: destroys its Turn with all that is still in it. No handle may be left.
  void forget(Executor& executor);

  FrameworkOptions options;
  Registry registry;
  std::vector<std::shared_ptr<const Profile>> profiles() const;

 private:
  Result<std::shared_ptr<const Profile>> profile(std::string_view name) const;
  Result<void> choose_racing(Profile& profile);
  Result<std::shared_ptr<const ComposedStack>> stack(const std::string& text, Face face);

  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<const Profile>> profiles_;
  std::vector<std::pair<Executor*, std::unique_ptr<Turn>>> turns_;
  std::map<std::pair<std::string, Face>, std::shared_ptr<const ComposedStack>> stacks_;  // composed from text
};

/// The shipped default policy: beside the program in the build tree, or where `cmake --install` puts it.
Result<std::string> default_policy_file();

}  // namespace trellis
