// Group V: time. A layer that has nothing to do does nothing, leaves nothing behind, and runs the same way twice.
#include <format>

#include "conformance/conversation.h"

namespace trellis::conformance {
namespace {

constexpr std::uint64_t kIdleTurnsPerMinute = 240;  // of both hosts; keep-alives come a few times a second at most

/// An exchange that is over while both sides stay connected.
bool settle(Trial& t, World& world) {
  converse_and_stay(t, world, 4);
  expect_received(t, world);
  world.run_for(std::chrono::seconds(10));
  return !t.failed() && !world.broken();
}

void idle_is_quiet(Trial& t) {
  if (!t.wants("idle")) return;
  World world(t);
  if (!settle(t, world)) return;
  const std::uint64_t before = world.time().turns();
  constexpr auto kMinutes = std::chrono::minutes(10);
  world.run_for(kMinutes);
  const std::uint64_t turns = world.time().turns() - before;
  const std::uint64_t most =
      t.facts().has(Feature::keepalive) ? kIdleTurnsPerMinute * static_cast<std::uint64_t>(kMinutes.count()) : 20;
  if (turns <= most) return;
  t.fail(
      std::format("an idle Connection woke its loops {} times in {} min, expected {} at most: disarm the deadline when "
                  "there is nothing to wait for",
                  turns, kMinutes.count(), most));
}

void nothing_is_left(Trial& t) {
  if (!t.wants("end")) return;
  World world(t);
  converse(t, world);
  expect_played(t, world);
  world.client.drop();
  world.server.drop();
  world.stop_listening();
  world.run_for(std::chrono::minutes(3));
  if (t.failed() || world.broken()) return;
  for (const Side side : {Side::client, Side::server}) {
    const VirtualLoop& loop = world.host(side).loop();
    if (loop.alarms() > 0)
      t.fail(std::format("{} alarms of the {} are armed 3 min after everything was closed", loop.alarms(),
                         to_string(side)));
    if (world.host(side).sockets() > 0)
      t.fail(std::format("{} sockets of the {} are open 3 min after everything was closed", world.host(side).sockets(),
                         to_string(side)));
    if (world.memory(side) > 0)
      t.fail(std::format("{} bytes of the {} are held 3 min after everything was closed", world.memory(side),
                         to_string(side)));
  }
  const std::uint64_t before = world.time().turns();
  world.run_for(std::chrono::minutes(10));
  if (world.time().turns() != before) t.fail("the loops still have turns 3 min after everything was closed");
}

struct Digests {
  std::uint64_t events, payload;
  bool operator==(const Digests&) const = default;
};

Digests run_once(Trial& t) {
  Weather weather;
  weather.link.jitter = std::chrono::milliseconds(3);
  weather.link.loss = t.facts().exact() ? 0.05 : 0;
  World world(t, weather);
  converse(t, world);
  world.run_scripts();
  world.run_for(std::chrono::seconds(5));
  return {world.time().digest(), world.time().payload_digest()};
}

void same_seed_same_run(Trial& t) {
  if (!t.wants("twice")) return;
  const Digests first = run_once(t);
  // Something that is different the second time, as it would be in another process.
  const std::vector<std::unique_ptr<char[]>> elsewhere = [] {
    std::vector<std::unique_ptr<char[]>> blocks;
    blocks.reserve(50);
    for (std::size_t i = 0; i < 50; ++i) blocks.push_back(std::make_unique<char[]>(100 + i * 37));
    return blocks;
  }();
  const Digests second = run_once(t);
  if (t.failed() || first == second) return;
  t.fail(
      std::format("two runs with one seed differ in {}: time, random numbers and keys must come from the executor, and "
                  "no order may depend on addresses in memory",
                  first.events != second.events ? "their events" : "the bytes on the wire"));
}

void one_deadline(Trial& t) {
  if (!t.wants("conversation")) return;
  World world(t, narrow());
  if (settle(t, world)) world.run_for(std::chrono::minutes(1));
  world.client.close();
  world.server.close();
  world.run_for(std::chrono::seconds(30));
}

constexpr Check kTimeChecks[] = {
    {.id = "V1", .title = "an idle Connection is quiet", .run = idle_is_quiet},
    {.id = "V2", .title = "nothing is left after the end", .run = nothing_is_left},
    {.id = "V3", .title = "the same seed gives the same run", .run = same_seed_same_run},
    {.id = "V4", .title = "one deadline, no alarms of its own", .run = one_deadline},
};

}  // namespace

std::span<const Check> time_checks() { return kTimeChecks; }

}  // namespace trellis::conformance
