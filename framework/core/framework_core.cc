#include "core/framework_core.h"

#include <algorithm>
#include <filesystem>

#include "core/nearest.h"
#include "core/plugin_path.h"

namespace trellis {
namespace {

Requirements merge(const Policy& policy, const Preconnection::Wishes& wishes) {
  Requirements r = policy.requirements;  // what the application says can only narrow the policy
  if (wishes.face != Face::none) r.face = wishes.face;
  r.require = r.require | wishes.require;
  r.prohibit = r.prohibit | wishes.prohibit;
  r.prefer = r.prefer | wishes.prefer;
  r.avoid = r.avoid | wishes.avoid;
  return r;
}

constexpr Feature kLastFeature = Feature::soft_errors;

int rank(const ComposedStack& stack, const Requirements& r) {
  int points = 0;
  for (unsigned i = 0; i <= static_cast<unsigned>(kLastFeature); ++i) {
    const auto feature = static_cast<Feature>(i);
    if (!stack.traits.have.has(feature)) continue;
    if (r.prefer.has(feature)) points += 100;  // Avoid only breaks ties (IMPL-16)
    if (r.avoid.has(feature)) points -= 1;
  }
  return points;
}

// Names are compared as DNS does (RFC 4343).
bool same_name(std::string_view a, std::string_view b) {
  if (a.ends_with('.')) a.remove_suffix(1);
  if (b.ends_with('.')) b.remove_suffix(1);
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

Result<void> check_names(const Policy& policy) {
  for (const SameSecurity& same : policy.same_security) {
    for (const std::string& name : same.stacks) {
      if (std::ranges::contains(policy.stacks, name, &StackSpec::name)) continue;
      std::vector<std::string_view> known;
      known.reserve(policy.stacks.size());
      for (const StackSpec& stack : policy.stacks) known.push_back(stack.name);
      return fail(Reason::configuration,
                  same.where + ": found stack '" + name + "' in <same-security>, " + expected_one_of(name, known));
    }
  }
  return {};
}

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

}  // namespace

RaceLimits Plan::race_limits() const {
  RaceLimits limits;
  limits.attempts_at_once = attempts_at_once;
  limits.tree.leaves = candidates;
  return limits;
}

Result<void> Profile::equivalence(std::size_t a, std::size_t b) const {
  const bool declared = std::ranges::any_of(policy.same_security, [&](const SameSecurity& same) {
    return std::ranges::contains(same.stacks, stacks[a]->name) && std::ranges::contains(same.stacks, stacks[b]->name);
  });
  return equivalent(stacks[a]->traits, stacks[b]->traits, policy.requirements, declared);
}

FrameworkCore::FrameworkCore(FrameworkOptions given, std::vector<PluginRules> rules)
    : options(std::move(given)), registry(plugin_directories(rules, options.plugin_directories), rules) {}

Result<void> FrameworkCore::load(std::vector<Policy> policies) {
  for (Policy& policy : policies) {
    auto made = std::make_shared<Profile>();
    Profile& profile = *made;
    profile.policy = std::move(policy);
    for (const StackSpec& spec : profile.policy.stacks) {
      auto composed = compose(registry, spec, profile.policy.requirements.face);
      if (!composed) return fail(std::move(composed));
      if (auto fits = satisfies((*composed)->traits, profile.policy.requirements); !fits) {
        return fail(Reason::configuration, spec.where + ": stack '" + spec.name +
                                               "' does not do what the policy requires: " + fits.error().detail);
      }
      profile.stacks.push_back(std::move(*composed));
    }
    if (auto named = check_names(profile.policy); !named) return named;
    if (auto same = check_equivalence(profile); !same) return same;
    if (auto chosen = choose_racing(profile); !chosen) return chosen;
    profiles_.push_back(std::move(made));
  }
  return {};
}

Result<void> FrameworkCore::choose_racing(Profile& profile) {
  for (std::size_t i = 0; i < std::size(profile.racing); ++i) {
    const PluginUse use = profile.policy.racing[i].value_or(PluginUse{"staggered", {}, {}});
    auto policy = registry.racing(use.name);
    if (!policy) {
      if (!use.where.empty()) policy.error().detail.insert(0, use.where + ": ");
      return fail(std::move(policy));
    }
    auto options = OptionValues::check("racing policy " + use.name, (*policy)->options(), use.options);
    if (!options) return fail(std::move(options));
    profile.racing[i].policy = *policy;
    profile.racing[i].options = std::move(*options);
  }
  return {};
}

std::vector<std::shared_ptr<const Profile>> FrameworkCore::profiles() const {
  const std::lock_guard lock(mutex_);
  return profiles_;
}

Result<std::shared_ptr<const Profile>> FrameworkCore::profile(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  if (name.empty()) return profiles_.front();
  std::string known;
  for (const auto& profile : profiles_) {
    if (profile->policy.name == name) return profile;
    known += (known.empty() ? "" : ", ") + profile->policy.name;
  }
  return fail(Reason::invalid_argument, "no profile '" + std::string(name) + "' is loaded; loaded: " + known);
}

Result<std::shared_ptr<const ComposedStack>> FrameworkCore::stack(const std::string& text, Face face) {
  const std::lock_guard lock(mutex_);
  auto& cached = stacks_[{text, face}];
  if (cached) return cached;
  const auto spec = parse_stack(text);
  if (!spec) return fail(Result<StackSpec>(spec));
  auto composed = compose(registry, *spec, face);
  if (composed) cached = *composed;
  return composed;
}

Result<Plan> FrameworkCore::plan(const Preconnection::Wishes& wishes) {
  auto chosen = profile(wishes.profile);
  if (!chosen) return fail(std::move(chosen));
  const Policy& policy = (*chosen)->policy;
  Requirements requirements = merge(policy, wishes);
  Plan plan;
  if (!wishes.stack.empty()) {
    // Somebody named the stack: that decides the face; what the policy requires of its own stacks does not apply.
    auto composed = stack(wishes.stack, wishes.face);
    if (!composed) return fail(std::move(composed));
    requirements.face = (*composed)->traits.face;
    requirements.require = wishes.require;
    requirements.prohibit = wishes.prohibit;
    plan.stacks.push_back(std::move(*composed));
  } else {
    plan.stacks = (*chosen)->stacks;
  }
  std::string why;
  std::erase_if(plan.stacks, [&](const auto& stack) {
    const auto fits = satisfies(stack->traits, requirements);
    if (fits) return false;
    plan.unfit.push_back(stack->text + ": " + fits.error().detail);
    why += (why.empty() ? "" : "; ") + plan.unfit.back();
    return true;
  });
  if (plan.stacks.empty())
    return fail(Reason::unsupported, "no stack of the policy '" + policy.name + "' does what is required: " + why);
  if (!requirements.prefer.empty() || !requirements.avoid.empty()) {
    std::ranges::stable_sort(plan.stacks, std::greater(),
                             [&](const auto& stack) { return rank(*stack, requirements); });
  }
  plan.face = plan.stacks.front()->traits.face;
  std::erase_if(plan.stacks, [&](const auto& stack) {
    if (stack->traits.face == plan.face) return false;
    plan.unfit.push_back(stack->text + ": offers another face than " + plan.stacks.front()->text);
    return true;
  });
  plan.wishes = wishes;
  plan.connect_timeout = wishes.connect_timeout > Duration{} ? wishes.connect_timeout : policy.limits.connect_timeout;
  plan.candidates = policy.limits.candidates;
  plan.limits.receive_buffer = policy.limits.receive_buffer;
  plan.limits.send_buffer = policy.limits.send_buffer;
  for (const auto& stack : plan.stacks) {
    plan.limits.headroom = std::max(plan.limits.headroom, stack->headroom);
    plan.limits.tailroom = std::max(plan.limits.tailroom, stack->tailroom);
  }
  plan.attempts_at_once = policy.limits.attempts_at_once;
  for (std::size_t i = 0; i < std::size(plan.racing); ++i)
    plan.racing[i] = {(*chosen)->racing[i].policy, &(*chosen)->racing[i].options};
  if (policy.resolver) plan.resolver = policy.resolver->name;
  plan.profile = std::move(*chosen);
  return plan;
}

Result<Resolver*> FrameworkCore::resolver(Plan& plan) {
  auto found = registry.resolver(plan.resolver);
  if (!found) return found;
  const auto& use = plan.profile->policy.resolver;
  auto values = OptionValues::check("resolver " + plan.resolver, (*found)->options(),
                                    use ? use->options : std::vector<OptionText>{});
  if (!values) return fail(std::move(values));
  plan.resolver_options = std::move(*values);
  return found;
}

const KnownHost* FrameworkCore::known_host(const Endpoint& remote) const {
  for (const KnownHost& known : options.hosts) {
    if (known.port == remote.port && (known.host == "*" || same_name(known.host, remote.host))) return &known;
  }
  return nullptr;
}

Turn& FrameworkCore::turn(Executor& executor) {
  const std::lock_guard lock(mutex_);
  for (auto& [known, turn] : turns_) {
    if (known == &executor) return *turn;
  }
  turns_.emplace_back(&executor, std::make_unique<Turn>(executor, options.log));
  return *turns_.back().second;
}

void FrameworkCore::forget(Executor& executor) {
  std::unique_ptr<Turn> gone;  // destroyed outside of the lock
  const std::lock_guard lock(mutex_);
  const auto found = std::ranges::find(turns_, &executor, [](const auto& entry) { return entry.first; });
  if (found == turns_.end()) return;
  gone = std::move(found->second);
  turns_.erase(found);
}

Result<std::string> default_policy_file() {
  std::error_code error;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
  std::string tried;
  for (const char* place : {"../policies/default.xml", "../share/trellis/policies/default.xml"}) {
    std::string file = (program / place).lexically_normal();
    if (std::filesystem::exists(file, error)) return file;
    tried += (tried.empty() ? "" : " and ") + file;
  }
  return fail(Reason::configuration, "no default policy was found at " + tried + ": name a policy file");
}

Result<std::unique_ptr<Framework>> Framework::create(FrameworkOptions options) {
  if (options.policies.empty()) {
    auto file = default_policy_file();
    if (!file) return fail(std::move(file));
    options.policies.push_back(std::move(*file));
  }
  std::vector<Policy> policies;
  std::vector<PluginRules> rules;
  for (const std::string& file : options.policies) {
    auto policy = load_policy(file);
    if (!policy) return fail(std::move(policy));
    rules.push_back(policy->plugins);
    policies.push_back(std::move(*policy));
  }
  auto core = std::make_unique<FrameworkCore>(std::move(options), std::move(rules));
  if (auto loaded = core->load(std::move(policies)); !loaded) return fail(std::move(loaded));
  return std::unique_ptr<Framework>(new Framework(std::move(core)));
}

Framework::Framework(std::unique_ptr<FrameworkCore> core) : core_(std::move(core)) {}
Framework::~Framework() = default;

std::vector<LoadedPlugin> Framework::plugins() const {
  std::vector<LoadedPlugin> loaded;
  for (const PluginEntry& entry : core_->registry.files()) {
    if (entry.opened) loaded.push_back({entry.info.name, entry.info.version, entry.file});
  }
  return loaded;
}

std::vector<std::string> Framework::profiles() const {
  std::vector<std::string> names;
  for (const auto& profile : core_->profiles()) names.push_back(profile->policy.name);
  return names;
}

}  // namespace trellis
