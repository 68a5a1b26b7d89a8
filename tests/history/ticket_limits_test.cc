// API-236, API-237: how many tickets an application keeps, and how long.
#include <gtest/gtest.h>

#include "core/state_keeper.h"
#include "core/state_memory.h"
#include "fake_store.h"
#include "loop/virtual_loop.h"

namespace trellis::tests {
namespace {

using namespace std::chrono_literals;

constexpr StateKind kTicket = StateKind::session_ticket;

StateValue value(char text) { return {static_cast<std::byte>(text)}; }

class TicketLimits : public testing::Test {
 protected:
  /// What the layer of a connection to that peer sees.
  LayerState seen_by(const std::string& peer) {
    return {&memory,
            rules,
            {.kind = {}, .partition = "p", .network = "n", .endpoint = peer, .protocol = "tls", .detail = {}},
            &security,
            loop};
  }
  VirtualWorld world{1};
  VirtualLoop loop{world, {}};
  StateMemory memory;
  std::shared_ptr<StateRules> rules = std::make_shared<StateRules>();
  Security security;
};

TEST_F(TicketLimits, AutomaticKeepsWhatFits) {
  auto state = seen_by("one");
  for (char c = 'a'; c < 'e'; ++c) state.put(kTicket, {}, value(c), 1h);
  EXPECT_EQ(memory.size(), 4u);
}

TEST_F(TicketLimits, TheOldestOfAllPeersGoFirst) {
  security.max_cached_sessions = 2;
  auto one = seen_by("one"), two = seen_by("two");
  one.put(kTicket, {}, value('a'), 1h);
  two.put(kTicket, {}, value('b'), 1h);
  one.put(StateKind::support, {}, value('s'), 1h);
  two.put(kTicket, {}, value('c'), 1h);
  EXPECT_TRUE(one.take(kTicket, {}).empty());
  EXPECT_EQ(one.peek(StateKind::support, {}), value('s')) << "only tickets are counted";
  EXPECT_EQ(two.take(kTicket, {}), value('c'));
  EXPECT_EQ(two.take(kTicket, {}), value('b'));
}

TEST_F(TicketLimits, NoneIsKeptWhereNoneIsAllowed) {
  security.max_cached_sessions = 0;
  auto state = seen_by("one");
  state.put(kTicket, {}, value('a'), 1h);
  EXPECT_TRUE(state.take(kTicket, {}).empty());
}

TEST_F(TicketLimits, TheyEndWithTheirLifetime) {
  security.cached_session_lifetime = 60s;
  auto state = seen_by("one");
  state.put(kTicket, {}, value('a'), 1h);
  state.put(StateKind::support, {}, value('s'), 1h);
  world.run_for(59s);
  EXPECT_EQ(state.peek(kTicket, {}), value('a'));
  world.run_for(1s);
  EXPECT_TRUE(state.peek(kTicket, {}).empty());
  EXPECT_FALSE(state.peek(StateKind::support, {}).empty());
}

TEST_F(TicketLimits, ALongerLifetimeThanTheServersChangesNothing) {
  security.cached_session_lifetime = 2h;
  auto state = seen_by("one");
  state.put(kTicket, {}, value('a'), 1h);
  world.run_for(1h);
  EXPECT_TRUE(state.take(kTicket, {}).empty());
}

// A store is shared by processes that cannot count each other's tickets.
TEST_F(TicketLimits, WhatIsLimitedStaysInThisProcess) {
  Shelf shelf;
  rules->store = std::make_shared<StateKeeper>("fake", std::make_unique<FakeOpenStore>(shelf));
  seen_by("one").put(kTicket, {}, value('a'), 1h);
  EXPECT_EQ(shelf.entries.size(), 1u);
  security.max_cached_sessions = 2;
  seen_by("one").put(kTicket, {}, value('b'), 1h);
  EXPECT_EQ(shelf.entries.size(), 1u);
  EXPECT_EQ(memory.size(), 1u);
}

}  // namespace
}  // namespace trellis::tests
