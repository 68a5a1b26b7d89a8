// phone.h: a simulated phone, with a policy that races over its paths.
#pragma once
#include <functional>

#include "../stacks/policy_framework.h"
#include "../stacks/world.h"
#include "core/framework_core.h"
#include "loop/sim_network.h"
#include "loop/sim_paths.h"
#include "loop/sim_resolver.h"
#include "trellis/address_text.h"

namespace trellis::tests {

using namespace std::chrono_literals;

/// The paths of a simulated host, and what the test adds to them.
struct ToldPaths final : PathProvider {
  explicit ToldPaths(SimNetwork& network) : simulated(network) {}
  std::string_view name() const noexcept override { return "simulated"; }
  Result<std::unique_ptr<Watch>> watch(Executor& executor, const Options& options,
                                       PathObserver& observer) noexcept override {
    struct Telling final : Watch, PathObserver {
      Telling(ToldPaths& from, PathObserver& who) : paths(from), observer(who) {}
      void path_added(const Path& path) noexcept override { observer.path_added(paths.told(path)); }
      void path_changed(const Path& path) noexcept override { observer.path_changed(paths.told(path)); }
      void path_removed(std::uint32_t id) noexcept override { observer.path_removed(id); }
      void settled() noexcept override { observer.settled(); }
      ToldPaths& paths;
      PathObserver& observer;
      std::unique_ptr<Watch> below;
    };
    auto telling = std::make_unique<Telling>(*this, observer);
    telling->below = simulated.watch(executor, options, *telling).value();
    return telling;
  }
  Path told(Path path) const {
    if (add) add(path);
    return path;
  }
  SimPaths simulated;
  std::function<void(Path&)> add;
};

// A phone: Wi-Fi and a mobile network, a router, a server behind it.
struct Phone : testing::Test {
  explicit Phone(std::string_view rules = "") {
    wifi = &network.link(client.add_interface("wlan0", {"10.1.0.2", "2001:db8:1::2"}),
                         router.add_interface("wlan0", {"10.1.0.1", "2001:db8:1::1"}), {.delay = 5ms});
    mobile = &network.link(client.add_interface("wwan0", {"10.2.0.2"}), router.add_interface("wwan0", {"10.2.0.1"}),
                           {.delay = 20ms});
    network.link(router.add_interface("eth0", {"192.0.2.1", "2001:db8:9::1"}),
                 server.add_interface("eth0", {"192.0.2.7", "2001:db8:9::7"}), {.delay = 5ms});
    framework = framework_with(
        R"(<policy xmlns="urn:trellis:policy:1" name="phone"><names><resolver name="simulated"/></names>
           <paths provider="simulated">)" +
            std::string(rules) +
            R"(</paths><stacks><stack name="tcp"><layer protocol="tcp"/></stack></stacks>
           <racing><branch on="path" policy="staggered"><option name="attempt-delay-ms" value="500"/></branch></racing>
           </policy>)",
        [&](Registrar& registrar) {
          auto provider = std::make_unique<ToldPaths>(network);
          paths = provider.get();
          registrar.add(std::move(provider));
          auto resolver = std::make_unique<SimResolver>();
          names = resolver.get();
          registrar.add(std::move(resolver));
        });
    names->serve([this](const Query& query) {
      asked.push_back(query.path->interface_name);
      return SimAnswers{{.addresses = {ip("2001:db8:9::7")}}, {.addresses = {ip("192.0.2.7")}}};
    });
    listen();
  }
  /// The server takes connections at a port.
  void listen(std::uint16_t port = 443) {
    listening = false;
    listeners.push_back(Preconnection(*framework)
                            .stack("tcp")
                            .local({.host = {}, .port = port})
                            .listen(server.loop(), {.listening = [this](const Address&) { listening = true; },
                                                    .received = [this](Connection c) { peers.push_back(std::move(c)); },
                                                    .failed = [](const Error& e) { ADD_FAILURE() << e.detail; }}));
    EXPECT_TRUE(world.run_until([&] { return listening; }, 1s));
  }
  ~Phone() override {
    connection = {};
    peers.clear();
    listeners.clear();
    framework->core().forget(client.loop());
    framework->core().forget(server.loop());
  }
  Preconnection to(std::string host = "192.0.2.7") {
    Preconnection preconnection(*framework);
    preconnection.remote({.host = std::move(host), .port = 443});
    preconnection.on_race([this](const RaceReport& told) { report = std::make_unique<RaceReport>(told); });
    return preconnection;
  }
  void begin(Preconnection preconnection) {
    how.reset();
    begun = world.now();
    connection = preconnection.initiate(client.loop(), [this](Result<void> result) { how = std::move(result); });
    connection.on_notice([this](Notice notice, const Error& error) {
      if (notice == Notice::path_change) news.push_back(error.detail);
    });
  }
  Duration finish() {
    EXPECT_TRUE(world.run_until([&] { return how.has_value(); }, 60s));
    return world.now() - begun;
  }
  /// Establishes, and says by which interface.
  std::string connect(Preconnection preconnection) {
    begin(std::move(preconnection));
    finish();
    return how && !*how ? how->error().detail : std::string(connection.interface_name());
  }
  /// What was tried, "wlan0@0 wwan0@500".
  std::string tried() const {
    std::string all;
    for (const RaceNode& node : report->nodes) {
      if (!node.attempt || node.started_at == TimePoint{}) continue;
      const auto at = std::chrono::duration_cast<std::chrono::milliseconds>(node.started_at - report->begun_at);
      all += (all.empty() ? "" : " ") + node.path + "@" + std::to_string(at.count());
    }
    return all;
  }
  static void swallow(SimLink& link) { link.block({}); }

  VirtualWorld world;
  SimNetwork network{world};
  SimHost& client = network.add_host("client");
  SimHost& router = network.add_host("router", {.forwards = true});
  SimHost& server = network.add_host("server");
  SimLink *wifi, *mobile;
  SimResolver* names = nullptr;
  ToldPaths* paths = nullptr;
  std::unique_ptr<Framework> framework;
  std::vector<Listener> listeners;
  std::vector<Connection> peers;
  Connection connection;
  std::optional<Result<void>> how;
  std::unique_ptr<RaceReport> report;
  std::vector<std::string> asked, news;
  TimePoint begun{};
  bool listening = false;
};

}  // namespace trellis::tests
