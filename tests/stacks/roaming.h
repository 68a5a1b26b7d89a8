// roaming.h: a host with Wi-Fi and a mobile network behind one router, a server, and a policy that finds paths.
#pragma once
#include <gmock/gmock.h>

#include "core/framework_core.h"
#include "loop/sim_network.h"
#include "loop/sim_paths.h"
#include "policy_framework.h"
#include "virtual_pair.h"

namespace trellis::tests {

/// Tests derive from it with the stack that both ends use.
struct Roaming : testing::Test {
  explicit Roaming(std::string stack) : text(std::move(stack)) {
    framework = framework_with(
        R"(<policy xmlns="urn:trellis:policy:1" name="roaming"><paths provider="simulated"/>
           <stacks><stack name="tcp"><layer protocol="tcp"/></stack></stacks></policy>)",
        [&](Registrar& registrar) { registrar.add(std::make_unique<SimPaths>(network)); });
  }
  ~Roaming() override {
    talker = {};
    peers.clear();
    listener = {};
    framework->core().forget(client.loop());
    framework->core().forget(server.loop());
  }
  Preconnection to_server(const std::string& stack = {}) {
    Preconnection preconnection(*framework);
    preconnection.stack(stack.empty() ? text : stack).remote({.host = "192.0.2.7", .port = 4433});
    return preconnection;
  }
  /// A connection by which "hello" has arrived.
  void connect(Preconnection preconnection, const std::string& server_stack = {}) {
    Preconnection passive(*framework);
    if (!server_multipath.empty()) passive.set(kMultipath.name, server_multipath);
    listener = passive.stack(server_stack.empty() ? text : server_stack)
                   .local({.host = {}, .port = 4433})
                   .listen(server.loop(), {.listening = [this](const Address&) { listening = true; },
                                           .received =
                                               [this](Connection c) {
                                                 peers.push_back(std::make_unique<Talker>(std::move(c)));
                                                 peers.back()->listen_to_all();
                                                 peers.back()->read();
                                               },
                                           .failed = [](const Error& e) { ADD_FAILURE() << e.detail; }});
    ASSERT_TRUE(world.run_until([&] { return listening; }, 1s));
    dial(std::move(preconnection));
  }
  /// The same to a server that listens already.
  void dial(Preconnection preconnection) {
    talker = std::make_unique<Talker>();
    talker->connection = preconnection.initiate(client.loop(), talker->on_ready());
    talker->listen_to_all();
    ASSERT_TRUE(world.run_until([&] { return talker->ready.has_value(); }, 10s));
    ASSERT_TRUE(*talker->ready) << talker->ready->error().detail;
    talker->read();
    arrives("hello");
  }
  void arrives(const std::string& what) {
    const std::string before = peers.empty() ? std::string() : peers[0]->reader->all;
    talker->send(what);
    EXPECT_TRUE(world.run_until([&] { return peers.size() == 1 && peers[0]->reader->all == before + what; }, 60s));
  }
  std::uint64_t path(const std::string& name) {
    auto value = talker->connection.get(name);
    return value ? std::get<std::uint64_t>(*value) : 0;
  }
  /// The id of another path that a property moved to when it was set; 0: there is none.
  std::uint64_t move_by(const std::string& name) {
    const std::uint64_t own = path(name);
    for (std::uint64_t id = 1; id < 10; ++id) {
      if (id != own && talker->connection.set(name, id)) return id;
    }
    return 0;
  }

  const std::string text;
  VirtualWorld world;
  SimNetwork network{world};
  SimHost& client = network.add_host("client");
  SimHost& router = network.add_host("router", {.forwards = true});
  SimHost& server = network.add_host("server");
  SimLink& wlan = network.link(client.add_interface("wlan0", {"10.1.0.2"}), router.add_interface("wlan0", {"10.1.0.1"}),
                               {.delay = 5ms});
  SimLink& wwan = network.link(client.add_interface("wwan0", {"10.2.0.2"}), router.add_interface("wwan0", {"10.2.0.1"}),
                               {.delay = 20ms});
  SimLink& uplink = network.link(router.add_interface("eth0", {"192.0.2.1"}),
                                 server.add_interface("eth0", {"192.0.2.7"}), {.delay = 5ms});
  std::unique_ptr<Framework> framework;
  std::string server_multipath;  // empty: not set
  Listener listener;
  std::unique_ptr<Talker> talker;
  std::vector<std::unique_ptr<Talker>> peers;
  bool listening = false;
};

}  // namespace trellis::tests
