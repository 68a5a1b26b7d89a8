// two_homes.h: sctp/udp between two simulated hosts with two addresses each, joined by two links.
#pragma once
#include <gmock/gmock.h>

#include "core/framework_core.h"
#include "loop/sim_network.h"
#include "loop/sim_paths.h"
#include "sctp_pair.h"
#include "stacks/policy_framework.h"
#include "stacks/virtual_pair.h"

namespace trellis::tests {

struct TwoHomes : testing::Test {
  /// With these addresses on the second link.
  explicit TwoHomes(const char* there = "10.2.0.1", const char* beyond = "10.2.0.2")
      : second(network.link(client.add_interface("eth1", {there}), server.add_interface("eth1", {beyond}),
                            {.delay = 20ms})) {
    framework = framework_with(
        R"(<policy xmlns="urn:trellis:policy:1" name="two-homes"><paths provider="simulated"/>
           <stacks><stack name="tcp"><layer protocol="tcp"/></stack></stacks></policy>)",
        [&](Registrar& registrar) { registrar.add(std::make_unique<SimPaths>(network)); });
  }
  ~TwoHomes() override {
    talker = {};
    peers.clear();
    listener = {};
    framework->core().forget(client.loop());
    framework->core().forget(server.loop());
  }
  void listen(const std::string& options = kAddresses) {
    Preconnection passive(*framework);
    if (!server_multipath.empty()) passive.set("multipath", server_multipath);
    bool listening = false;
    listener = passive.stack(sctp(options))
                   .local({.host = {}, .port = 4433})
                   .listen(server.loop(), {.listening = [&](const Address&) { listening = true; },
                                           .received =
                                               [this](Connection c) {
                                                 peers.push_back(std::make_unique<Talker>(std::move(c)));
                                                 peers.back()->listen_to_all();
                                                 peers.back()->read();
                                               },
                                           .failed = [](const Error& e) { ADD_FAILURE() << e.detail; }});
    ASSERT_TRUE(world.run_until([&] { return listening; }, 1s));
  }
  Preconnection to_server(const std::string& options = {}) {
    Preconnection preconnection(*framework);
    preconnection.stack(sctp(options)).remote({.host = "10.1.0.2", .port = 4433});
    return preconnection;
  }
  /// Connects, and a moment later all paths are known that will be.
  void connect(Preconnection preconnection) {
    talker = std::make_unique<Talker>();
    talker->connection = preconnection.initiate(client.loop(), talker->on_ready());
    talker->listen_to_all();
    ASSERT_TRUE(world.run_until([&] { return talker->ready.has_value(); }, 10s));
    ASSERT_TRUE(*talker->ready) << talker->ready->error().detail;
    talker->read();
    world.run_for(1s);
    ASSERT_EQ(peers.size(), 1u);
  }
  void connect() {
    listen();
    connect(to_server());
  }
  static std::string fact(Connection& of, std::string_view name) {
    const auto value = of.get(name);
    if (!value) return value.error().detail;
    const auto* const text = std::get_if<std::string>(&*value);
    return text != nullptr ? *text : std::to_string(std::get<std::uint64_t>(*value));
  }
  std::string paths(Talker& of) { return fact(of.connection, "sctp.paths"); }
  Talker& peer() { return *peers[0]; }
  static bool told(const Talker& t, const std::string& what) {
    return std::ranges::any_of(
        t.soft, [&](const Error& e) { return std::string_view(e.layer) == "sctp" && e.detail.contains(what); });
  }
  /// What passes a link from now on, in bytes.
  static std::shared_ptr<std::size_t> count(SimLinkDirection& way) {
    auto bytes = std::make_shared<std::size_t>(0);
    way.tap = [bytes](SimPacket& packet) { return *bytes += packet.payload.size(), Verdict::pass; };
    return bytes;
  }
  static void cut(SimLink& link) { link.block({.verdict = Verdict::drop}); }

  static constexpr const char* kAddresses = "addresses='10.1.0.2 10.2.0.2'";
  VirtualWorld world;
  SimNetwork network{world};
  SimHost& client = network.add_host("client");
  SimHost& server = network.add_host("server");
  SimLink& first = network.link(client.add_interface("eth0", {"10.1.0.1"}), server.add_interface("eth0", {"10.1.0.2"}),
                                {.delay = 5ms});
  SimLink& second;
  std::unique_ptr<Framework> framework;
  std::string server_multipath;  // empty: not set
  Listener listener;
  std::unique_ptr<Talker> talker;
  std::vector<std::unique_ptr<Talker>> peers;
};

}  // namespace trellis::tests
