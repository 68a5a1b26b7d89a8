// roaming.h: a host with Wi-Fi and a mobile network behind one router, a server, and a policy that finds paths.
#pragma once
#include "path_world.h"

namespace trellis::tests {

/// Tests derive from it with the stack that both ends use.
struct Roaming : PathWorld {
  explicit Roaming(std::string stack) : text(std::move(stack)) { find_paths(); }
  Preconnection to_server(const std::string& stack = {}) {
    Preconnection preconnection(*framework);
    preconnection.stack(stack.empty() ? text : stack).remote({.host = "192.0.2.7", .port = 4433});
    return preconnection;
  }
  /// A connection by which "hello" has arrived.
  void connect(Preconnection preconnection, const std::string& server_stack = {}) {
    ASSERT_NO_FATAL_FAILURE(listen_with(server_stack.empty() ? text : server_stack));
    dial(std::move(preconnection));
  }
  /// The same to a server that listens already.
  void dial(Preconnection preconnection) {
    ASSERT_NO_FATAL_FAILURE(establish(std::move(preconnection)));
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
  SimHost& router = network.add_host("router", {.forwards = true});
  SimLink& wlan = network.link(client.add_interface("wlan0", {"10.1.0.2"}), router.add_interface("wlan0", {"10.1.0.1"}),
                               {.delay = 5ms});
  SimLink& wwan = network.link(client.add_interface("wwan0", {"10.2.0.2"}), router.add_interface("wwan0", {"10.2.0.1"}),
                               {.delay = 20ms});
  SimLink& uplink = network.link(router.add_interface("eth0", {"192.0.2.1"}),
                                 server.add_interface("eth0", {"192.0.2.7"}), {.delay = 5ms});
};

}  // namespace trellis::tests
