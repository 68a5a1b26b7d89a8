// Group T: every way to end, at every moment.
#include <format>

#include "conformance/conversation.h"

namespace trellis::conformance {
namespace {

constexpr Duration kCloseMost =
    std::chrono::minutes(20);  // a kernel gives up on a peer that is gone after a quarter of an hour

std::string needs_half_close(const Facts& facts) {
  return facts.has(Feature::half_close) ? "" : "its stack has no half_close";
}
std::string needs_nothing_lost(const Facts& facts) { return facts.exact() ? "" : "its stack may lose what was sent"; }
std::string needs_connection(const Facts& facts) {
  return facts.exact() ? "" : "its stack has no way to tell the peer of an end";
}

void close_flushes(Trial& t) {
  for (const Side side : {Side::client, Side::server}) {
    if (!t.wants(std::string(to_string(side)))) continue;
    World world(t, t.seed() % 2 == 0 ? Weather{} : narrow());
    world.client.script = {.sizes = {1}, .close = false};
    world.server.script = {.sizes = {}, .close = false};
    Party& closing = world.party(side);
    Party& reading = world.party(other(side));
    for (int i = 0; i < 30; ++i) closing.script.sizes.push_back(size_most(t.facts()));
    closing.script.close_at_once = true;
    world.start();
    const bool all = world.run_until([&] { return reading.received_all() && closing.ended(); });
    fail_unless(
        t, world, all && closing.closed(),
        std::format("everything that the {} sent before close() to arrive, and close() to end well", to_string(side)));
  }
}

void half_close(Trial& t) {
  for (const Side first : {Side::client, Side::server}) {
    if (!t.wants(std::string(to_string(first)))) continue;
    World world(t);
    Party& early = world.party(first);
    Party& late = world.party(other(first));
    world.client.script = {.sizes = {100}, .close = false};
    world.server.script = {.sizes = {100}, .close = false};
    early.script.finish = true;
    world.start();
    const bool told = world.run_until([&] { return late.final() && world.server.ready(); });
    fail_unless(t, world, told,
                std::format("the {} to hear that the {} has finished", to_string(late.side()), to_string(first)));
    for (int i = 0; i < 10; ++i) late.script.sizes.push_back(size_most(t.facts()));
    late.script.finish = true;
    late.pump();
    const bool arrived = world.run_until([&] { return early.received_all() && early.final(); });
    fail_unless(t, world, arrived,
                std::format("what the {} sends after the {} has finished to arrive, and then its end",
                            to_string(late.side()), to_string(first)));
  }
}

// The peer has sent and closed before we read the first byte. `held`: not even the subject gets rid of what comes.
void read_half_a_minute_later(Trial& t, Side closing, bool held) {
  World world(t);
  Party& writer = world.party(closing);
  Party& reader = world.party(other(closing));
  world.client.script = {.sizes = {1}, .close = false};
  world.server.script = {.sizes = {}, .close = false};
  // Credit that is out cannot be taken back: there must be little of it when holding begins.
  if (held) world.scene.plan(Place::above, reader.side()) = {.window = 1500};
  world.start();
  world.run_until([&] { return world.client.done() && world.server.done() && world.server.ready(); });
  if (!world.server.ready()) return;
  reader.stop_reading();
  if (held) world.plan(Place::above, reader.side(), {.hold = true});
  for (int i = 0; i < 3; ++i) writer.script.sizes.push_back(std::min(9000u, size_most(t.facts())));
  writer.pump();
  world.run_for(std::chrono::seconds(1));
  writer.script.sizes.push_back(
      static_cast<std::uint32_t>(2 + t.random.below(99)));  // comes alone, and the end with it
  writer.pump();
  world.run_until([&] { return writer.sent_all(); });
  writer.close();
  world.run_for(std::chrono::seconds(30));
  if (held) world.plan(Place::above, reader.side(), {});
  reader.start_reading();
  const bool all = world.run_until([&] { return reader.received_all() && (reader.final() || reader.ended()); });
  fail_unless(t, world, all,
              "what the peer sent before it closed to be there when it is read half a minute later, and then the end");
}

void read_after_close(Trial& t) {
  for (const Side closing : {Side::client, Side::server}) {
    for (const bool held : {false, true}) {
      if (!t.wants(std::format("{}-closes{}", to_string(closing), held ? "-held" : ""))) continue;
      read_half_a_minute_later(t, closing, held);
    }
  }
}

// And as an abort: who takes it for an end believes that what came is all.
void abort_is_told(Trial& t) {
  for (const Side side : {Side::client, Side::server}) {
    at_turns(t, to_string(side), 6, [&](World& world) {
      const bool both_ready = world.client.ready() && world.server.ready();
      Party& victim = world.party(other(side));
      const bool had_ended = victim.ended() || victim.final();
      const bool had_finished = world.party(side).has_finished();
      world.party(side).abort();
      world.run_until([&] { return victim.ended() || victim.final(); }, kCloseMost);
      if (!both_ready || had_ended) return;
      fail_unless(t, world, victim.ended() || victim.final(),
                  std::format("the {} to hear of it when the {} aborts", to_string(victim.side()), to_string(side)));
      fail_unless(
          t, world, had_finished || !victim.final(),
          std::format("the {} not to take the abort of the {} for an end", to_string(victim.side()), to_string(side)));
    });
  }
}

void peer_vanishes(Trial& t) {
  for (const Side side : {Side::client, Side::server}) {
    at_turns(t, to_string(side), 6, [&](World& world) {
      world.link().block({.verdict = Verdict::drop});
      world.run_for(std::chrono::seconds(1));
      Party& left = world.party(side);
      if (side == Side::server && !left.connection) return;
      if (left.ready()) left.close();
      const bool ended = world.run_until([&] { return left.ended(); }, kCloseMost);
      fail_unless(t, world, ended,
                  std::format("close() of the {} to end, well or not, within {} min after the network went dark",
                              to_string(side), kCloseMost / std::chrono::minutes(1)));
    });
  }
}

void both_close(Trial& t) {
  for (const unsigned delay : t.positions(30)) {
    if (!t.wants(std::format("apart@{}", delay))) continue;
    World world(t);
    converse_and_stay(t, world, 3);
    expect_received(t, world);
    if (t.failed() || world.broken()) continue;
    world.client.close();
    world.run_for(std::chrono::milliseconds(delay));
    world.server.close();
    const bool ended = world.run_until([&] { return world.client.ended() && world.server.ended(); }, kCloseMost);
    fail_unless(t, world, ended && world.client.closed() && world.server.closed(),
                "both to close cleanly when they close at about the same time");
  }
}

void destroyed_at_every_turn(Trial& t) {
  for (const std::string_view who : {"client", "server", "both"}) {
    at_turns(t, who, 6, [&](World& world) {
      const bool was_ready = world.client.ready() && world.server.ready();
      if (who != "server") world.client.drop();
      if (who != "client") world.server.drop();
      Party& survivor = who == "client" ? world.server : world.client;
      world.run_until([&] { return survivor.ended() || survivor.final(); }, kCloseMost);
      if (who == "both" || !was_ready || !t.facts().exact()) return;
      fail_unless(t, world, survivor.ended() || survivor.final(),
                  std::format("the {} to hear of it when the {} is destroyed", to_string(survivor.side()), who));
    });
  }
}

void listener_stops(Trial& t) {
  at_turns(t, "stop", 6, [&](World& world) {
    const bool accepted = world.server.ready();
    world.stop_listening();
    if (accepted)
      expect_played(t, world);
    else
      world.run_until([&] { return world.client.ended(); }, std::chrono::minutes(1));
  });
}

constexpr Check kTeardownChecks[] = {
    {.id = "T1", .title = "close() sends what was taken first", .run = close_flushes, .unfit = needs_nothing_lost},
    {.id = "T2",
     .title = "half-close: one direction ends, the other goes on",
     .run = half_close,
     .unfit = needs_half_close},
    {.id = "T3",
     .title = "what came before the peer's close can be read after it",
     .run = read_after_close,
     .unfit = needs_nothing_lost},
    {.id = "T4", .title = "an abort reaches the peer", .run = abort_is_told, .unfit = needs_connection},
    {.id = "T5", .title = "close() ends although the peer has vanished", .run = peer_vanishes},
    {.id = "T6", .title = "both sides close at once", .run = both_close},
    {.id = "T7", .title = "destroyed at every turn", .run = destroyed_at_every_turn},
    {.id = "T8", .title = "the listener stops in the middle", .run = listener_stops},
};

}  // namespace

std::span<const Check> teardown_checks() { return kTeardownChecks; }

}  // namespace trellis::conformance
