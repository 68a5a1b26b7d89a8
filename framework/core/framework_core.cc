#include "core/framework_core.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iterator>

#include "core/message_wishes.h"
#include "core/multicast.h"
#include "core/path_table.h"
#include "core/plugin_path.h"
#include "core/remote_endpoints.h"
#include "core/security_mode.h"
#include "core/text.h"
#include "trellis/address_text.h"
#include "trellis/endpoint_text.h"

namespace trellis {
namespace {

Requirements merge(const Policy& policy, const Preconnection::Wishes& wishes) {
  Requirements r = policy.requirements;  // what the application says can only narrow the policy
  if (wishes.face != Face::none) r.face = wishes.face;
  r.require = r.require | wishes.require;
  r.prohibit = r.prohibit | wishes.prohibit;
  r.prefer = r.prefer | wishes.prefer;
  r.avoid = r.avoid | wishes.avoid;
  r.replayable = wishes.messages.replayable.value_or(r.replayable);  // a fact about messages, and no wish
  return r;
}

constexpr std::string_view kDefaultResolver = "system";
constexpr Feature kLastFeature = Feature::stream_abort;

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
  return same_word(a, b);
}

// What all Connections wish of their messages; null: nothing.
Result<std::shared_ptr<const MessageWishes>> messages_of(const Preconnection::Wishes& wishes, bool replayable) {
  MessageWishes messages = wishes.messages;
  for (const auto& [name, value] : wishes.properties) {
    if (!is_message_property(name)) continue;  // or it is one with a value that it does not take
    if (auto set = set_message_property(messages, name, value); !set) return fail(std::move(set));
  }
  if (replayable) messages.replayable = true;
  if (messages == MessageWishes{}) return nullptr;
  static const auto kReplayable = std::make_shared<const MessageWishes>(MessageWishes{.replayable = true});
  if (messages == *kReplayable) return kReplayable;  // of most that use datagrams
  return std::make_shared<const MessageWishes>(messages);
}

// Which way out the application insists on, as far as it can be said before any is found.
Path way_asked_for(const Preconnection::Wishes& wishes) {
  Path path{.interface_name = wishes.interface_name};
  const auto required = [](const PathRule& rule) { return rule.preference == Preference::require; };
  if (std::ranges::count_if(wishes.paths, required) != 1) return path;  // several are alternatives
  const PathRule& rule = *std::ranges::find_if(wishes.paths, required);
  const auto exact = [](const std::string& name) { return name.contains('*') ? std::string() : name; };
  if (path.interface_name.empty()) path.interface_name = exact(rule.interface_name);
  path.provisioning_domain = exact(rule.provisioning_domain);
  return path;
}

std::filesystem::path program() {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/self/exe", error);
}

Result<std::vector<Policy>> read_policies(const std::vector<std::string>& files) {
  std::vector<Policy> policies;
  for (const std::string& file : files) {
    auto policy = load_policy(file);
    if (!policy) return fail(std::move(policy));
    policies.push_back(std::move(*policy));
  }
  return policies;
}

}  // namespace

RaceLimits Plan::race_limits() const {
  RaceLimits limits;
  limits.attempts_at_once = attempts_at_once;
  limits.watchdog = watchdog;
  limits.tree.leaves = candidates;
  return limits;
}

void Plan::aim_at(Endpoint remote) {
  remote = with_address(std::move(remote));
  peer = state_endpoint(remote);
  target = remote;
  targets.clear();
  wishes.more_remotes.clear();
  wishes.remote = std::move(remote);
}

void Plan::aim_at_all() {
  const std::vector<Endpoint> more = std::move(wishes.more_remotes);
  aim_at(std::move(wishes.remote));
  if (more.empty()) return;
  targets.push_back(target);
  Endpoint all{.host = to_text(wishes.remote)};
  for (const Endpoint& remote : more) {
    const SharedEndpoint& other = targets.emplace_back(with_address(remote));
    peer += "," + state_endpoint(*other);
    all.host += ", " + to_text(*other);
    wishes.more_remotes.push_back(*other);
  }
  target = std::move(all);
}

const Endpoint& Plan::asked_for(const Endpoint& found) const noexcept {
  const auto has = [&](const SharedEndpoint& target) {
    return target->host == found.host && (!target->address || target->address == found.address);
  };
  auto it =
      std::ranges::find_if(targets, [&](const auto& target) { return has(target) && target->port == found.port; });
  if (it == targets.end()) it = std::ranges::find_if(targets, has);  // a service of it has another port
  return it == targets.end() ? wishes.remote : **it;
}

std::span<const PrefixPolicy> Plan::prefix_policies() const noexcept {
  const auto& given = profile->policy.prefixes;
  return given.empty() ? default_prefix_policies() : std::span<const PrefixPolicy>(given);
}

FrameworkCore::FrameworkCore(FrameworkOptions given, std::vector<PluginRules> rules)
    : options(std::move(given)), registry(plugin_directories(rules, options.plugin_directories), rules) {
  if (options.plugin_patience > Duration{}) watchdog = std::make_unique<Watchdog>(options.plugin_patience);
  if (options.application.empty()) options.application = program().filename();
}

FrameworkCore::~FrameworkCore() {
  for (const auto& [settings, keeper] : stores_) {
    if (keeper) keeper->tell_trouble(options.log);  // what nobody has asked for yet
  }
}

Result<void> FrameworkCore::load(std::vector<Policy> policies) {
  auto profiles =
      make_profiles({registry, options.application, [this](const std::optional<PluginUse>& use) { return store(use); }},
                    std::move(policies));
  if (!profiles) return fail(std::move(profiles));
  const std::lock_guard lock(mutex_);
  profiles_ = std::move(*profiles);
  stacks_.clear();  // what their settings name (files of keys) is read anew too
  generation_.fetch_add(1, std::memory_order_release);
  return {};
}

Result<std::shared_ptr<StateKeeper>> FrameworkCore::store(const std::optional<PluginUse>& use) {
  if (!use) return default_store();
  std::string key = use->name;
  for (const OptionText& option : use->options) key += "\n" + option.name + "=" + option.value;
  auto& known = stores_[key];
  if (known) return known;
  auto found = registry.store(use->name);
  const auto located = [&](auto&& failed) {
    if (!use->where.empty() && !failed.error().detail.starts_with(use->where))
      failed.error().detail.insert(0, use->where + ": ");
    return fail(std::forward<decltype(failed)>(failed));
  };
  if (!found) return located(std::move(found));
  auto values = OptionValues::check("store " + use->name, (*found)->options(), use->options);
  if (!values) return fail(std::move(values));
  auto opened = (*found)->open(*values);
  if (!opened) return located(std::move(opened));
  known = std::make_shared<StateKeeper>(use->name, std::move(*opened));
  return known;
}

// Nobody's policy asked for it, so nothing fails without it.
std::shared_ptr<StateKeeper> FrameworkCore::default_store() {
  if (options.state_file.empty()) return nullptr;
  const PluginUse use{"sqlite", {{"file", options.state_file, {}}}, {}};
  if (auto opened = store(use))
    return *opened;
  else if (options.log)
    options.log(Severity::warning, "core", "nothing is kept in " + options.state_file + ": " + opened.error().detail);
  return nullptr;
}

Result<void> FrameworkCore::reload() {
  if (options.policies.empty()) return fail(Reason::invalid_argument, "there are no policy files to read again");
  const std::lock_guard one_at_a_time(reload_mutex_);
  const auto loaded = [&]() -> Result<void> {
    auto policies = read_policies(options.policies);
    if (!policies) return fail(std::move(policies));
    const ProfileList old = profiles();
    for (std::size_t i = 0; i < policies->size(); ++i) {
      if ((*policies)[i].plugins == old[i]->policy.plugins) continue;
      return fail(Reason::configuration, (*policies)[i].where +
                                             ": found another <plugins> than at the start, expected the same: what may "
                                             "be opened is decided once, start the program again");
    }
    return load(std::move(*policies));
  }();
  if (loaded) return {};
  Error error = loaded.error();
  error.detail += "; the policies loaded before stay in force";
  return std::unexpected(std::move(error));
}

ProfileList FrameworkCore::profiles() const {
  const std::lock_guard lock(mutex_);
  return profiles_;
}

Result<std::shared_ptr<const Profile>> FrameworkCore::profile(const Preconnection::Wishes& wishes) const {
  const ProfileList profiles = this->profiles();
  if (!wishes.profile.empty()) return profile_named(profiles, wishes.profile);
  const bool reaches = wishes.remote.address || !wishes.remote.host.empty();
  const Path path = way_asked_for(wishes);
  return profile_for(
      profiles,
      {.endpoint = reaches ? &wishes.remote : &wishes.local, .application = options.application, .path = &path});
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
  const std::uint64_t generation = this->generation();  // a load in between is noticed later
  auto chosen = profile(wishes);
  if (!chosen) return fail(std::move(chosen));
  if (auto checked = check_protocols(registry, wishes); !checked) return fail(std::move(checked));
  const Policy& policy = (*chosen)->policy;
  Requirements requirements = merge(policy, wishes);
  auto messages = messages_of(wishes, requirements.replayable);
  if (!messages) return fail(std::move(messages));
  Plan plan;
  plan.limits.messages = std::move(*messages);
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
  StackList clear;
  if (wishes.stack.empty() && wishes.security && wishes.security->mode != SecurityMode::required) {
    clear = in_clear(registry, **chosen, requirements);
    const bool only = wishes.security->mode == SecurityMode::disabled ||
                      std::ranges::none_of(plan.stacks, [](const auto& stack) { return secures(stack->traits); });
    if (only) plan.stacks = std::exchange(clear, {});
  }
  std::string why = plan.stacks.empty() ? "none of them may be used in clear" : "";
  const bool multicast = concerns_group(wishes);
  std::erase_if(plan.stacks, [&](const auto& stack) {
    auto fits = multicast ? reaches_groups(stack->traits) : Result<void>();
    if (fits) fits = satisfies(stack->traits, requirements);
    if (fits) fits = carries(stack->traits, requirements);
    if (fits) fits = suits(stack->traits, wishes.security.get());
    if (std::string missing = fits ? misses(wishes, *stack) : std::string(); !missing.empty())
      fits = fail(Reason::unsupported, std::move(missing));
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
  plan.generation = generation;
  plan.wishes = wishes;
  plan.aim_at_all();
  plan.connect_timeout = wishes.connect_timeout > Duration{} ? wishes.connect_timeout : policy.limits.connect_timeout;
  plan.candidates = policy.limits.candidates;
  plan.limits.direction = wishes.direction;
  plan.limits.receive_buffer = policy.limits.receive_buffer;
  plan.limits.send_buffer = policy.limits.send_buffer;
  plan.limits.connect_timeout_ms =
      static_cast<std::uint32_t>(std::chrono::duration_cast<std::chrono::milliseconds>(plan.connect_timeout).count());
  for (const auto& stack : plan.stacks) {
    plan.limits.headroom = std::max(plan.limits.headroom, stack->headroom);
    plan.limits.tailroom = std::max(plan.limits.tailroom, stack->tailroom);
  }
  plan.attempts_at_once = policy.limits.attempts_at_once;
  plan.watchdog = watchdog.get();
  for (std::size_t i = 0; i < std::size(plan.racing); ++i)
    plan.racing[i] = {(*chosen)->racing[i].policy, &(*chosen)->racing[i].options};
  plan.state = {*chosen, &(*chosen)->state};
  if (!wishes.context.empty()) {
    StateRules own = *plan.state;
    own.partition += "/" + wishes.context;
    plan.state = std::make_shared<const StateRules>(std::move(own));
  }
  plan.profile = std::move(*chosen);
  std::erase_if(clear, [&](const auto& stack) {
    return stack->traits.face != plan.face || !carries(stack->traits, requirements) ||
           !misses(wishes, *stack).empty() || (multicast && !reaches_groups(stack->traits));
  });
  if (!clear.empty()) {
    auto other = std::make_shared<Plan>(plan);
    other->stacks = std::move(clear);
    plan.in_clear = std::move(other);
  }
  return plan;
}

Result<std::vector<ResolverUse>> FrameworkCore::open_resolvers(const Plan& plan) {
  const PluginUse fallback{std::string(kDefaultResolver), {}, {}};
  const auto& named = plan.profile->policy.resolvers;
  std::vector<ResolverUse> opened;
  for (const PluginUse& use : named.empty() ? std::span(&fallback, 1) : std::span(named)) {
    auto found = registry.resolver(use.name);
    if (!found) return fail(std::move(found));
    auto values = OptionValues::check("resolver " + use.name, (*found)->options(), use.options);
    if (!values) return fail(std::move(values));
    opened.push_back({*found, std::move(*values)});
  }
  return opened;
}

Result<std::shared_ptr<PathTable>> FrameworkCore::paths(Executor& executor, const Plan& plan) {
  const Profile& profile = *plan.profile;
  if (profile.paths.empty()) {
    if (plan.wishes.paths.empty()) return nullptr;
    return fail(Reason::unsupported, "the policy '" + profile.policy.name +
                                         "' does not say how paths are found, expected <paths> in it: the application "
                                         "wants to choose among them");
  }
  std::vector<LoopPaths> replaced;  // of policies that were loaded anew; destroyed outside of the lock
  {
    const std::lock_guard lock(mutex_);
    const auto old = std::ranges::partition(paths_, [&](const LoopPaths& one) {
      return one.executor != &executor || one.profile == plan.profile || std::ranges::contains(profiles_, one.profile);
    });
    std::ranges::move(old, std::back_inserter(replaced));
    paths_.erase(old.begin(), old.end());
    for (const LoopPaths& one : paths_) {
      if (one.executor == &executor && one.profile == plan.profile) return one.table;
    }
  }
  std::vector<PathSource> sources;
  sources.reserve(profile.paths.size());
  for (const auto& from : profile.paths) sources.push_back({from.provider, &from.options});
  auto table = PathTable::open(
      executor, sources, profile.policy.path_rules,
      {.gone = [this, &executor](auto network) { history.forget_network(network, executor.now()); },
       .passed_over = [this, &executor](auto who, auto what) { tell_passed_over(who, what, executor.now()); }});
  if (!table) return table;
  const std::lock_guard lock(mutex_);
  paths_.push_back({&executor, plan.profile, *table});
  return table;
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
  registry.forget(executor);
  std::vector<LoopPaths> gone_paths;
  const std::lock_guard lock(mutex_);
  const auto ours = std::ranges::partition(paths_, [&](const auto& one) { return one.executor != &executor; });
  std::ranges::move(ours, std::back_inserter(gone_paths));
  paths_.erase(ours.begin(), ours.end());
  const auto found = std::ranges::find(turns_, &executor, [](const auto& entry) { return entry.first; });
  if (found == turns_.end()) return;
  gone = std::move(found->second);
  turns_.erase(found);
}

Result<std::string> default_policy_file() {
  std::error_code error;
  const std::filesystem::path folder = program().parent_path();
  std::string tried;
  for (const char* place : {"../policies/default.xml", "../share/trellis/policies/default.xml"}) {
    std::string file = (folder / place).lexically_normal();
    if (std::filesystem::exists(file, error)) return file;
    tried += (tried.empty() ? "" : " and ") + file;
  }
  return fail(Reason::configuration, "no default policy was found at " + tried + ": name a policy file");
}

std::string default_state_file() {
  const auto given = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value != nullptr ? value : "");
  };
  if (const std::string file = given("TRELLIS_STATE"); !file.empty()) return file == "none" ? "" : file;
  constexpr const char* kFile = "/trellis/state.sqlite";
  if (const std::string state = given("XDG_STATE_HOME"); state.starts_with('/')) return state + kFile;
  const std::string home = given("HOME");
  return home.starts_with('/') ? home + "/.local/state" + kFile : "";
}

Result<std::unique_ptr<Framework>> Framework::create(FrameworkOptions options) {
  if (options.policies.empty()) {
    auto file = default_policy_file();
    if (!file) return fail(std::move(file));
    options.policies.push_back(std::move(*file));
  }
  auto policies = read_policies(options.policies);
  if (!policies) return fail(std::move(policies));
  std::vector<PluginRules> rules;
  for (const Policy& policy : *policies) rules.push_back(policy.plugins);
  auto core = std::make_unique<FrameworkCore>(std::move(options), std::move(rules));
  if (auto loaded = core->load(std::move(*policies)); !loaded) return fail(std::move(loaded));
  return std::unique_ptr<Framework>(new Framework(std::move(core)));
}

Framework::Framework(std::unique_ptr<FrameworkCore> core) : core_(std::move(core)) {}
Framework::~Framework() = default;

Result<void> Framework::reload() { return core_->reload(); }

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
