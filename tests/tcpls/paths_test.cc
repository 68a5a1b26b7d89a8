// A session on a host with two ways out: a connection on each, moving between them, and a way out that goes.
#include "loop/sim_paths.h"
#include "tcpls_world.h"

namespace trellis::test {
namespace {

/// A host with Wi-Fi and a mobile network behind one router, and a server.
struct Roaming : testing::Test {
  Roaming() {
    network.link(client.add_interface("wlan0", {"10.1.0.2"}), router.add_interface("wlan0", {"10.1.0.1"}),
                 {.delay = 5ms});
    network.link(client.add_interface("wwan0", {"10.2.0.2"}), router.add_interface("wwan0", {"10.2.0.1"}),
                 {.delay = 20ms});
    network.link(router.add_interface("eth0", {"192.0.2.1"}), server.add_interface("eth0", {"192.0.2.7"}),
                 {.delay = 5ms});
    FrameworkOptions options;
    options.plugin_directories = {TRELLIS_BUILD_DIR "/plugins"};
    auto core = std::make_unique<FrameworkCore>(std::move(options), std::vector<PluginRules>{});
    EXPECT_TRUE(core->registry.link("simulated",
                                    [&](Registrar& registrar) { registrar.add(std::make_unique<SimPaths>(network)); }));
    auto policy = parse_policy(
        R"(<policy xmlns="urn:trellis:policy:1" name="roaming"><paths provider="simulated"/>
           <stacks><stack name="tcp"><layer protocol="tcp"/></stack></stacks></policy>)",
        "roaming.xml");
    EXPECT_TRUE(policy) << policy.error().detail;
    if (auto loaded = core->load({*policy}); !loaded) ADD_FAILURE() << loaded.error().detail;
    framework = std::make_unique<Framework>(std::move(core));
  }
  ~Roaming() override {
    talker = {};
    peers.clear();
    listener = {};
    framework->core().forget(client.loop());
    framework->core().forget(server.loop());
  }
  Preconnection to_server(const std::string& options = {}) {
    Preconnection preconnection(*framework);
    preconnection.stack(TcplsWorld::stack(options)).remote({.host = "192.0.2.7", .port = 4433});
    return preconnection;
  }
  /// A session in which "hello" has arrived.
  void connect(Preconnection preconnection) {
    listener = Preconnection(*framework)
                   .stack(TcplsWorld::stack())
                   .local({.host = {}, .port = 4433})
                   .listen(server.loop(), {.listening = [this](const Address&) { listening = true; },
                                           .received =
                                               [this](Connection c) {
                                                 peers.push_back(std::make_unique<Talker>(std::move(c)));
                                                 peers.back()->read();
                                               },
                                           .failed = [](const Error& e) { ADD_FAILURE() << e.detail; }});
    ASSERT_TRUE(world.run_until([&] { return listening; }, 1s));
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
  std::string connections() { return TcplsWorld::connections(*talker); }
  std::uint64_t path() { return std::get<std::uint64_t>(*talker->connection.get("tcpls.path")); }

  VirtualWorld world;
  SimNetwork network{world};
  SimHost& client = network.add_host("client");
  SimHost& router = network.add_host("router", {.forwards = true});
  SimHost& server = network.add_host("server");
  std::unique_ptr<Framework> framework;
  Listener listener;
  std::unique_ptr<Talker> talker;
  std::vector<std::unique_ptr<Talker>> peers;
  bool listening = false;
};

// TCPLS-78, TCPLS-87: the connection in reserve is on the other way out.
TEST_F(Roaming, AConnectionOnEachWayOut) {
  connect(to_server());
  world.run_for(1s);
  EXPECT_THAT(connections(), testing::HasSubstr("0:"));
  EXPECT_THAT(connections(), testing::HasSubstr("wlan0"));
  EXPECT_THAT(connections(), testing::HasSubstr("wwan0"));
}

// TCPLS-81: the streams go on over the path that was asked for.
TEST_F(Roaming, MovesToAPathOnRequest) {
  connect(to_server());
  world.run_for(1s);
  const std::uint64_t first = path();
  std::uint64_t other = 0;
  for (std::uint64_t id = 1; id < 10 && other == 0; ++id) {
    if (id != first && talker->connection.set("tcpls.path", id)) other = id;
  }
  ASSERT_NE(other, 0u) << connections();
  world.run_for(1s);
  EXPECT_EQ(path(), other) << connections();
  arrives(std::string(100'000, 'm'));
  EXPECT_FALSE(talker->connection.set("tcpls.path", std::uint64_t{4711})) << "there is no such path";
}

// TCPLS-82, TCPLS-85: an interface that goes takes nothing along, and is not waited for.
TEST_F(Roaming, AnInterfaceGoesInTheMiddle) {
  connect(to_server());
  world.run_for(1s);
  talker->send(std::string(300'000, 'x'));
  world.run_for(12ms);
  client.interface("wlan0").set_up(false);
  EXPECT_TRUE(world.run_until([&] { return peers[0]->reader->all.size() == 300'005; }, 3s)) << connections();
  EXPECT_FALSE(talker->failed);
  EXPECT_THAT(connections(), testing::Not(testing::HasSubstr("wlan0")));
  client.interface("wlan0").set_up(true);
  EXPECT_TRUE(world.run_until([&] { return connections().contains("wlan0"); }, 10s)) << "it is in reserve again";
}

// Without multipath there is one connection, whatever ways out there are.
TEST_F(Roaming, WhoProhibitsMultipathHasOneConnection) {
  connect(to_server().prohibit(Feature::multipath));
  world.run_for(2s);
  EXPECT_FALSE(connections().contains(";")) << connections();
}

}  // namespace
}  // namespace trellis::test
