// path_world.h: a client and a server in a simulated network, whose paths a policy finds, and a Connection of theirs.
#pragma once
#include <gmock/gmock.h>

#include "core/framework_core.h"
#include "loop/sim_network.h"
#include "loop/sim_paths.h"
#include "policy_framework.h"
#include "virtual_pair.h"

namespace trellis::tests {

/// Tests derive from it and join the hosts by links; then comes find_paths().
struct PathWorld : testing::Test {
  ~PathWorld() override {
    talker = {};
    peers.clear();
    listener = {};
    framework->core().forget(client.loop());
    framework->core().forget(server.loop());
  }
  void find_paths() {
    framework = framework_with(
        R"(<policy xmlns="urn:trellis:policy:1" name="paths"><paths provider="simulated"/>
           <stacks><stack name="tcp"><layer protocol="tcp"/></stack></stacks></policy>)",
        [&](Registrar& registrar) { registrar.add(std::make_unique<SimPaths>(network)); });
  }
  /// The server listens, at this address or at all of its own, and keeps its peers.
  void listen_with(const std::string& stack, const char* at = "") {
    Preconnection passive(*framework);
    if (!server_multipath.empty()) passive.set(kMultipath.name, server_multipath);
    bool listening = false;
    listener = passive.stack(stack)
                   .local({.host = at, .port = 4433})
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
  /// The client connects, and reads.
  void establish(Preconnection preconnection) {
    talker = std::make_unique<Talker>();
    talker->connection = preconnection.initiate(client.loop(), talker->on_ready());
    talker->listen_to_all();
    ASSERT_TRUE(world.run_until([&] { return talker->ready.has_value(); }, 10s));
    ASSERT_TRUE(*talker->ready) << talker->ready->error().detail;
    talker->read();
  }

  VirtualWorld world;
  SimNetwork network{world};
  SimHost& client = network.add_host("client");
  SimHost& server = network.add_host("server");
  std::unique_ptr<Framework> framework;
  std::string server_multipath;  // empty: not set
  Listener listener;
  std::unique_ptr<Talker> talker;
  std::vector<std::unique_ptr<Talker>> peers;
};

}  // namespace trellis::tests
