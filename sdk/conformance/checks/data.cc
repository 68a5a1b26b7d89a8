// Group X: what is sent is what is received: all of it, once, with the edges that the face promises and no others.
#include <algorithm>
#include <format>

#include "conformance/conversation.h"

namespace trellis::conformance {
namespace {

constexpr std::uint64_t kLargestTried = 600'000;

std::string needs_bytestream(const Facts& facts) {
  return facts.stack.face == Face::bytestream ? "" : "it has no bytestream face";
}
std::string needs_edges(const Facts& facts) {
  return facts.stack.face == Face::bytestream ? "a bytestream has no messages" : "";
}
std::string needs_streams_below(const Facts& facts) {
  if (facts.bottom || facts.layer.below != Face::datagram) return "";
  return "chunks below it are datagrams: their edges mean something";
}

void many_splits(Trial& t) {
  for (const char* how : {"mixed", "tiny", "lockstep"}) {
    if (!t.wants(how)) continue;
    World world(t);
    write_scripts(t, world, 12);
    const std::string_view label = how;
    for (Party* party : {&world.client, &world.server}) {
      party->script.lockstep = label == "lockstep";
      if (label != "tiny") continue;
      for (std::uint32_t& size : party->script.sizes) size %= 40;
      party->script.read_most = 7;
    }
    world.start();
    expect_played(t, world);
  }
}

void chunk_edges_mean_nothing(Trial& t) {
  for (const char* where : {"above", "below", "both"}) {
    const std::string_view label = where;
    if (t.facts().bottom && label == "above") continue;
    if (!t.wants(where)) continue;
    Weather weather;
    if (t.facts().bottom) weather.host.short_transfers = 0.7;
    World world(t, weather);
    if (label != "below") world.scene.both(Place::above, {.recut = true});
    if (label != "above") world.scene.both(Place::below, {.recut = true});
    converse(t, world);
    expect_played(t, world);
  }
}

// API-114, API-188, API-195: the parts of a message come together and in order.
void edges_are_kept(Trial& t) {
  for (const char* how : {"mixed", "parts", "small"}) {
    const std::string_view label = how;
    if (label == "parts" && t.facts().stack.face == Face::datagram) continue;
    if (!t.wants(how)) continue;
    World world(t);
    if (label == "parts") world.scene.both(Place::above, {.recut = true});
    write_scripts(t, world, 16);
    for (Party* party : {&world.client, &world.server}) {
      party->script.in_parts = label == "parts";
      if (label != "small") continue;
      for (std::uint32_t& size : party->script.sizes) size %= 9;
    }
    world.start();
    expect_played(t, world);
  }
}

/// The largest message that the stack says it can send; nothing: it does not say.
std::optional<std::uint64_t> largest_message(Trial& t, World& world) {
  const bool ready = world.run_until([&] { return world.client.ready(); });
  fail_unless(t, world, ready, "the client to be ready");
  if (!ready || !world.client.connection) return std::nullopt;
  const auto property = world.client.connection.get(kSendMsgMaxLen.name);
  if (!property || !std::holds_alternative<std::uint64_t>(*property)) return std::nullopt;
  const std::uint64_t most = std::get<std::uint64_t>(*property);
  return most >= UINT32_MAX ? std::nullopt : std::optional(most);
}

void empty_and_largest(Trial& t) {
  if (!t.wants("sizes")) return;
  World world(t);
  world.client.script = {.sizes = {1}, .close = false};
  world.server.script = {.sizes = {}, .close = false};
  world.start();
  const std::uint64_t most = std::min(largest_message(t, world).value_or(kLargestTried), kLargestTried);
  if (t.failed()) return;
  const auto large = static_cast<std::uint32_t>(most);
  auto& sizes = world.client.script.sizes;
  for (const std::uint32_t size : {0u, large, 0u, 1u, large > 0 ? large - 1 : 0u, 2u}) {
    sizes.push_back(size);  // one after the other: what may be lost shall not be lost in a full queue
    world.client.pump();
    expect_received(t, world);
  }
}

// One byte too many fails that message and nothing else.
void too_large_fails_alone(Trial& t) {
  if (!t.wants("message")) return;
  World world(t);
  world.client.script = {.sizes = {1}, .close = false, .ask_fates = true};
  world.server.script = {.sizes = {}, .close = false};
  world.start();
  const auto most = largest_message(t, world);
  if (t.failed() || !most || *most >= kLargestTried) return;
  std::optional<Fate> fate;
  Slice data = world.client.connection.allocate(static_cast<std::uint32_t>(*most + 1));
  std::ranges::fill(data.edit(), std::byte{'x'});
  world.client.connection.send(Message{.data = std::move(data)}, [&](Fate what, const Error*) { fate = what; });
  world.run_for(std::chrono::seconds(2));
  if (!fate || *fate != Fate::failed) {
    t.fail(std::format("sendMsgMaxLen is {}, but a message of {} bytes was {}: expected its fate to be failed", *most,
                       *most + 1, fate ? "reported as sent" : "forgotten without a fate"));
  }
  world.client.script.sizes.push_back(5);
  world.client.pump();
  expect_received(t, world);
}

void check_fates(Trial& t, World& world) {
  for (const Party* party : {&world.client, &world.server}) {
    const std::size_t settled = party->fates(Fate::sent) + party->fates(Fate::expired) + party->fates(Fate::failed);
    fail_unless(
        t, world, settled == party->messages_sent(),
        std::format("one fate for each of the {} messages that the {} sent, found {} sent, {} expired and {} failed",
                    party->messages_sent(), to_string(party->side()), party->fates(Fate::sent),
                    party->fates(Fate::expired), party->fates(Fate::failed)));
    fail_unless(t, world, party->fates(Fate::acknowledged) <= party->fates(Fate::sent),
                "a message to be acknowledged at most once, and only after it was sent");
  }
}

void begin_and_ask(Trial& t, World& world) {
  write_scripts(t, world);
  for (Party* party : {&world.client, &world.server}) {
    party->script.ask_fates = true;
    party->script.in_parts = false;
  }
  world.start();
}

void each_message_has_a_fate(Trial& t) {
  if (t.wants("close")) {
    World world(t);
    begin_and_ask(t, world);
    expect_played(t, world);
    check_fates(t, world);
    for (const Party* party : {&world.client, &world.server}) {
      fail_unless(t, world, party->fates(Fate::sent) == party->messages_sent(),
                  std::format("all {} messages of the {} to be reported as sent, found {}", party->messages_sent(),
                              to_string(party->side()), party->fates(Fate::sent)));
    }
  }
  for (const unsigned turn : t.positions(40)) {
    if (!t.wants(std::format("abort@{}", turn))) continue;
    World world(t, narrow());
    begin_and_ask(t, world);
    world.run_turns(turn);
    for (Party* party : {&world.client, &world.server}) {
      party->abort();
      world.run_for(std::chrono::seconds(1));
    }
    check_fates(t, world);
  }
}

/// What the clients of one listener differ in.
enum class Apart : std::uint8_t { addresses, ports };

// Each pair has patterns of its own, so a byte that strays to another peer is noticed. False: there are no
// ports, so that peers cannot be told apart by them.
bool serve_many(Trial& t, Apart apart) {
  constexpr std::size_t kPeers = 20;
  constexpr std::uint16_t kFirstPort = 20'000;  // of the clients: how the server tells them apart
  World world(t);
  SimInterface& interface = world.host(Side::client).interface("eth0");
  std::vector<Address> own(kPeers);
  for (std::size_t i = 0; i < kPeers; ++i) {
    if (apart == Apart::addresses) {
      own[i] = interface.address(world.server_address().family);
      own[i].ip[own[i].family == Address::Family::ipv6 ? 15 : 3] = static_cast<std::uint8_t>(100 + i);
      interface.add_address(own[i]);
    }
    own[i].port = static_cast<std::uint16_t>(kFirstPort + i);
  }
  bool tellable = true;
  std::vector<std::unique_ptr<Party>> clients, servers;
  for (std::size_t i = 0; i < kPeers; ++i) {
    for (auto* list : {&clients, &servers}) {
      const Side side = list == &clients ? Side::client : Side::server;
      list->push_back(std::make_unique<Party>(side, world.scene, t.facts(), t.seed() * 1000 + i));
      list->back()->script.sizes = some_sizes(t.facts(), t.random, 3);
    }
    clients[i]->peer = servers[i].get();
    servers[i]->peer = clients[i].get();
  }
  world.on_peer = [&](Connection connection) {
    tellable = tellable && (apart == Apart::addresses || connection.remote().port != 0);
    if (!tellable) return;
    for (std::size_t i = 0; i < kPeers; ++i) {
      if (own[i] ? !same_ip(connection.remote(), own[i]) : connection.remote().port != own[i].port) continue;
      servers[i]->on_ready({});
      return servers[i]->play(std::move(connection));
    }
    if (!world.broken())
      world.scene.broken("X6", "a Connection was received whose remote address or port no client has");
  };
  world.listen();
  for (std::size_t i = 0; i < kPeers; ++i) {
    auto& client = clients[i];
    Preconnection to = world.preconnection(Side::client);
    to.remote({.host = {}, .port = World::kPort, .address = world.server_address()});
    to.local({.host = {}, .port = own[i].port, .address = own[i] ? own[i] : Address{}});
    client->play(to.initiate(world.host(Side::client).loop(),
                             [&client](Result<void> how) { client->on_ready(std::move(how)); }));
  }
  const auto played = [](const auto& party) { return party->ended(); };
  world.run_until(
      [&] { return !tellable || (std::ranges::all_of(clients, played) && std::ranges::all_of(servers, played)); });
  for (std::size_t i = 0; i < kPeers && tellable && !t.failed() && !world.broken(); ++i) {
    if (clients[i]->closed() && servers[i]->closed()) continue;
    t.fail(std::format("of {} Connections to one listener number {} did not end well: {}; {}", kPeers, i,
                       clients[i]->state(), servers[i]->state()));
  }
  for (auto* list : {&clients, &servers}) {
    for (auto& party : *list) party->drop();
  }
  world.on_peer = [](Connection) {};
  return tellable;
}

// Over IP itself there are no ports, and the clients of one address are one peer.
void peers_do_not_mix(Trial& t) {
  if (t.wants("peers") && !serve_many(t, Apart::ports)) serve_many(t, Apart::addresses);
}

constexpr Check kDataChecks[] = {
    {.id = "X1",
     .title = "every byte once and in order, however it is split",
     .run = many_splits,
     .unfit = needs_bytestream},
    {.id = "X2",
     .title = "edges of chunks mean nothing",
     .run = chunk_edges_mean_nothing,
     .unfit = needs_streams_below},
    {.id = "X3", .title = "edges of messages are kept", .run = edges_are_kept, .unfit = needs_edges},
    {.id = "X4", .title = "empty and largest messages", .run = empty_and_largest},
    {.id = "X5",
     .title = "a message that is too large fails alone",
     .run = too_large_fails_alone,
     .unfit = needs_edges},
    {.id = "X6", .title = "the peers of one listener do not mix", .run = peers_do_not_mix},
    {.id = "X7", .title = "each message has exactly one fate", .run = each_message_has_a_fate},
};

}  // namespace

std::span<const Check> data_checks() { return kDataChecks; }

}  // namespace trellis::conformance
