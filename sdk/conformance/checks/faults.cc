// Group F: everything around the layer breaks. It may fail then, with an Error; it may not crash, spin, hang without a
// word, hold memory without bound or deliver what was not sent.
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <format>
#include <iterator>

#include "conformance/conversation.h"

namespace trellis::conformance {
namespace {

constexpr Duration kPatience = std::chrono::minutes(20);
constexpr std::size_t kStrangerMemoryMost = 8u << 20;

std::string needs_lower(const Facts& facts) { return facts.bottom ? "there is no layer below it" : ""; }

constexpr int kErrors[] = {ECONNRESET,  ENOBUFS, ENOMEM, EMFILE,       EAGAIN,     EPIPE,
                           ENETUNREACH, EINVAL,  EPERM,  ECONNREFUSED, ENOPROTOOPT};

std::uint64_t calls_of_conversation(Trial& t) {
  World world(t);
  converse(t, world, 4);
  world.run_scripts();
  return world.network().faults().calls();
}

void socket_calls_fail(Trial& t) {
  if (!t.prepares("call")) return;
  const std::uint64_t calls = calls_of_conversation(t);
  for (const unsigned call : t.positions(calls)) {
    const int error = kErrors[mix(t.seed() * 131 + call) % std::size(kErrors)];
    if (!t.wants(std::format("call@{}", call))) continue;
    World world(t);
    world.network().faults().fail(call + 1, error);
    converse(t, world, 4);
    const bool over = world.run_until([&] { return world.played() || world.failure_told(); }, kPatience);
    if (!t.facts().exact()) continue;
    fail_unless(
        t, world, over,
        std::format("the conversation to go on, or somebody to be told, after socket call {} failed with {} ({})",
                    call + 1, strerrorname_np(error), strerrordesc_np(error)));
  }
}

void network_resets(Trial& t) {
  at_turns(t, "reset", 5, [&](World& world) {
    world.link().block({.verdict = Verdict::reset});
    world.run_for(std::chrono::milliseconds(50));
    world.link().unblock();
    world.run_until([&] { return world.played() || world.failure_told(); }, kPatience);
  });
}

void below_fails(Trial& t) {
  for (const Side side : {Side::client, Side::server}) {
    for (const bool cut : {false, true}) {
      at_turns(t, std::format("{}-{}", to_string(side), cut ? "finishes" : "fails"), 5, [&](World& world) {
        Party& party = world.party(side);
        const bool was_ready = party.ready() && !party.ended();
        for (Tap* tap : world.taps(Place::below, side)) {
          if (cut)
            tap->cut();
          else
            tap->fail({Reason::reset, 0, "kit-below", "the kit resets it"});
        }
        const bool told = world.run_until([&] { return party.ended() || party.final(); }, std::chrono::minutes(2));
        if (!was_ready || (cut && !t.facts().exact())) return;
        fail_unless(t, world, told,
                    std::format("the {}'s application to be told when the layer below {}", to_string(side),
                                cut ? "says that the peer has finished" : "has failed"));
      });
    }
  }
}

/// Bytes that a hostile or broken peer might send: noise, runs of one byte, small numbers, huge lengths.
void fill_garbage(std::span<std::byte> out, SeededRandom& random) {
  const std::uint64_t kind = random.below(5);
  const auto one = static_cast<std::byte>(random.next());
  for (std::byte& byte : out) {
    switch (kind) {
      case 0: byte = one; break;
      case 1: byte = static_cast<std::byte>(random.below(4)); break;
      case 2: byte = random.chance(0.7) ? std::byte{0xff} : static_cast<std::byte>(random.next()); break;
      default: byte = static_cast<std::byte>(random.next()); break;
    }
  }
}

/// A peer that speaks another language: garbage onto what is below the subject, whenever there is room.
class Stranger {
 public:
  explicit Stranger(SeededRandom random) : random_(random) {}
  void talk(Connection connection) {
    connection_ = std::move(connection);
    connection_.on_writable([this] { say(); });
    listen();
    say();
  }
  void leave() { connection_ = {}; }

 private:
  static constexpr int kWords = 60;
  void say() {
    while (connection_ && words_ < kWords) {
      ++words_;
      const bool stream = connection_.face() == Face::bytestream;
      const std::uint64_t most = random_.chance(0.5) ? 8 : stream ? 3000 : 1200;
      Slice slice = connection_.allocate(static_cast<std::uint32_t>(random_.below(most + 1)));
      fill_garbage(slice.edit(), random_);
      if (!connection_.send(std::move(slice), true)) return;
    }
    if (random_.chance(0.5)) connection_.finish();
  }
  void listen() {
    connection_.receive(1, SIZE_MAX, [this](Result<Message> message) {
      if (message && !message->final) listen();
    });
  }
  Connection connection_;
  SeededRandom random_;
  int words_ = 0;
};

void expect_composure(Trial& t, World& world) {
  world.run_for(std::chrono::seconds(30));
  fail_unless(t, world, world.memory() <= kStrangerMemoryMost,
              std::format("at most {} bytes to be held for a peer that sends garbage, found {}", kStrangerMemoryMost,
                          world.memory()));
}

void stranger_as_server(Trial& t) {
  if (!t.wants("server")) return;
  Stranger stranger(t.random.fork("server"));
  World world(t, {.raw_server = true});
  world.client.script = {.sizes = {10, 200}, .close = false};
  world.client.peer = nullptr;
  world.client.garbled = true;
  world.on_peer = [&](Connection connection) { stranger.talk(std::move(connection)); };
  world.start();
  expect_composure(t, world);
  stranger.leave();
}

void stranger_as_client(Trial& t) {
  if (!t.wants("client")) return;
  Stranger stranger(t.random.fork("client"));
  World world(t, {.raw_client = true});
  world.server.script = {.sizes = {10, 200}, .close = false};
  world.server.peer = nullptr;
  world.server.garbled = true;
  world.listen();
  Preconnection to = world.preconnection(Side::client);
  to.remote({.host = {}, .port = World::kPort, .address = world.server_address()});
  stranger.talk(to.initiate(world.host(Side::client).loop(), [](Result<void>) {}));
  expect_composure(t, world);
  stranger.leave();
}

void garbage_from_the_peer(Trial& t) {
  stranger_as_server(t);
  stranger_as_client(t);
}

void damaged_on_the_way(Trial& t) {
  for (const Side side : {Side::client, Side::server}) {
    if (!t.wants(std::string(to_string(side)))) continue;
    World world(t);
    world.client.garbled = world.server.garbled = true;
    world.plan(Place::below, side, {.damage = 0.02 + 0.2 * static_cast<double>(t.random.below(3))});
    converse(t, world, 10);
    world.run_scripts(std::chrono::minutes(2));
    fail_unless(t, world, world.memory() <= kStrangerMemoryMost,
                std::format("at most {} bytes to be held for a peer that sends garbage, found {}", kStrangerMemoryMost,
                            world.memory()));
  }
}

void nobody_answers(Trial& t) {
  const bool handshakes = t.facts().stack.handshake_rtts > 0;
  if (t.wants("dark")) {
    World world(t);
    world.link().block({.verdict = Verdict::drop});
    converse(t, world);
    const bool over = world.run_until([&] { return world.client.ended(); }, std::chrono::minutes(1));
    if (handshakes)
      fail_unless(t, world, over && world.client.error(), "establishing to fail in time when the network is dark");
  }
  if (!t.wants("refused")) return;
  World world(t);
  world.client.script.sizes = {100};
  world.server.script = {};
  world.connect();  // nobody listens
  const bool over = world.run_until([&] { return world.client.ended(); }, std::chrono::minutes(1));
  if (handshakes) fail_unless(t, world, over && world.client.error(), "establishing to fail when nobody listens");
}

constexpr Check kFaultsChecks[] = {
    {.id = "F1", .title = "every socket call fails once", .run = socket_calls_fail},
    {.id = "F2", .title = "the network resets at every turn", .run = network_resets},
    {.id = "F3", .title = "the layer below fails or finishes at every turn", .run = below_fails, .unfit = needs_lower},
    {.id = "F4", .title = "a peer that sends garbage", .run = garbage_from_the_peer, .unfit = needs_lower},
    {.id = "F5", .title = "bytes damaged on the way", .run = damaged_on_the_way, .unfit = needs_lower},
    {.id = "F6", .title = "nobody answers", .run = nobody_answers},
};

}  // namespace

std::span<const Check> fault_checks() { return kFaultsChecks; }

}  // namespace trellis::conformance
