// profile.h: a policy whose plugins, settings and stacks were found, checked and fitted together.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "core/compose.h"
#include "core/policy.h"
#include "core/registry.h"
#include "core/state_memory.h"
#include "trellis/racing.h"

namespace trellis {

using StackList = std::vector<std::shared_ptr<const ComposedStack>>;

/// A loaded policy with its stacks, best first. Immutable.
struct Profile {
  Policy policy;
  StackList stacks;
  std::vector<std::uint64_t> declared_equal;  // by stack: one bit for each <same-security> that names it
  struct {
    const RacingPolicy* policy = nullptr;
    OptionValues options;
  } racing[3];  // by Branch
  StateRules state;
  struct PathsFrom {
    PathProvider* provider;
    OptionValues options;
  };
  std::vector<PathsFrom> paths;                                  // empty: routing decides
  Result<void> equivalence(std::size_t a, std::size_t b) const;  // whether two of the stacks may race; if not, why
};

using ProfileList = std::vector<std::shared_ptr<const Profile>>;

/// What profiles are made with.
struct ProfileMaking {
  Registry& registry;
  std::string_view application;
  /// The store of a policy that names one, or the default one; null: there is none.
  std::function<Result<std::shared_ptr<StateKeeper>>(const std::optional<PluginUse>&)> store;
};

/// Opens what the policies name and checks everything that can be known before a Connection is made. Errors begin with
/// file:line.
Result<ProfileList> make_profiles(const ProfileMaking& making, std::vector<Policy> policies);

/// Fills in `declared_equal`. Errors: a name that no stack of the policy has.
Result<void> read_same_security(Profile& profile);

/// The policy of that name. Errors: the names that there are.
Result<std::shared_ptr<const Profile>> profile_named(const ProfileList& profiles, std::string_view name);

/// The policy for a Connection whose application names none: the first with rules that fit, else the first without
/// rules. Errors: there is none.
Result<std::shared_ptr<const Profile>> profile_for(const ProfileList& profiles, const Subject& subject);

}  // namespace trellis
