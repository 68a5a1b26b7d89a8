// Group B: credit. Nobody pushes much beyond it, nobody forgets to go on when it comes back, and so memory is bounded.
#include <format>

#include "conformance/conversation.h"

namespace trellis::conformance {
namespace {

constexpr std::size_t kMemoryMost = 2u << 20;  // of one host: generous queues of a few layers, far from what is sent

/// As much as a bounded stack cannot hold.
std::vector<std::uint32_t> plenty(const Facts& facts) {
  const std::uint32_t size = facts.stack.face == Face::datagram ? 1000 : 10'000;
  return std::vector<std::uint32_t>(std::size_t{4u << 20} / size, size);
}

std::string needs_exact(const Facts& facts) { return facts.exact() ? "" : "what it cannot hold it may lose"; }
std::string needs_flow_control(const Facts& facts) {
  if (!facts.exact()) return "what it cannot hold it may lose";
  return facts.has(Feature::flow_control) ? "" : "its stack has no flow_control";
}

// Little credit, given back late: whatever the subject has to say meanwhile, it must wait.
void within_credit(Trial& t) {
  for (const std::size_t window : {std::size_t{700}, std::size_t{9000}, std::size_t{40'000}}) {
    if (!t.wants(std::format("window-{}", window))) continue;
    World world(t);
    const TapPlan little{.recut = true, .window = window, .late = std::chrono::milliseconds(2)};
    world.scene.both(Place::above, little);
    world.scene.both(Place::below, little);
    converse(t, world, 10);
    expect_played(t, world, std::chrono::minutes(5));
  }
}

void trickle(Trial& t) {
  for (const Place place : {Place::above, Place::below}) {
    if (place == Place::below && t.facts().bottom) continue;
    if (!t.wants(place == Place::above ? "above" : "below")) continue;
    World world(t);
    world.scene.both(place, {.recut = true, .window = 1 + t.random.below(20)});
    write_scripts(t, world, 4);
    for (Party* party : {&world.client, &world.server}) {
      for (std::uint32_t& size : party->script.sizes) size %= 4000;
    }
    world.start();
    expect_played(t, world, std::chrono::minutes(5));
  }
}

// Stands still for a while in the middle, with little credit outstanding: what was left in a batch is offered again,
// what a layer holds by itself goes on when credit comes back.
void stop_and_go(Trial& t, Place place) {
  if (place == Place::below && t.facts().bottom) return;
  constexpr TapPlan kLittle{.window = 1500};
  for (const Side side : {Side::client, Side::server}) {
    const std::string label = std::format("{}-{}", place == Place::above ? "above" : "below", to_string(side));
    const auto stop = [&](World& world) {
      world.plan(place, side, {.hold = true});
      world.run_for(std::chrono::milliseconds(200 + t.random.below(800)));
      world.plan(place, side, kLittle);
      expect_played(t, world);
    };
    at_turns(t, label, 6, stop, [&](World& world) { world.scene.both(place, kLittle); });
  }
}

void goes_on(Trial& t) {
  stop_and_go(t, Place::above);
  stop_and_go(t, Place::below);
}

void expect_bounded(Trial& t, World& world) {
  for (const Side side : {Side::client, Side::server}) {
    fail_unless(
        t, world, world.memory(side) <= kMemoryMost,
        std::format("the {} to hold at most {} bytes while nobody reads, found {}: grant credit only for what can be "
                    "passed on",
                    to_string(side), kMemoryMost, world.memory(side)));
  }
}

void memory_is_bounded(Trial& t) {
  for (const Side slow : {Side::client, Side::server}) {
    if (!t.wants(std::format("{}-does-not-read", to_string(slow)))) continue;
    World world(t);
    world.client.script = {.sizes = {1}, .close = false};
    world.server.script = {.sizes = {}, .close = false};
    world.start();
    world.run_until([&] { return world.client.done() && world.server.ready(); });
    if (world.server.ready()) world.party(slow).stop_reading();
    Party& fast = world.party(other(slow));
    for (const std::uint32_t size : plenty(t.facts())) fast.script.sizes.push_back(size);
    fast.pump();
    world.run_for(std::chrono::seconds(20));
    expect_bounded(t, world);
    if (!t.facts().exact() || !t.facts().has(Feature::flow_control) || t.failed()) continue;
    fail_unless(t, world, !fast.sent_all(), "the sender to be told to pause before it has sent everything");
    world.party(slow).start_reading();
    expect_received(t, world, std::chrono::minutes(10));
  }
}

void directions_are_independent(Trial& t) {
  for (const Side slow : {Side::client, Side::server}) {
    if (!t.wants(std::format("{}-does-not-read", to_string(slow)))) continue;
    World world(t);
    world.client.script = {.sizes = {1}, .close = false};
    world.server.script = {.sizes = {1}, .close = false};
    world.start();
    world.run_until([&] { return world.client.done() && world.server.done(); });
    if (!world.server.ready()) continue;
    Party& reader = world.party(other(slow));
    world.party(slow).stop_reading();
    for (std::size_t i = 0; i < 30; ++i) reader.script.sizes.push_back(size_most(t.facts()));
    reader.pump();
    world.run_for(std::chrono::seconds(5));
    for (std::size_t i = 0; i < 30; ++i) world.party(slow).script.sizes.push_back(size_most(t.facts()) / 2);
    world.party(slow).pump();
    const bool arrived = world.run_until([&] { return reader.received_all(); });
    fail_unless(t, world, arrived,
                std::format("the {} to receive everything although its peer does not read", to_string(reader.side())));
  }
}

constexpr Check kBackpressureChecks[] = {
    {.id = "B1", .title = "credit is overshot by one chunk at most", .run = within_credit},
    {.id = "B2", .title = "a trickle of credit moves everything", .run = trickle},
    {.id = "B3", .title = "goes on after standing still", .run = goes_on, .unfit = needs_exact},
    {.id = "B4", .title = "memory is bounded while the peer does not read", .run = memory_is_bounded},
    {.id = "B5",
     .title = "one direction stands still, the other goes on",
     .run = directions_are_independent,
     .unfit = needs_flow_control},
};

}  // namespace

std::span<const Check> backpressure_checks() { return kBackpressureChecks; }

}  // namespace trellis::conformance
