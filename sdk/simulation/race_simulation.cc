#include "simulation/race_simulation.h"

#include <algorithm>
#include <format>
#include <set>

#include "core/framework_core.h"
#include "loop/sim_paths.h"
#include "simulation/simulated_world.h"
#include "simulation/world_authority.h"
#include "trellis/address_text.h"
#include "trellis/preconnection.h"

namespace trellis::simulation {

/// The paths of whichever world is raced in, each with its name servers.
class WorldPaths final : public PathProvider {
 public:
  std::string_view name() const noexcept override { return "simulated"; }
  Result<std::unique_ptr<Watch>> watch(Executor& executor, const Options& options,
                                       PathObserver& observer) noexcept override {
    auto watching = std::make_unique<Provisioned>(*world_, observer);
    auto inner = paths_->watch(executor, options, *watching);
    if (!inner) return inner;
    watching->inner = std::move(*inner);
    return watching;
  }
  void be(SimPaths& paths, SimulatedWorld& world) noexcept { paths_ = &paths, world_ = &world; }

 private:
  struct Provisioned final : Watch, PathObserver {
    Provisioned(SimulatedWorld& where, PathObserver& hears) : world(where), observer(hears) {}
    Path with_servers(const Path& path) const {
      auto servers = world.name_servers(path.interface_name);
      if (servers.empty()) return path;
      Path with = path;
      with.provisioning = std::make_shared<const Provisioning>(
          Provisioning{.dns_servers = std::move(servers), .search_domains = {}, .proxies = {}});
      return with;
    }
    void path_added(const Path& path) noexcept override { observer.path_added(with_servers(path)); }
    void path_changed(const Path& path) noexcept override { observer.path_changed(with_servers(path)); }
    void path_removed(std::uint32_t id) noexcept override { observer.path_removed(id); }
    void settled() noexcept override { observer.settled(); }
    SimulatedWorld& world;
    PathObserver& observer;
    std::unique_ptr<Watch> inner;
  };
  SimPaths* paths_ = nullptr;
  SimulatedWorld* world_ = nullptr;
};

namespace {

/// The resolver `dns` of the policy. Where no path has servers it asks those of all paths, as a host does whose
/// networks have written them down.
PluginUse real_resolver(const Policy& policy, const WorldFile& world) {
  PluginUse dns{.name = "dns", .options = {}, .where = {}};
  const auto given = std::ranges::find(policy.resolvers, dns.name, &PluginUse::name);
  if (given != policy.resolvers.end()) dns = *given;
  std::string servers;
  for (std::size_t i = 0; i < world.paths.size(); ++i) {
    for (const auto& [family, has] :
         {std::pair{Address::Family::ipv6, world.paths[i].ipv6}, {Address::Family::ipv4, world.paths[i].ipv4}}) {
      if (!has) continue;
      const std::string text = to_text(name_server_address(i, family));  // with port 0
      const std::string ip = text.substr(0, text.rfind(':'));
      servers += (servers.empty() ? "" : " ") + ip;
    }
  }
  std::erase_if(dns.options, [](const auto& option) { return option.name == "servers"; });
  dns.options.push_back({.name = "servers", .value = servers, .where = {}});
  return dns;
}

constexpr std::uint64_t kStepsMost = 5'000'000;  // of one race: a plugin that spins shall not hang the simulation

/// One race and its world, which are gone with it.
class Course {
 public:
  Course(Framework& framework, const RaceSetting& setting, std::uint64_t seed, WorldPaths& paths)
      : framework_(framework), setting_(setting), world_(setting.world, seed), paths_(world_.network()) {
    paths.be(paths_, world_);
  }
  ~Course() {
    connection_ = {};
    peers_.clear();
    listeners_.clear();
    framework_.core().forget(world_.client().loop());
    framework_.core().forget(world_.server().loop());
    framework_.core().state.clear();  // the next race knows nothing of this one
  }
  Course(const Course&) = delete;
  Course& operator=(const Course&) = delete;

  Result<void> listen(const std::vector<std::string>& profiles) {
    std::size_t listening = 0;
    std::optional<Error> failed;
    for (const std::string& profile : profiles) {
      ListenerEvents events;
      events.listening = [&](const Address&) { ++listening; };
      events.received = [this](Connection peer) { peers_.push_back(std::move(peer)); };
      events.failed = [&](const Error& error) { failed = error; };
      Preconnection preconnection(framework_);
      preconnection.profile(profile).local({.host = {}, .port = setting_.world.connect_port});
      if (setting_.server) preconnection.security(setting_.server);
      listeners_.push_back(preconnection.listen(world_.server().loop(), std::move(events)));
    }
    world_.time().run_until([&] { return failed || listening == profiles.size(); }, std::chrono::seconds(1));
    if (!failed) return {};
    failed->detail.insert(0, "the simulated server cannot listen: ");
    return std::unexpected(std::move(*failed));
  }

  Result<RaceRun> race(SimResolver& names, const std::string& profile) {
    names.serve([this](const Query& query) { return world_.answers(query); });
    if (setting_.observe) world_.time().observe([this](const TraceEvent& event) { setting_.observe(event); });
    world_.begin();
    RaceRun run;
    bool over = false;
    Preconnection preconnection(framework_);
    preconnection.profile(profile).remote({.host = setting_.world.connect_host, .port = setting_.world.connect_port});
    if (setting_.client) preconnection.security(setting_.client);
    preconnection.on_race([&](const RaceReport& report) { run.report = std::make_unique<RaceReport>(report); });
    const TimePoint begun = world_.time().now();
    connection_ = preconnection.initiate(world_.client().loop(), [&](Result<void> how) {
      over = true;
      if (!how) run.failure = how.error();
    });
    std::uint64_t steps = 0;
    while (!over && steps < kStepsMost && world_.time().step()) ++steps;
    names.serve({});
    if (!over) {
      return fail(Reason::exhausted,
                  steps == kStepsMost ? "a race came to no end: some layer wakes itself for ever"
                                      : "a race came to rest without an end",
                  0, "simulation");
    }
    run.time = world_.time().now() - begun;
    describe(run);
    return run;
  }

 private:
  void describe(RaceRun& run) const {
    if (run.report) {
      run.time = run.report->ended_at - run.report->begun_at;
      run.attempts = static_cast<std::uint32_t>(std::ranges::count_if(
          run.report->nodes, [](const RaceNode& node) { return node.attempt && node.started_at != TimePoint{}; }));
    }
    if (run.failure) return;
    run.stack = connection_.stack();
    run.path = connection_.interface_name();
    run.family = connection_.remote().family;
  }

  Framework& framework_;
  const RaceSetting& setting_;
  SimulatedWorld world_;
  SimPaths paths_;
  std::vector<Listener> listeners_;
  std::vector<Connection> peers_;
  Connection connection_;
};

}  // namespace

Result<std::unique_ptr<RaceSimulation>> RaceSimulation::open(RaceSetting setting) {
  std::unique_ptr<RaceSimulation> made(new RaceSimulation(std::move(setting)));
  if (auto loaded = made->load(); !loaded) return fail(std::move(loaded));
  return made;
}

RaceSimulation::~RaceSimulation() = default;

Result<void> RaceSimulation::load() {
  if (setting_.policy.empty()) {
    auto file = default_policy_file();
    if (!file) return fail(std::move(file));
    setting_.policy = std::move(*file);
  }
  auto policy = load_policy(setting_.policy);
  if (!policy) return fail(std::move(policy));
  policy_name_ = policy->name;
  const PluginUse simulated{.name = "simulated", .options = {}, .where = {}};  // names and paths are of the world
  policy->resolvers = {setting_.world.name_servers ? real_resolver(*policy, setting_.world) : simulated};
  if (!policy->path_providers.empty()) policy->path_providers = {simulated};
  std::vector<PluginRules> rules{policy->plugins};
  std::vector<Policy> policies{*policy};
  std::set<std::string> bottoms;  // one stack listens on a port
  for (const StackSpec& stack : policy->stacks) {
    if (!bottoms.insert(stack.layers.back().name).second) continue;
    Policy served = *policy;
    served.name = std::format("{}/served-{}", policy->name, stack.name);
    served.stacks = {stack};
    served.requirements.replayable = policy->requirements.replayable;
    served.same_security.clear();
    served.path_providers.clear();
    served_.push_back(served.name);
    policies.push_back(std::move(served));
  }
  FrameworkOptions options;
  options.plugin_directories = setting_.plugin_directories;
  options.plugin_patience = kPluginPatience;
  auto core = std::make_unique<FrameworkCore>(std::move(options), std::move(rules));
  auto linked = core->registry.link("simulation", [this](Registrar& registrar) {
    auto names = std::make_unique<SimResolver>();
    names_ = names.get();
    registrar.add(std::move(names));
    auto paths = std::make_unique<WorldPaths>();
    paths_ = paths.get();
    registrar.add(std::move(paths));
  });
  if (!linked) return linked;
  if (auto loaded = core->load(std::move(policies)); !loaded) return loaded;
  const auto secured = [](const auto& stack) { return !stack->traits.security.family.empty(); };
  const ProfileList profiles = core->profiles();
  if (!setting_.client && !setting_.server && std::ranges::any_of(profiles.front()->stacks, secured)) {
    auto made = make_world_security(setting_.world);
    setting_.client = std::move(made.client);
    setting_.server = std::move(made.server);
  }
  framework_ = std::make_unique<Framework>(std::move(core));
  return {};
}

Result<RaceRun> RaceSimulation::run(std::uint64_t seed, std::uint64_t n) {
  framework_->core().state.clear();  // the n-th run does not know of those before it
  framework_->core().history.clear();
  framework_->core().restart_roots();
  Course course(*framework_, setting_, mix(mix(seed) + n), *paths_);
  if (auto listening = course.listen(served_); !listening) return fail(std::move(listening));
  return course.race(*names_, policy_name_);
}

}  // namespace trellis::simulation
