// The tcp and udp plugins in a simulated network: distance, loss, full buffers, and every socket call failing.
#include <arpa/inet.h>

#include <algorithm>
#include <cerrno>

#include "loop/sim_network.h"
#include "one_layer.h"

namespace trellis::test {
namespace {

Address address(const char* literal, std::uint16_t port) {
  Address made{.family = Address::Family::ipv4, .port = port};
  inet_pton(AF_INET, literal, made.ip.data());
  return made;
}

std::string pattern(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + (i / 3 + i / 1009) % 26);
  return text;
}

/// Two hosts; a server on one, clients on the other.
struct TwoHosts {
  explicit TwoHosts(std::uint64_t seed, const LinkConditions& conditions, double short_transfers = 0)
      : world(seed),
        network(world),
        client_host(network.add_host("client", {.short_transfers = short_transfers})),
        server_host(network.add_host("server", {.short_transfers = short_transfers})),
        link(network.link(client_host.add_interface("eth0", {"10.0.0.1"}),
                          server_host.add_interface("eth0", {"10.0.0.2"}), conditions)) {}
  void listen(const std::string& plugin, std::map<std::string, OptionValue> options = {}) {
    protocol = configured(plugin, std::move(options));
    listener.emplace(server_host.loop(), protocol, address("10.0.0.2", 7));
  }
  std::unique_ptr<OneLayer> connect(std::uint16_t port = 7) {
    return OneLayer::connect(client_host.loop(), protocol, address("10.0.0.2", port));
  }
  OneLayer& peer(std::size_t i = 0) { return *listener->peers.at(i); }
  VirtualWorld world;
  SimNetwork network;
  SimHost& client_host;
  SimHost& server_host;
  SimLink& link;
  std::shared_ptr<Protocol> protocol;
  std::optional<OneListener> listener;
};

/// Sends all of a text as credit comes, then finishes or closes.
struct Writer {
  OneLayer& layer;
  const std::string& text;
  std::size_t piece;
  std::size_t at = 0;
  void step() {
    while (at < text.size() && layer.was_ready && !layer.over() && layer.port().credit() > 0) {
      const std::size_t n = std::min(piece, text.size() - at);
      layer.send(std::string_view(text).substr(at, n));
      at += n;
      if (at == text.size()) layer.port().finish();
    }
  }
};

TEST(SimulatedTcp, TakesOneRoundTripToConnect) {
  TwoHosts hosts(1, {.delay = 25ms});
  hosts.listen("tcp");
  auto client = hosts.connect();
  EXPECT_FALSE(client->was_ready);
  ASSERT_TRUE(hosts.world.run_until([&] { return client->was_ready; }, 1s));
  EXPECT_EQ(std::chrono::duration_cast<std::chrono::milliseconds>(hosts.world.elapsed()), 50ms);
}

TEST(SimulatedTcp, NamesARefusalAndATimeout) {
  TwoHosts hosts(1, {.delay = 25ms});
  hosts.protocol = configured("tcp");
  auto refused = hosts.connect(9);
  ASSERT_TRUE(hosts.world.run_until([&] { return refused->failure.has_value(); }, 1s));
  EXPECT_EQ(refused->failure->reason, Reason::unreachable);
  EXPECT_EQ(refused->failure->detail, "connect to 10.0.0.2:9: Connection refused");
  hosts.network.set_up(hosts.link, true);
  hosts.link.block({});
  auto silent = hosts.connect(7);
  ASSERT_TRUE(hosts.world.run_until([&] { return silent->failure.has_value(); }, 10min));
  EXPECT_EQ(silent->failure->reason, Reason::timed_out);
}

// IMPL-115, IMPL-116: whatever the network and the sizes of reads and writes, the bytes are the same.
TEST(SimulatedTcp, MovesDataBothWaysThroughBadNetworks) {
  const std::string up = pattern(300'000), down = pattern(200'000);
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    TwoHosts hosts(seed, {.delay = 5ms, .jitter = 5ms, .loss = seed % 3 == 0 ? 0.04 : 0.01, .reorder = 0.05}, 0.3);
    hosts.listen("tcp", {{"send-queue-bytes", std::int64_t{8192}}, {"read-bytes", std::int64_t{4096}}});
    auto client = hosts.connect();
    ASSERT_TRUE(hosts.world.run_until([&] { return client->was_ready && hosts.listener->peers.size() == 1; }, 5min));
    ASSERT_TRUE(hosts.world.run_until([&] { return hosts.peer().was_ready; }, 1s));
    for (OneLayer* layer : {client.get(), &hosts.peer()}) {
      layer->hungry = true;
      layer->demand(10'000);
    }
    Writer writers[] = {{*client, up, 7000}, {hosts.peer(), down, 100}};
    ASSERT_TRUE(hosts.world.run_until(
        [&] {
          for (Writer& writer : writers) writer.step();
          return client->ended && hosts.peer().ended;
        },
        1h))
        << "seed " << seed;
    EXPECT_EQ(hosts.peer().received, up) << "seed " << seed;
    EXPECT_EQ(client->received, down) << "seed " << seed;
    client->close();
    hosts.peer().close();
    ASSERT_TRUE(hosts.world.run_until([&] { return client->was_closed && hosts.peer().was_closed; }, 1min));
  }
}

// IMPL-108
TEST(SimulatedTcp, SavesARoundTripWithFastOpen) {
  TwoHosts hosts(1, {.delay = 25ms});
  hosts.listen("tcp", {{"fast-open", true}});
  hosts.listener->on_peer = [](OneLayer& peer) { peer.demand(1000); };
  Duration took[2]{};
  for (std::size_t i = 0; i < 2; ++i) {
    const TimePoint begin = hosts.world.now();
    auto client = hosts.connect();
    MessageRef info = new_message();
    info->replayable = true;
    client->send("request", info);
    ASSERT_TRUE(hosts.world.run_until(
        [&] { return hosts.listener->peers.size() == i + 1 && hosts.peer(i).received == "request"; }, 1s));
    took[i] = hosts.world.now() - begin;
    ASSERT_TRUE(hosts.world.run_until([&] { return client->was_ready; }, 1s));
  }
  EXPECT_GE(took[0], 75ms);
  EXPECT_LT(took[1], 30ms);
}

TEST(SimulatedTcp, FastOpenWithoutEarlyDataLosesNoTime) {
  TwoHosts hosts(1, {.delay = 25ms});
  hosts.listen("tcp", {{"fast-open", true}});
  for (int i = 0; i < 2; ++i) {
    const TimePoint begin = hosts.world.now();
    auto client = hosts.connect();
    ASSERT_TRUE(hosts.world.run_until([&] { return client->was_ready; }, 1s));
    EXPECT_LT(hosts.world.now() - begin, 51ms);
    EXPECT_EQ(client->was_early, i > 0);
  }
}

// Without a pause the listening socket would stir the loop at every poll.
TEST(SimulatedTcp, PausesWhileDescriptorsAreOut) {
  TwoHosts hosts(1, {.delay = 1ms});
  hosts.listen("tcp");
  hosts.network.faults().fail(SocketCall::accept, FaultPlan::kEvery, EMFILE, "server");
  auto first = hosts.connect();
  auto second = hosts.connect();
  hosts.world.run_for(1s);
  EXPECT_LE(hosts.network.faults().calls(SocketCall::accept), 21u);
  EXPECT_GE(hosts.network.faults().calls(SocketCall::accept), 19u);
  EXPECT_EQ(hosts.listener->logged.size(), 1u);
  hosts.network.faults().clear();
  ASSERT_TRUE(hosts.world.run_until([&] { return hosts.listener->peers.size() == 2; }, 100ms));
  hosts.network.faults().fail(SocketCall::accept, FaultPlan::kEvery, EMFILE, "server");
  auto third = hosts.connect();
  hosts.world.run_for(1s);
  EXPECT_EQ(hosts.listener->logged.size(), 2u);  // it had recovered in between
}

// A closed connection without demand or news costs no turns.
TEST(SimulatedTcp, IsIdleWhenNothingHappens) {
  TwoHosts hosts(1, {.delay = 1ms});
  hosts.listen("tcp");
  auto client = hosts.connect();
  ASSERT_TRUE(hosts.world.run_until([&] { return hosts.listener->peers.size() == 1 && hosts.peer().was_ready; }, 1s));
  client->send(pattern(10'000));  // nobody asks for it
  hosts.peer().demand(100);
  hosts.peer().port().finish();
  hosts.world.run_for(100ms);
  EXPECT_EQ(hosts.peer().received.size(), 100u);
  hosts.world.run_for(5s);  // a look for retransmissions is due, and simulated sockets do not tell of any
  const auto turns = hosts.world.turns();
  hosts.world.run_for(10s);
  EXPECT_EQ(hosts.world.turns(), turns);
}

/// What both protocols go through when any call may fail: connect, talk, half-close, close.
void talk(TwoHosts& hosts, const std::string& plugin) {
  hosts.listen(plugin);
  if (hosts.listener->failure) return;
  hosts.listener->on_peer = [](OneLayer& peer) {
    peer.hungry = true;
    peer.demand(4000);
  };
  auto client = hosts.connect();
  client->hungry = true;
  client->demand(4000);
  const auto step = [&] {
    if (client->was_ready && client->received.empty() && client->link.down.batch.empty() && !client->over()) {
      client->send("question");  // again while there is no answer: faults and UDP lose
    }
    for (auto& peer : hosts.listener->peers) {
      if (!peer->received.empty() && peer->datagrams.size() < 1000 && !peer->over() && client->received.empty())
        peer->send("answer");
    }
    hosts.world.run_for(1ms);
  };
  for (int i = 0; i < 200 && client->received.empty() && !client->over(); ++i) step();
  client->port().finish();
  hosts.world.run_for(10ms);
  if (!client->over()) client->close();
  for (auto& peer : hosts.listener->peers) {
    if (!peer->over()) peer->close();
  }
  EXPECT_TRUE(hosts.world.run_until(
      [&] { return client->over() && std::ranges::all_of(hosts.listener->peers, [](auto& p) { return p->over(); }); },
      30s));
}

TEST(Simulated, SurvivesEveryCallFailing) {
  for (const char* plugin : {"tcp", "udp", "ip"}) {
    std::uint64_t calls = 0;
    {
      TwoHosts hosts(1, {.delay = 1ms});
      talk(hosts, plugin);
      calls = hosts.network.faults().calls();
    }
    ASSERT_GT(calls, 10u);
    for (const int error : {ECONNRESET, EAGAIN, ENOBUFS, EMFILE, EPERM, ENETUNREACH}) {
      for (std::uint64_t n = 1; n <= calls; ++n) {
        SCOPED_TRACE(std::string(plugin) + " call " + std::to_string(n) + " fails with " + std::to_string(error));
        TwoHosts hosts(1, {.delay = 1ms});
        hosts.network.faults().fail(n, error);
        talk(hosts, plugin);
      }
    }
  }
}

TEST(SimulatedUdp, MovesNothingAtAllUntilSomethingIsSent) {
  TwoHosts hosts(1, {.delay = 1ms});
  hosts.listen("udp");
  const auto before = hosts.world.payload_digest();
  auto client = hosts.connect();
  EXPECT_TRUE(client->was_ready);
  hosts.world.run_for(1s);
  EXPECT_EQ(hosts.world.payload_digest(), before);  // IMPL-6
}

// Peers share the queue to a socket that takes no more: each waits with what it has, and none is forgotten.
TEST(SimulatedUdp, PeersWaitForRoomInTheirSocket) {
  TwoHosts hosts(1, {.delay = 1ms});
  hosts.listen("udp", {{"send-queue-bytes", std::int64_t{1} << 20}});
  hosts.listener->on_peer = [](OneLayer& peer) { peer.demand(10'000); };
  std::vector<std::unique_ptr<OneLayer>> clients;
  for (int i = 0; i < 4; ++i) {
    clients.push_back(hosts.connect());
    clients.back()->hungry = true;
    clients.back()->demand(1 << 20);
    clients.back()->send("hi");
  }
  ASSERT_TRUE(hosts.world.run_until([&] { return hosts.listener->peers.size() == 4; }, 1s));
  hosts.world.run_for(10ms);
  hosts.network.faults().fail(SocketCall::send, FaultPlan::kEvery, EAGAIN, "server");
  for (auto& peer : hosts.listener->peers) {
    for (int i = 0; i < 600; ++i) peer->send(std::to_string(i));
  }
  hosts.world.run_for(1ms);
  std::size_t waiting = 0;
  for (auto& peer : hosts.listener->peers) waiting += peer->link.down.batch.size();
  EXPECT_EQ(waiting, 4 * 600 - 1024u);  // the shared queue is bounded, the rest is each peer's own
  hosts.network.faults().clear();
  ASSERT_TRUE(hosts.world.run_until(
      [&] { return std::ranges::all_of(clients, [](auto& c) { return c->datagrams.size() == 600; }); }, 1s));
  for (auto& client : clients) EXPECT_EQ(client->datagrams.back(), "599");
  for (auto& peer : hosts.listener->peers) EXPECT_GT(peer->port().credit(), std::size_t{1} << 19);
}

TEST(SimulatedUdp, WaitsForAFullSendBuffer) {
  TwoHosts hosts(1, {.delay = 1ms, .rate = 8'000'000});
  hosts.listen("udp");
  hosts.listener->on_peer = [](OneLayer& peer) {
    peer.hungry = true;
    peer.demand(1 << 20);
  };
  hosts.client_host.options.datagram_buffer = 10'000;
  auto client = hosts.connect();
  const std::string datagram(1000, 'x');
  std::size_t sent = 0;
  ASSERT_TRUE(hosts.world.run_until(
      [&] {
        while (sent < 500 && client->port().credit() > 0) {
          client->send(datagram);
          ++sent;
        }
        return hosts.listener->peers.size() == 1 && hosts.peer().datagrams.size() == 500;
      },
      10s));
  EXPECT_GE(hosts.world.elapsed(), 500ms);
}

// What was sent before a close leaves although the socket takes nothing for a while.
TEST(SimulatedUdp, ClosingWaitsForTheSendBuffer) {
  TwoHosts hosts(1, {.delay = 1ms});
  hosts.listen("udp");
  auto client = hosts.connect();
  hosts.network.faults().fail(SocketCall::send, FaultPlan::kEvery, EAGAIN, "client");
  client->send("last");
  hosts.world.run_for(5ms);
  client->layer->close(CloseArgs{});
  EXPECT_FALSE(client->was_closed);
  hosts.network.faults().clear();
  ASSERT_TRUE(hosts.world.run_until([&] { return client->was_closed; }, 100ms));
  EXPECT_TRUE(hosts.world.run_until([&] { return hosts.listener->peers.size() == 1; }, 100ms));
}

TEST(SimulatedUdp, ClosesIdlePeersOnTime) {
  TwoHosts hosts(1, {.delay = 1ms});
  hosts.listen("udp");
  auto client = hosts.connect();
  client->send("once");
  ASSERT_TRUE(hosts.world.run_until([&] { return hosts.listener->peers.size() == 1 && hosts.peer().was_ready; }, 1s));
  const TimePoint heard = hosts.world.now();
  hosts.world.run_for(200s);
  hosts.peer().send("still alive");  // counts as well
  hosts.world.run_for(150s);
  EXPECT_FALSE(hosts.peer().was_closed);
  ASSERT_TRUE(hosts.world.run_until([&] { return hosts.peer().was_closed; }, 10min));
  EXPECT_NEAR(std::chrono::duration<double>(hosts.world.now() - heard).count(), 500, 1);
}

TEST(SimulatedUdp, NeverClosesIdlePeersWhenToldSo) {
  TwoHosts hosts(1, {.delay = 1ms});
  hosts.listen("udp", {{"peer-idle-ms", std::int64_t{0}}});
  auto client = hosts.connect();
  client->send("once");
  ASSERT_TRUE(hosts.world.run_until([&] { return hosts.listener->peers.size() == 1; }, 1s));
  hosts.world.run_for(24h);
  EXPECT_FALSE(hosts.peer().was_closed);
}

}  // namespace
}  // namespace trellis::test
