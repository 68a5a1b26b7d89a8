// nat_world.h: a simulated host behind a NAT, with a second way out that has none, and a STUN server outside.
#pragma once
#include <gmock/gmock.h>

#include <format>

#include "../stacks/policy_framework.h"
#include "../stacks/world.h"
#include "core/framework_core.h"
#include "loop/sim_network.h"
#include "loop/sim_paths.h"
#include "loop/sim_resolver.h"
#include "mock_stun.h"
#include "trellis/address_text.h"

namespace trellis::tests {

using namespace std::chrono_literals;

inline Address at(std::string_view literal, std::uint16_t port) { return parse_address(literal, port).value(); }

/// Names and paths are simulated.
constexpr const char* kUdpOnPaths =
    R"(<policy xmlns="urn:trellis:policy:1" name="nat"><requirements safely-replayable="true"/>
       <names><resolver name="simulated"/></names><paths provider="simulated"/>
       <stacks><stack name="udp"><layer protocol="udp"/></stack></stacks>
       </policy>)";

struct NatWorld : testing::Test {
  NatWorld() {
    network.link(client.add_interface("wlan0", {"10.0.0.2"}), nat.add_interface("lan", {"10.0.0.1"}), {.delay = 5ms});
    SimInterface& outside = nat.add_interface("wan", {"198.51.100.1"});
    network.link(outside, router.add_interface("one", {"198.51.100.254"}), {.delay = 5ms});
    translator = &nat.add_nat(outside);
    network.link(client.add_interface("wwan0", {"203.0.113.2", "2001:db8:2::2"}),
                 router.add_interface("two", {"203.0.113.1", "2001:db8:2::1"}), {.delay = 20ms});
    to_server = &network.link(router.add_interface("three", {"192.0.2.1", "2001:db8:9::1"}),
                              server.add_interface("eth0", {"192.0.2.7", "2001:db8:9::7"}), {.delay = 5ms});
    mock = std::make_unique<MockStun>(server.loop(), at("192.0.2.7", 3478));
    FrameworkOptions options;
    options.log = [this](Severity, std::string_view, std::string_view text) { logged.emplace_back(text); };
    const auto add = [&](Registrar& registrar) {
      registrar.add(std::make_unique<SimPaths>(network));
      auto resolver = std::make_unique<SimResolver>();
      names = resolver.get();
      registrar.add(std::move(resolver));
    };
    framework = framework_with(kUdpOnPaths, add, std::move(options));
    names->serve([](const Query& query) {
      if (query.host == "both.example")
        return SimAnswers{{.addresses = {at("2001:db8:9::7", 0)}}, {.addresses = {at("192.0.2.7", 0)}}};
      if (query.host == "peer.example" || query.host == "stun.example")
        return SimAnswers{{}, {.addresses = {at("192.0.2.7", 0)}}};
      return SimAnswers{};
    });
  }
  ~NatWorld() override {
    resolving = {};
    resolved.reset();
    framework->core().forget(client.loop());
    framework->core().forget(server.loop());
  }
  /// A Preconnection that asks the server.
  Preconnection ask(std::string username = {}, std::string password = {}) {
    Preconnection preconnection(*framework);
    preconnection.stun_server(
        {.endpoint = {.host = "192.0.2.7"}, .username = std::move(username), .password = std::move(password)});
    return preconnection;
  }
  void begin(Preconnection preconnection) {
    resolved.reset();
    begun = world.now();
    resolving = preconnection.resolve(client.loop(), [this](Result<Resolved> result) { resolved = std::move(result); });
    EXPECT_FALSE(resolved) << "nothing is told inside the call";
  }
  /// How long it took.
  Duration resolve(Preconnection preconnection) {
    begin(std::move(preconnection));
    EXPECT_TRUE(world.run_until([&] { return resolved.has_value(); }, 120s));
    return world.now() - begun;
  }
  /// "host wlan0 10.0.0.2", without ports.
  std::vector<std::string> candidates() const {
    std::vector<std::string> all;
    if (!resolved || !*resolved) return {resolved ? resolved->error().detail : "nothing was told"};
    for (const LocalCandidate& c : (*resolved)->local) {
      const std::string text = to_text(c.address);
      EXPECT_NE(c.address.port, 0) << text;
      all.push_back(std::format("{} {} {}", to_string(c.kind), c.interface_name, text.substr(0, text.rfind(':'))));
    }
    return all;
  }
  std::string trouble(std::size_t i = 0) const {
    return resolved && *resolved && (*resolved)->trouble.size() > i ? (*resolved)->trouble[i].detail : "none";
  }
  const LocalCandidate& candidate(CandidateKind kind) const {
    return *std::ranges::find((*resolved)->local, kind, &LocalCandidate::kind);
  }

  VirtualWorld world;
  SimNetwork network{world};
  SimHost& client = network.add_host("client");
  SimHost& nat = network.add_host("nat", {.forwards = true});
  SimHost& router = network.add_host("router", {.forwards = true});
  SimHost& server = network.add_host("server");
  SimNat* translator = nullptr;
  SimLink* to_server = nullptr;
  SimResolver* names = nullptr;
  std::unique_ptr<MockStun> mock;
  std::unique_ptr<Framework> framework;
  Resolving resolving;
  std::optional<Result<Resolved>> resolved;
  std::vector<std::string> logged;
  TimePoint begun{};
};

}  // namespace trellis::tests
