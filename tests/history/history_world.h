// history_world.h: the same client connects again and again in a simulated network, over the real engine and plugins.
#pragma once
#include <gtest/gtest.h>

#include <format>
#include <memory>
#include <string>
#include <vector>

#include "../stacks/mux.h"
#include "core/framework_core.h"
#include "simulation/simulated_world.h"
#include "simulation/world_authority.h"
#include "trellis/preconnection.h"

namespace trellis::tests {

using namespace std::chrono_literals;
using simulation::SimulatedWorld;
using simulation::WorldFile;

inline constexpr const char* kTcp = R"(<stack name="tcp"><layer protocol="tcp"/></stack>)";
/// As QUIC before TCP: a stack over UDP that has to get through first.
inline constexpr const char* kUdpThenTcp =
    R"(<stack name="over-udp"><layer protocol="dmux"/><layer protocol="udp"/></stack>)"
    R"(<stack name="tcp"><layer protocol="tcp"/></stack>)";

inline const char* const kFirstIsABlackHole =
    R"(<address ip="2001:db8::1"><block does="drop"/></address><address ip="192.0.2.1"/>)";

/// How one connection came to be.
struct Dialled {
  RaceReport report;
  Duration took{};
  std::string stack;
  Address remote;
  std::optional<Error> failure;
  std::size_t attempts() const {
    return static_cast<std::size_t>(std::ranges::count_if(
        report.nodes, [](const RaceNode& n) { return n.attempt && n.started_at != TimePoint{}; }));
  }
  /// As it is called in the first race of a framework: "1.1.2".
  const RaceNode& node(std::string_view id) const {
    return *std::ranges::find(report.nodes, report.nodes.front().id + std::string(id.substr(1)), &RaceNode::id);
  }
};

class HistoryWorld {
 public:
  /// `inside`: of <world>, after <connect>; `policy`: more of the policy, after its stacks.
  explicit HistoryWorld(const std::string& inside, const std::string& stacks = kTcp, const std::string& policy = {},
                        const std::function<void(Registrar&)>& more = {}) {
    const std::string xml =
        std::format(R"(<policy xmlns="urn:trellis:policy:1" name="p"><requirements face="bytestream">)"
                    R"(<require feature="reliability"/>)"
                    R"(<require feature="ordering"/></requirements><names><resolver name="simulated"/></names>)"
                    R"(<stacks>{}</stacks>{}</policy>)",
                    stacks, policy);
    std::vector<Policy> policies;
    for (const char* name : {"p", "other", "served"}) {
      policies.push_back(parse_policy(xml, "p.xml").value());
      policies.back().name = name;
    }
    std::erase_if(policies.back().stacks, [](const StackSpec& s) { return s.name != "tcp"; });
    policies.back().same_security.clear();
    FrameworkOptions options;
    options.plugin_directories = {TRELLIS_BUILD_DIR "/plugins"};
    options.log = [this](Severity, std::string_view, std::string_view text) { log.emplace_back(text); };
    auto core = std::make_unique<FrameworkCore>(std::move(options), std::vector<PluginRules>{});
    EXPECT_TRUE(core->registry.link("test", [&](Registrar& registrar) {
      auto resolver = std::make_unique<SimResolver>();
      resolver->serve([this](const Query& query) { return world->answers(query); });
      registrar.add(std::move(resolver));
      registrar.add(std::make_unique<MuxKind>(true));
      if (more) more(registrar);
    }));
    const auto loaded = core->load(std::move(policies));
    EXPECT_TRUE(loaded) << loaded.error().detail;
    framework = std::make_unique<Framework>(std::move(core));
    auto parsed = simulation::parse_world(
        std::format(R"(<world xmlns="urn:trellis:world:1" name="w"><connect host="a.example"/>{}</world>)", inside),
        "w.xml");
    EXPECT_TRUE(parsed) << parsed.error().detail;
    file_ = std::move(*parsed);
    world = std::make_unique<SimulatedWorld>(file_, 1);
    if (stacks.contains("\"tls\"")) security_ = simulation::make_world_security(file_);
    ListenerEvents events;
    events.received = [this](Connection connection) { peers_.push_back(std::move(connection)); };
    events.failed = [](const Error& error) { ADD_FAILURE() << error.detail; };
    Preconnection served(*framework);
    served.profile("served").local({.port = 443});
    if (security_.server) served.security(security_.server);
    listener_ = served.listen(world->server().loop(), std::move(events));
    world->time().run_for(1ms);
    world->begin();
  }
  ~HistoryWorld() {
    peers_.clear();
    listener_ = {};
    framework->core().forget(world->client().loop());
    framework->core().forget(world->server().loop());
  }

  Preconnection to(std::string host = "a.example") const {
    Preconnection made(*framework);
    made.profile("p").remote({.host = std::move(host), .port = 443});
    if (security_.client) made.security(security_.client);
    return made;
  }
  Dialled dial() { return dial(to()); }
  Dialled dial(Preconnection preconnection) {
    Dialled dialled;
    bool over = false;
    preconnection.on_race([&](const RaceReport& report) { dialled.report = report; });
    const TimePoint begun = world->time().now();
    Connection connection = preconnection.initiate(world->client().loop(), [&](Result<void> how) {
      over = true;
      if (!how) dialled.failure = how.error();
    });
    EXPECT_TRUE(world->time().run_until([&] { return over; }, 60s));
    dialled.took = world->time().now() - begun;
    if (!dialled.failure) {
      dialled.stack = connection.stack();
      dialled.remote = connection.remote();
    }
    connection.abort();
    connection = {};
    peers_.clear();
    world->time().run_for(5ms);
    return dialled;
  }
  void later(Duration time) { world->time().run_for(time); }
  History& history() { return framework->core().history; }

  std::unique_ptr<SimulatedWorld> world;
  std::unique_ptr<Framework> framework;
  std::vector<std::string> log;

 private:
  WorldFile file_;
  simulation::WorldSecurity security_;
  std::vector<Connection> peers_;
  Listener listener_;
};

/// One path, 10 ms to everything, and a host with these addresses.
inline std::string one_path(const std::string& addresses, const std::string& in_path = {}) {
  return std::format(R"(<path interface="eth0" delay-ms="10">{}</path><host name="a.example">{}</host>)", in_path,
                     addresses);
}
inline constexpr Duration kRtt = 20ms;

}  // namespace trellis::tests
