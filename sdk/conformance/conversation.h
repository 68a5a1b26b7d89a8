// conversation.h: the usual exchange of two applications, and what must be true at its end.
#pragma once
#include <functional>

#include "conformance/world.h"

namespace trellis::conformance {

/// Gives both applications something to say, drawn from the trial's seed. Both close in the end.
void write_scripts(Trial& t, World& world, unsigned messages = 6);
/// Writes scripts and begins.
void converse(Trial& t, World& world, unsigned messages = 6);
/// The same, but both stay connected when everything was sent and received.
void converse_and_stay(Trial& t, World& world, unsigned messages = 6);

/// Runs a conversation to its end: everything arrived, both closed cleanly. Otherwise the trial fails.
void expect_played(Trial& t, World& world, Duration within = std::chrono::minutes(2));

/// Everything that was sent has arrived, within this time.
void expect_received(Trial& t, World& world, Duration within = std::chrono::minutes(2));

/// Fails unless a rule was broken already, which says more.
void fail_unless(Trial& t, World& world, bool right, const std::string& expected);

/// A link that is slow enough to spread a conversation over many turns.
Weather narrow();

/// How many turns a conversation of this trial takes; `prepare` may change the world before it begins.
std::uint64_t turns_of_conversation(Trial& t, const Weather& weather, unsigned messages,
                                    const std::function<void(World&)>& prepare = {});

/// Runs a conversation over a narrow link up to each turn that this seed tries and hands the world over. `label`: of
/// the case, for example "client": its cases are then client@0, client@7, …
void at_turns(Trial& t, std::string_view label, unsigned messages, const std::function<void(World&)>& then,
              const std::function<void(World&)>& prepare = {});

/// Runs a conversation to its end, and others up to an abort by the client: the cases "close" and "abort@…".
void close_or_abort(Trial& t);

}  // namespace trellis::conformance
