#include "conformance/conversation.h"

#include <format>

namespace trellis::conformance {

void write_scripts(Trial& t, World& world, unsigned messages) {
  SeededRandom random(mix(t.seed() + 0xc0));  // not the trial's own: the same for every case of a seed
  const Facts& facts = t.facts();
  const bool lockstep = random.chance(0.3);
  for (Party* party : {&world.client, &world.server}) {
    party->script.lockstep = lockstep;
    party->script.sizes = some_sizes(facts, random, messages);
    party->script.in_parts = facts.stack.face != Face::datagram && random.chance(0.3);
    party->script.finish = facts.has(Feature::half_close) && random.chance(0.5);
    if (facts.stack.face == Face::bytestream)
      party->script.read_most = random.chance(0.3) ? 1 + random.below(3000) : SIZE_MAX;
  }
}

void converse(Trial& t, World& world, unsigned messages) {
  write_scripts(t, world, messages);
  world.start();
}

void converse_and_stay(Trial& t, World& world, unsigned messages) {
  write_scripts(t, world, messages);
  for (Party* party : {&world.client, &world.server}) party->script.close = party->script.finish = false;
  world.start();
}

void fail_unless(Trial& t, World& world, bool right, const std::string& expected) {
  if (right || world.broken()) return;
  std::string text = std::format("expected {}; found: {}", expected, world.state());
  if (world.listen_error()) text += "; the listener failed: " + world.listen_error()->detail;
  if (!world.scene.last_words.empty()) text += "; the layer's last log line: " + world.scene.last_words;
  t.fail(std::move(text));
}

void expect_received(Trial& t, World& world, Duration within) {
  const bool all = world.run_until([&] { return world.client.done() && world.server.done(); }, within);
  fail_unless(t, world, all,
              std::format("everything to be sent and received within {} s", within / std::chrono::seconds(1)));
}

void expect_played(Trial& t, World& world, Duration within) {
  world.run_scripts(within);
  expect_received(t, world, Duration::zero());
  for (const Party* party : {&world.client, &world.server}) {
    fail_unless(
        t, world, party->closed(),
        std::format("the {} to close cleanly after it had sent and received everything", to_string(party->side())));
  }
}

std::uint64_t turns_of_conversation(Trial& t, const Weather& weather, unsigned messages,
                                    const std::function<void(World&)>& prepare) {
  World world(t, weather);
  if (prepare) prepare(world);
  converse(t, world, messages);
  const std::uint64_t before = world.time().turns();
  world.run_scripts();
  return world.time().turns() - before;
}

Weather narrow() {
  Weather weather;
  weather.link.rate = 8'000'000;
  weather.host.send_buffer = weather.host.receive_buffer = 16 * 1024;
  return weather;
}

void at_turns(Trial& t, std::string_view label, unsigned messages, const std::function<void(World&)>& then,
              const std::function<void(World&)>& prepare) {
  const Weather weather = narrow();
  if (!t.prepares(label)) return;
  const std::uint64_t turns = turns_of_conversation(t, weather, messages, prepare);
  for (const unsigned turn : t.positions(turns)) {
    if (!t.wants(std::format("{}@{}", label, turn))) continue;
    World world(t, weather);
    if (prepare) prepare(world);
    converse(t, world, messages);
    world.run_turns(turn);
    then(world);
  }
}

void close_or_abort(Trial& t) {
  if (t.wants("close")) {
    World world(t);
    converse(t, world);
    expect_played(t, world);
  }
  at_turns(t, "abort", 3, [](World& world) {
    world.client.abort();
    world.run_for(std::chrono::seconds(20));
  });
}

}  // namespace trellis::conformance
