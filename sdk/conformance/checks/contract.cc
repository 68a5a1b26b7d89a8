// Group C: the life of a layer and the discipline of its ports. Most rules are watched by the probes in every run of
// every check; the runs here are those in which a layer is most likely to break them.
#include <format>

#include "conformance/conversation.h"

namespace trellis::conformance {
namespace {

void ready_once(Trial& t) {
  if (!t.wants("conversation")) return;
  World world(t);
  converse(t, world);
  const bool ready =
      world.run_until([&] { return world.client.ready() && world.server.ready(); }, std::chrono::seconds(30));
  fail_unless(t, world, ready, "both sides to be ready within 30 s on a good network");
  expect_played(t, world);
}

// The ends that bring most calls: a close, an abort, a failure of the network, a failure of the layer below.
void silent_after_the_end(Trial& t) {
  close_or_abort(t);
  if (t.facts().bottom) return;
  at_turns(t, "lower-fails", 3, [](World& world) {
    for (Tap* tap : world.taps(Place::below, Side::server))
      tap->fail({Reason::reset, 0, "kit-below", "the kit resets it"});
    world.run_for(std::chrono::seconds(20));
  });
}

void nothing_after_finish(Trial& t) {
  for (const Side first : {Side::client, Side::server}) {
    if (!t.wants(std::string(to_string(first)))) continue;
    World world(t);
    write_scripts(t, world);
    world.party(first).script.finish = true;
    world.start();
    world.run_scripts();
  }
}

void destructors_are_silent(Trial& t) {
  for (const Side side : {Side::client, Side::server}) {
    at_turns(t, to_string(side), 4, [side](World& world) {
      world.party(side).drop();
      world.run_for(std::chrono::seconds(1));
    });
  }
}

void shared_chunks_stay(Trial& t) {
  for (const bool recut : {false, true}) {
    if (!t.wants(recut ? "shared-and-cut" : "shared")) continue;
    World world(t);
    world.scene.both(Place::above, {.recut = recut, .share = true});
    world.scene.both(Place::below, {.recut = recut, .share = true});
    converse(t, world);
    expect_played(t, world);
  }
}

void ends_with_a_word(Trial& t) {
  for (const Side side : {Side::client, Side::server}) {
    at_turns(t, to_string(side), 3, [side](World& world) {
      world.party(side).abort();
      world.run_for(std::chrono::seconds(1));
    });
  }
}

void ask(Trial& t, Connection& connection, std::string_view name, const PropertyValue& value) {
  const auto got = connection.get(name);
  if (!got && got.error().detail.empty()) t.fail(std::format("get({}) failed without a word", name));
  const auto set = connection.set(name, value);
  if (!set && set.error().detail.empty()) t.fail(std::format("set({}) failed without a word", name));
}

void properties_answer(Trial& t) {
  for (const Side side : {Side::client, Side::server}) {
    if (!t.wants(std::string(to_string(side)))) continue;
    World world(t);
    converse_and_stay(t, world);
    expect_received(t, world);
    Connection& connection = world.party(side).connection;
    if (!connection || t.failed()) continue;
    const auto unknown = connection.get("no-such-property");
    if (unknown || unknown.error().reason != Reason::unsupported) {
      t.fail("get(\"no-such-property\"): expected Reason::unsupported, so that the question goes to the layer below");
    }
    const auto wrong = connection.set("no-such-property", PropertyValue(true));
    if (wrong || wrong.error().reason != Reason::unsupported)
      t.fail("set(\"no-such-property\"): expected Reason::unsupported");
    const PropertyValue values[] = {
        true,         std::uint64_t{0},           std::uint64_t{UINT64_MAX}, -1.0, Duration::zero(),
        Duration(-1), std::string("no such word")};
    for (const std::string_view name :
         {kConnPriority.name, kConnTimeout.name, kKeepAliveTimeout.name, kConnScheduler.name, kConnCapacityProfile.name,
          kMultipathPolicy.name, kGroupConnLimit.name, kMaxSendRate.name, kRecvChecksumLen.name, kSendMsgMaxLen.name,
          kRecvMsgMaxLen.name, kSingularTransmissionMsgMaxLen.name, kRoundTripTime.name, kStreamId.name}) {
      for (const PropertyValue& value : values) ask(t, connection, name, value);
    }
    const auto largest = connection.get(kSendMsgMaxLen.name);
    if (largest && !std::holds_alternative<std::uint64_t>(*largest)) t.fail("sendMsgMaxLen is not an unsigned number");
  }
}

constexpr Check kContractChecks[] = {
    {.id = "C1", .title = "ready once, in both roles", .run = ready_once},
    {.id = "C2", .title = "no call to the host after closed() or failed()", .run = silent_after_the_end},
    {.id = "C3", .title = "nothing is pushed after finish(), closed() or failed()", .run = nothing_after_finish},
    {.id = "C4", .title = "destructors are silent", .run = destructors_are_silent},
    {.id = "C5", .title = "bytes that somebody else shares are not changed", .run = shared_chunks_stay},
    {.id = "C6", .title = "an abort ends at once, a failure has words", .run = ends_with_a_word},
    {.id = "C7", .title = "properties: unknown ones go on, wrong values are refused", .run = properties_answer},
};

}  // namespace

std::span<const Check> contract_checks() { return kContractChecks; }

}  // namespace trellis::conformance
