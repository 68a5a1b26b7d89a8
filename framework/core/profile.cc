#include "core/profile.h"

#include <algorithm>
#include <format>

#include "core/nearest.h"
#include "core/stack_traits.h"
#include "core/text.h"
#include "trellis/address_text.h"

namespace trellis {
namespace {

Result<void> compose_stacks(Registry& registry, Profile& profile) {
  for (const StackSpec& spec : profile.policy.stacks) {
    auto composed = compose(registry, spec, profile.policy.requirements.face);
    if (!composed) return fail(std::move(composed));
    if (auto fits = satisfies((*composed)->traits, profile.policy.requirements); !fits) {
      return fail(Reason::configuration, spec.where + ": stack '" + spec.name +
                                             "' does not do what the policy requires: " + fits.error().detail);
    }
    profile.stacks.push_back(std::move(*composed));
  }
  return {};
}

static_assert(kPolicyEntriesMax <= 64, "one bit for each <same-security>");

// All pairs, because being declared equal is not transitive.
Result<void> check_equivalence(const Profile& profile) {
  for (std::size_t i = 1; i < profile.stacks.size(); ++i) {
    for (std::size_t k = 0; k < i; ++k) {
      if (auto same = profile.equivalence(k, i); !same) {
        return fail(Reason::configuration, profile.policy.stacks[i].where + ": stack '" + profile.stacks[i]->name +
                                               "' cannot stand in for '" + profile.stacks[k]->name +
                                               "': " + same.error().detail);
      }
    }
  }
  return {};
}

template <class Plugin>
Result<OptionValues> check_use(const PluginUse& use, std::string_view what, Result<Plugin>& found) {
  if (!found) {
    if (!use.where.empty()) found.error().detail.insert(0, use.where + ": ");
    return fail(std::move(found));
  }
  return OptionValues::check(std::format("{} {}", what, use.name), (*found)->options(), use.options);
}

Result<void> choose_racing(Registry& registry, Profile& profile) {
  for (std::size_t i = 0; i < std::size(profile.racing); ++i) {
    const bool proxies = std::ranges::any_of(profile.stacks, [](const auto& stack) { return stack->proxied; });
    // A slow proxy that is preferred shall not be passed by (RACE-63).
    const char* const usual = proxies && i == static_cast<std::size_t>(Branch::protocol) ? "failover" : "staggered";
    const PluginUse use = profile.policy.racing[i].value_or(PluginUse{usual, {}, {}});
    auto policy = registry.racing(use.name);
    auto options = check_use(use, "racing policy", policy);
    if (!options) return fail(std::move(options));
    profile.racing[i].policy = *policy;
    profile.racing[i].options = std::move(*options);
  }
  return {};
}

// The one that is used where the policy names none is opened when the first name is to be resolved.
Result<void> check_resolvers(Registry& registry, const Policy& policy) {
  for (const PluginUse& use : policy.resolvers) {
    auto resolver = registry.resolver(use.name);
    if (auto options = check_use(use, "resolver", resolver); !options) return fail(std::move(options));
  }
  return {};
}

StateRules state_rules(const Policy& policy, std::string_view application) {
  StateRules rules;
  rules.partition = policy.name + "#" + policy.fingerprint;
  if (policy.state.partition == PolicyState::Partition::application) rules.partition += "@" + std::string(application);
  for (std::size_t i = 0; i < kStateKinds; ++i) rules.keep[i] = policy.state.keep[i].value_or(rules.keep[i]);
  return rules;
}

Result<void> choose_paths(Registry& registry, Profile& profile) {
  for (const PluginUse& use : profile.policy.path_providers) {
    auto provider = registry.paths(use.name);
    auto options = check_use(use, "path provider", provider);
    if (!options) return fail(std::move(options));
    if (auto checked = (*provider)->check(*options); !checked)
      return fail(Reason::configuration, use.where + ": path provider " + use.name + ": " + checked.error().detail);
    profile.paths.push_back({*provider, std::move(*options)});
  }
  return {};
}

Result<std::shared_ptr<const Profile>> make_profile(const ProfileMaking& making, Policy policy) {
  auto profile = std::make_shared<Profile>();
  profile->policy = std::move(policy);
  profile->state = state_rules(profile->policy, making.application);
  if (auto composed = compose_stacks(making.registry, *profile); !composed) return fail(std::move(composed));
  if (auto declared = read_same_security(*profile); !declared) return fail(std::move(declared));
  if (auto same = check_equivalence(*profile); !same) return fail(std::move(same));
  if (auto chosen = choose_racing(making.registry, *profile); !chosen) return fail(std::move(chosen));
  if (auto chosen = choose_paths(making.registry, *profile); !chosen) return fail(std::move(chosen));
  if (auto known = check_resolvers(making.registry, profile->policy); !known) return fail(std::move(known));
  auto store = making.store(profile->policy.state.store);
  if (!store) return fail(std::move(store));
  profile->state.store = std::move(*store);
  return std::shared_ptr<const Profile>(std::move(profile));
}

std::string text_of(const Endpoint& endpoint) {
  if (endpoint.host.empty()) return to_text(endpoint.address);
  return printable(endpoint.host) + ":" + std::to_string(endpoint.port);
}

}  // namespace

Result<void> read_same_security(Profile& profile) {
  const Policy& policy = profile.policy;
  profile.declared_equal.resize(policy.stacks.size());
  std::uint64_t bit = 1;
  for (const SameSecurity& same : policy.same_security) {
    for (const std::string& name : same.stacks) {
      const auto stack = std::ranges::find(policy.stacks, name, &StackSpec::name);
      if (stack != policy.stacks.end()) {
        profile.declared_equal[static_cast<std::size_t>(stack - policy.stacks.begin())] |= bit;
        continue;
      }
      std::vector<std::string_view> known;
      known.reserve(policy.stacks.size());
      for (const StackSpec& one : policy.stacks) known.push_back(one.name);
      return fail(Reason::configuration,
                  same.where + ": found stack '" + name + "' in <same-security>, " + expected_one_of(name, known));
    }
    bit <<= 1;
  }
  return {};
}

Result<void> Profile::equivalence(std::size_t a, std::size_t b) const {
  const bool declared = (declared_equal[a] & declared_equal[b]) != 0;
  return equivalent(stacks[a]->traits, stacks[b]->traits, policy.requirements, declared);
}

Result<ProfileList> make_profiles(const ProfileMaking& making, std::vector<Policy> policies) {
  ProfileList profiles;
  for (Policy& policy : policies) {
    for (const auto& other : profiles) {
      if (other->policy.name != policy.name) continue;
      return fail(Reason::configuration,
                  std::format("{}: found the name {}, which the policy at {} has, expected another", policy.where,
                              in_quotes(policy.name), other->policy.where));
    }
    auto profile = make_profile(making, std::move(policy));
    if (!profile) return fail(std::move(profile));
    profiles.push_back(std::move(*profile));
  }
  return profiles;
}

Result<std::shared_ptr<const Profile>> profile_named(const ProfileList& profiles, std::string_view name) {
  std::vector<std::string_view> loaded;
  for (const auto& profile : profiles) {
    if (profile->policy.name == name) return profile;
    loaded.emplace_back(profile->policy.name);
  }
  return fail(Reason::invalid_argument,
              "found profile \"" + std::string(name) + "\", which is not loaded, " + expected_one_of(name, loaded));
}

Result<std::shared_ptr<const Profile>> profile_for(const ProfileList& profiles, const Subject& subject) {
  const std::shared_ptr<const Profile>* otherwise = nullptr;
  for (const auto& profile : profiles) {
    const AppliesTo& rules = profile->policy.applies_to;
    if (rules.empty()) {
      if (otherwise == nullptr) otherwise = &profile;
    } else if (rules.fits(subject)) {
      return profile;
    }
  }
  if (otherwise != nullptr) return *otherwise;
  return fail(Reason::configuration,
              std::format("found no policy for {}: every loaded one has rules that do not fit; expected one without "
                          "<applies-to>, or that the application names one",
                          text_of(*subject.endpoint)));
}

}  // namespace trellis
