// Group H: framers that do more than framing (RFC 9623 section 6): talk before the application or after it, deliver
// what is theirs, get out of the way, put another one above them, or fail a candidate. What they may ask of their host,
// and when, is watched in every run.
#include <format>

#include "conformance/conversation.h"

namespace trellis::conformance {
namespace {

std::string needs_a_framer(const Facts& facts) { return facts.framer ? "" : "it is no framer"; }

std::string needs_an_answer(const Facts& facts) {
  if (!facts.framer) return "it is no framer";
  return facts.framer_rtts > 0 ? "" : "it claims no round trip: it is ready without an answer";
}

void does_what_it_declares(Trial& t) {
  if (!t.wants("hooks")) return;
  World world(t);
  converse(t, world);
  expect_played(t, world);
  if (t.failed() || world.broken()) return;
  for (const Hook hook :
       {Hook::speaks_first, Hook::speaks_last, Hook::delivers, Hook::passes_through, Hook::prepends}) {
    const bool declared = std::ranges::contains(t.subject().hooks, hook), used = world.scene.used(hook);
    if (declared && !used)
      t.fail(std::format("Subject::hooks says {}, and a whole conversation has not shown it", to_string(hook)));
    if (used && !declared) t.fail(std::format("it {}, and Subject::hooks does not say so", to_string(hook)));
  }
}

// IMPL-74: a peer that says nothing, or ends, fails the candidate; what it has waited with is given back.
void waits_for_an_answer(Trial& t) {
  for (const bool ends : {false, true}) {
    if (!t.wants(ends ? "peer-ends" : "peer-is-silent")) continue;
    World world(t, {.raw_server = true});
    Connection silent;
    world.on_peer = [&](Connection peer) {
      silent = std::move(peer);
      if (ends) silent.close();
    };
    world.client.script = {.sizes = {1}, .close = false};
    world.start();
    world.run_until([&] { return world.client.ready() || world.failure_told(); }, std::chrono::minutes(1));
    const bool failed = world.client.error() && !world.client.error()->detail.empty();
    fail_unless(t, world, failed && !world.client.ready(),
                ends ? "the candidate to fail, with a word, when the peer ends before it has answered"
                     : "the candidate to fail, with a word, when the peer never answers");
    silent = {};
  }
}

constexpr Check kHookChecks[] = {
    {.id = "H1",
     .title = "a framer acts when it is asked, and in order",
     .run = close_or_abort,
     .unfit = needs_a_framer},
    {.id = "H2",
     .title = "a framer uses the hooks that its author declares, and no other",
     .run = does_what_it_declares,
     .unfit = needs_a_framer},
    {.id = "H3",
     .title = "a set-up that is not answered fails the candidate",
     .run = waits_for_an_answer,
     .unfit = needs_an_answer},
};

}  // namespace

std::span<const Check> hook_checks() { return kHookChecks; }

}  // namespace trellis::conformance
