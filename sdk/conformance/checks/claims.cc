// Group E: each trait is provoked. What a stack says it has it must show on a network that makes it hard.
#include <algorithm>
#include <format>

#include "conformance/conversation.h"
#include "core/trait_words.h"

namespace trellis::conformance {
namespace {

constexpr Duration kBadWeather = std::chrono::minutes(30);

template <Feature Needed>
std::string needs(const Facts& facts) {
  return facts.has(Needed) ? std::string() : std::format("its stack does not claim {}", to_string(Needed));
}

// API-113, API-284
void reliable(Trial& t) {
  if (!t.wants("loss")) return;
  Weather weather;
  weather.link.loss = 0.2;
  World world(t, weather);
  converse_and_stay(t, world, 8);
  const bool over = world.run_until(
      [&] { return (world.client.done() && world.server.done()) || world.failure_told(); }, kBadWeather);
  fail_unless(t, world, over,
              "everything to arrive, or the Connection to fail, on a network that loses one packet in five");
}

// API-116
void ordered(Trial& t) {
  if (!t.wants("reordering")) return;
  Weather weather;
  weather.link.reorder = 0.3;
  weather.link.duplicate = 0.1;
  weather.link.jitter = std::chrono::milliseconds(5);
  World world(t, weather);
  converse(t, world, 12);
  if (t.facts().exact()) return expect_played(t, world, kBadWeather);
  world.run_scripts();
}

void bounded(Trial& t) {
  if (!t.wants("storm")) return;
  Weather weather;
  weather.link.loss = 0.1;
  weather.link.reorder = 0.3;
  World world(t, weather);
  converse(t, world, 20);
  world.run_scripts(t.facts().exact() ? kBadWeather : std::chrono::minutes(1));
  // Both sides take turns, so over a stack that may lose messages one loss can be the end of it; what does arrive is
  // compared message by message, and most seeds see some.
  const bool some = !t.facts().exact() || world.server.messages_received() > 0 || world.failure_told();
  fail_unless(t, world, some, "some of the messages to arrive although one packet in ten is lost");
}

std::string needs_a_pair(const Facts& facts) { return facts.bottom ? "below it are sockets, which need no room" : ""; }

void room_as_claimed(Trial& t) {
  if (!t.wants("room")) return;
  World world(t);
  world.scene.both(Place::above, {.measure = true});
  converse(t, world, 10);
  expect_played(t, world);
  const LayerTraits& traits = t.facts().layer;
  if (world.scene.head_used > traits.headroom) {
    t.fail(std::format("it claims a headroom of {} bytes and used {}", traits.headroom, world.scene.head_used));
  }
  if (world.scene.tail_used > traits.tailroom) {
    t.fail(std::format("it claims a tailroom of {} bytes and used {}", traits.tailroom, world.scene.tail_used));
  }
}

/// Looks for a run of what the application sends in every packet.
class Canary {
 public:
  explicit Canary(std::string_view song) : song_(song) {}
  Verdict operator()(const SimPacket& packet) {
    const std::string_view payload(reinterpret_cast<const char*>(packet.payload.data()), packet.payload.size());
    seen_ = seen_ || payload.contains(song_);
    return Verdict::pass;
  }
  bool seen() const { return seen_; }

 private:
  std::string_view song_;
  bool seen_ = false;
};

void confidential(Trial& t) {
  if (!t.wants("canary")) return;
  constexpr std::string_view kSong = "the canary sings and must not be heard outside";
  World world(t);
  Canary canary(kSong);
  world.link().forth().tap = [&](SimPacket& packet) { return canary(packet); };
  world.client.script = {.sizes = {}, .close = false};
  world.server.script = {.sizes = {}, .close = false};
  world.client.peer = world.server.peer = nullptr;
  world.server.garbled = true;
  world.start();
  world.run_until([&] { return world.client.ready(); });
  if (!world.client.connection) return;
  Slice song = world.client.connection.allocate(static_cast<std::uint32_t>(kSong.size()));
  std::ranges::transform(kSong, song.edit().begin(), [](char c) { return static_cast<std::byte>(c); });
  world.client.connection.send(std::move(song), true);
  world.run_for(std::chrono::seconds(5));
  if (canary.seen())
    t.fail("it claims confidentiality, but what the application sent crossed the network in the clear");
  world.link().forth().tap = {};
}

std::string needs_own_integrity(const Facts& facts) {
  if (facts.bottom) return "the kernel's checksum is not simulated";
  const bool protects =
      facts.layer.adds.has(Feature::full_integrity_check) || facts.layer.adds.has(Feature::confidentiality);
  return protects ? "" : "it does not claim to notice changed bytes";
}

// The probes judge every byte that is delivered, so it is enough to change some on their way.
void changed_bytes_are_noticed(Trial& t) {
  for (const Side side : {Side::client, Side::server}) {
    if (!t.wants(std::string(to_string(side)))) continue;
    World world(t);
    converse(t, world, 8);
    world.run_until([&] { return world.client.ready() && world.server.ready(); });
    world.plan(Place::below, side, {.damage = 0.3});
    world.run_scripts();
  }
}

void round_trips_as_claimed(Trial& t) {
  if (!t.wants("handshake")) return;
  constexpr auto kOneWay = std::chrono::milliseconds(50);
  Weather weather;
  weather.link.delay = kOneWay;
  World world(t, weather);
  world.client.script = {.sizes = {1}, .close = false};
  world.server.script = {.sizes = {}, .close = false};
  world.start();
  const bool ready = world.run_until([&] { return world.client.ready(); });
  fail_unless(t, world, ready, "the client to be ready");
  if (!ready) return;
  const auto claimed = static_cast<long>(t.facts().stack.handshake_rtts);
  const long tenths = static_cast<long>(world.time().elapsed() / (kOneWay * 2 / 10));
  if (tenths > claimed * 10 + 5 || tenths < claimed * 10 - 5) {
    t.fail(std::format("its stack claims to be ready after {} round trips, it took {}.{}", claimed, tenths / 10,
                       tenths % 10));
  }
}

void keeps_alive(Trial& t) {
  if (!t.wants("idle")) return;
  World world(t);
  world.client.script = {.sizes = {1}, .close = false};
  world.server.script = {.sizes = {1}, .close = false};
  world.start();
  expect_received(t, world);
  if (t.failed() || world.broken()) return;
  // Unsupported is an answer too: a layer may probe all the time without being asked.
  const auto asked = world.client.connection.set(kKeepAliveTimeout.name, Duration(std::chrono::seconds(10)));
  if (!asked && asked.error().reason != Reason::unsupported)
    t.fail("keepAliveTimeout of 10 s was refused: " + asked.error().detail);
  world.run_for(std::chrono::seconds(5));
  const std::uint64_t before = world.link().forth().packets();
  world.run_for(std::chrono::minutes(2));
  const std::uint64_t packets = world.link().forth().packets() - before;
  if (packets == 0)
    t.fail("it claims keepalive, but sent nothing in two idle minutes after keepAliveTimeout was set to 10 s");
}

// IMPL-54
void comes_once(Trial& t) {
  if (!t.wants("twice")) return;
  Weather weather;
  weather.link.duplicate = 0.5;
  World world(t, weather);
  converse_and_stay(t, world, 12);
  const bool all = world.run_until([&] { return world.client.done() && world.server.done(); }, std::chrono::minutes(1));
  if (t.facts().exact()) fail_unless(t, world, all, "everything to arrive");
  world.run_for(std::chrono::seconds(5));
  if (t.facts().stack.face == Face::bytestream) return;  // bytes are compared one by one
  for (const Party* party : {&world.client, &world.server}) {
    if (party->messages_received() <= party->peer->messages_sent()) continue;
    t.fail(
        std::format("it claims duplicate-protection, but of {} messages that were sent {} came to the {} when half "
                    "of the packets came twice",
                    party->peer->messages_sent(), party->messages_received(), to_string(party->side())));
    return;
  }
}

constexpr Check kClaimsChecks[] = {
    {.id = "E1",
     .title = "reliability: one packet in five is lost",
     .run = reliable,
     .unfit = needs<Feature::reliability>},
    {.id = "E2",
     .title = "ordering: packets overtake each other and come twice",
     .run = ordered,
     .unfit = needs<Feature::ordering>},
    {.id = "E3",
     .title = "boundaries: what arrives in a storm is whole",
     .run = bounded,
     .unfit = needs<Feature::boundaries>},
    {.id = "E4", .title = "no more headroom and tailroom than claimed", .run = room_as_claimed, .unfit = needs_a_pair},
    {.id = "E5",
     .title = "confidentiality: a canary is not heard",
     .run = confidential,
     .unfit = needs<Feature::confidentiality>},
    {.id = "E6",
     .title = "integrity: changed bytes are never delivered",
     .run = changed_bytes_are_noticed,
     .unfit = needs_own_integrity},
    {.id = "E7", .title = "as many round trips to ready as claimed", .run = round_trips_as_claimed},
    {.id = "E8",
     .title = "keepalive: an idle Connection sends",
     .run = keeps_alive,
     .unfit = needs<Feature::keepalive>},
    {.id = "E9",
     .title = "duplicate protection: packets come twice, messages do not",
     .run = comes_once,
     .unfit = needs<Feature::duplicate_protection>},
};

}  // namespace

std::span<const Check> claim_checks() { return kClaimsChecks; }

}  // namespace trellis::conformance
