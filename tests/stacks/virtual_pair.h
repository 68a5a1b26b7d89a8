// virtual_pair.h: two simulated hosts with a link between them, one framework for both, and layers of the tests beside
// the built plugins.
#pragma once
#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/framework_core.h"
#include "loop/sim_network.h"
#include "many_mux.h"
#include "world.h"

namespace trellis::tests {

using namespace std::chrono_literals;

/// A Connection of a test, with what it hears.
struct Talker {
  explicit Talker(Connection given) : connection(std::move(given)) {}
  Talker() = default;
  Talker(const Talker&) = delete;
  Talker& operator=(const Talker&) = delete;
  Connection connection;
  std::optional<Result<void>> ready, closed;
  std::optional<Error> failed;
  std::vector<Error> soft;
  std::unique_ptr<Reader> reader;
  void listen_to_all() {
    connection.on_failed([this](const Error& e) { failed = e; });
    connection.on_notice([this](Notice, const Error& e) { soft.push_back(e); });
  }
  void read() { reader = std::make_unique<Reader>(connection); }
  void send(std::string_view content) { connection.send(slice(connection, content)); }
  void close() {
    connection.close([this](Result<void> how) { closed = std::move(how); });
  }
  auto on_ready() {
    return [this](Result<void> how) { ready = std::move(how); };
  }
};

/// Everything that is destroyed before the framework must be declared after it.
struct VirtualPair {
  VirtualPair() {
    mux_facts = {};
    FrameworkOptions options;
    options.policies = {TRELLIS_SOURCE_DIR "/policies/default.xml"};
    options.plugin_directories = {TRELLIS_BUILD_DIR "/plugins"};
    options.log = [this](Severity, std::string_view who, std::string_view what) {
      log.push_back(std::string(who) + ": " + std::string(what));
    };
    framework = Framework::create(std::move(options)).value();
    EXPECT_TRUE(framework->core().registry.link("mux", [](Registrar& registrar) { add_test_layers(registrar); }));
  }
  ~VirtualPair() { shut(); }
  /// Ends both programs where they are.
  void shut() {
    if (!framework) return;
    talkers.clear();
    peers.clear();
    listener = {};
    framework->core().forget(client.loop());
    framework->core().forget(server.loop());
    framework.reset();
  }
  /// Lets go of a part of it, and lets that run. `way`: 0: of nothing, 1: of the client's Connections, 2: of the
  /// server's, 3: of the listener. shut() then ends the rest.
  void cut_off(int way) {
    if (way == 1) talkers.clear();
    if (way == 2) peers.clear();
    if (way == 3) listener = {};
    if (way != 0) world.run_for(50ms);
  }
  static void add_test_layers(Registrar& registrar) {
    registrar.add(std::make_unique<MuxKind>(false));
    registrar.add(std::make_unique<MuxKind>(true));
    registrar.add(std::make_unique<ManyMuxKind>());
  }

  void listen(std::string_view stack) {
    listener = Preconnection(*framework)
                   .stack(stack)
                   .set(kSafelyReplayable.name, true)  // whatever stack it is
                   .local({.host = "10.0.0.2", .port = 4433})
                   .listen(server.loop(), {.listening = [this](const Address&) { listening = true; },
                                           .received = [this](Connection c) { take(std::move(c)); },
                                           .failed = [this](const Error& e) { listen_error = e; }});
    EXPECT_TRUE(world.run_until([&] { return listening || listen_error; }, 1s));
    EXPECT_FALSE(listen_error) << listen_error->detail;
  }
  void take(Connection c) {
    peers.push_back(std::make_unique<Talker>(std::move(c)));
    peers.back()->listen_to_all();
    if (peers_read) peers.back()->read();
  }
  Preconnection to_server(std::string_view stack) {
    return Preconnection(*framework)
        .stack(stack)
        .set(kSafelyReplayable.name, true)
        .remote({.host = "10.0.0.2", .port = 4433});
  }
  Talker& dial(std::string_view stack) {
    Talker& t = *talkers.emplace_back(std::make_unique<Talker>());
    t.connection = to_server(stack).initiate(client.loop(), t.on_ready());
    t.listen_to_all();
    return t;
  }
  Talker& dial_ready(std::string_view stack) {
    Talker& t = dial(stack);
    EXPECT_TRUE(world.run_until([&] { return t.ready.has_value(); }, 10s));
    EXPECT_TRUE(t.ready && *t.ready) << (t.ready ? t.ready->error().detail : "not ready");
    return t;
  }
  Talker& clone(Talker& of, CloneOptions options = {}) {
    auto made = std::make_unique<Talker>();
    made->connection = of.connection.clone(made->on_ready(), std::move(options));
    made->listen_to_all();
    auto& home = std::ranges::any_of(peers, [&](auto& p) { return p.get() == &of; }) ? peers : talkers;
    return *home.emplace_back(std::move(made));
  }
  template <class F>
  bool until(F done) {
    return world.run_until(done, 30s);
  }
  std::size_t members(SimHost& host) { return framework->core().turn(host.loop()).members(); }

  VirtualWorld world;
  SimNetwork network{world};
  SimHost& client = network.add_host("client");
  SimHost& server = network.add_host("server");
  SimLink& link = network.link(client.add_interface("eth0", {"10.0.0.1"}), server.add_interface("eth0", {"10.0.0.2"}),
                               {.delay = 10ms});
  std::vector<std::string> log;
  std::unique_ptr<Framework> framework;
  Listener listener;
  std::vector<std::unique_ptr<Talker>> talkers, peers;
  std::optional<Error> listen_error;
  bool listening = false, peers_read = true;
};

}  // namespace trellis::tests
