// tcpls_world.h: two simulated hosts that speak tcpls/tcp, and somebody on the
// wire who can break single connections.
#pragma once
#include <gmock/gmock.h>

#include <map>
#include <set>

#include "core/framework_core.h"
#include "loop/sim_network.h"
#include "stacks/virtual_pair.h"

namespace trellis::test {

using tests::Talker;
using namespace std::chrono_literals;

struct TcplsWorld {
  explicit TcplsWorld(std::uint64_t seed = 1, Duration delay = 10ms) : world(seed) {
    wire = &network.link(client.add_interface("eth0", {"10.0.0.1"}), server.add_interface("eth0", {"10.0.0.2"}),
                         {.delay = delay});
    wire->forth().tap = [this](SimPacket& packet) { return judge(packet, packet.from.port); };
    wire->back().tap = [this](SimPacket& packet) { return judge(packet, packet.to.port); };
    FrameworkOptions options;
    options.policies = {TRELLIS_SOURCE_DIR "/policies/default.xml"};
    options.plugin_directories = {TRELLIS_BUILD_DIR "/plugins"};
    framework = Framework::create(std::move(options)).value();
  }
  ~TcplsWorld() { shut(); }
  void shut() {
    if (!framework) return;
    talkers.clear();
    peers.clear();
    listener = {};
    framework->core().forget(client.loop());
    framework->core().forget(server.loop());
    framework.reset();
  }
  static std::string stack(const std::string& options = {}, const std::string& layer = "tcpls") {
    const std::string pki = TRELLIS_SOURCE_DIR "/plugins/protocols/tls/test-pki";
    return layer + "(trust='" + pki + "/ca.pem',certificate='" + pki + "/server.pem',key='" + pki +
           "/server.key',server-name=peer.example,groups=x25519" + (options.empty() ? "" : "," + options) + ")/tcp";
  }
  void listen(const std::string& text) {
    listener = Preconnection(*framework)
                   .stack(text)
                   .local({.host = "10.0.0.2", .port = 4433})
                   .listen(server.loop(), {.listening = [this](const Address&) { listening = true; },
                                           .received = [this](Connection c) { take(std::move(c)); },
                                           .failed = [](const Error& e) { ADD_FAILURE() << e.detail; }});
    ASSERT_TRUE(world.run_until([&] { return listening; }, 1s));
  }
  void take(Connection c) {
    peers.push_back(std::make_unique<Talker>(std::move(c)));
    peers.back()->listen_to_all();
    if (peers_read) peers.back()->read();
  }
  Talker& dial(const std::string& text) {
    Talker& t = *talkers.emplace_back(std::make_unique<Talker>());
    t.connection = Preconnection(*framework)
                       .stack(text)
                       .remote({.host = "10.0.0.2", .port = 4433})
                       .initiate(client.loop(), t.on_ready());
    t.listen_to_all();
    return t;
  }
  /// A session with one stream in which "hello" has arrived.
  Talker& connect(const std::string& client_options = {}, const std::string& server_options = {}) {
    listen(stack(server_options));
    Talker& t = dial(stack(client_options));
    EXPECT_TRUE(world.run_until([&] { return t.ready.has_value(); }, 10s));
    EXPECT_TRUE(t.ready && *t.ready) << (t.ready ? t.ready->error().detail : "not ready");
    t.read();
    t.send("hello");
    EXPECT_TRUE(until([&] { return peers.size() == 1 && peers[0]->reader->all == "hello"; }));
    return t;
  }
  Talker& clone(Talker& of) {
    auto made = std::make_unique<Talker>();
    made->connection = of.connection.clone(made->on_ready());
    made->listen_to_all();
    made->read();
    return *talkers.emplace_back(std::move(made));
  }
  template <class F>
  bool until(F done, Duration within = 60s) {
    return world.run_until(done, within);
  }
  /// From now on every packet of the n-th TCP connection gets this.
  void break_connection(std::size_t n, Verdict verdict) { broken[ports.at(n)] = verdict; }
  static std::string connections(Talker& t) {
    auto list = t.connection.get("tcpls.connections");
    return list ? std::get<std::string>(*list) : list.error().detail;
  }

  VirtualWorld world;
  SimNetwork network{world};
  SimHost& client = network.add_host("client");
  SimHost& server = network.add_host("server");
  SimLink* wire = nullptr;
  std::vector<std::uint16_t> ports;  // of the client, in the order of the connections
  std::map<std::uint16_t, Verdict> broken;
  std::map<std::uint16_t, std::uint64_t> bytes;  // payload of each connection, both directions
  std::function<void(SimPacket&)> change;        // sees every packet that passes
  std::unique_ptr<Framework> framework;
  Listener listener;
  std::vector<std::unique_ptr<Talker>> talkers, peers;
  bool listening = false;
  bool peers_read = true;  // what comes to them, from the start

 private:
  Verdict judge(SimPacket& packet, std::uint16_t port) {
    if (packet.tcp.syn && !packet.tcp.has_ack && !std::ranges::contains(ports, port)) ports.push_back(port);
    const auto found = broken.find(port);
    if (found != broken.end()) return found->second;
    bytes[port] += packet.payload.size();
    if (change) change(packet);
    return Verdict::pass;
  }
};

}  // namespace trellis::test
