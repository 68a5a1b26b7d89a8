// Stores behind the engine, in virtual time: what one process has learnt another one knows, and a store that is slow,
// away or wrong costs nothing.
#include "../racing/ticket_protocol.h"
#include "fake_store.h"
#include "history_world.h"

namespace trellis::tests {
namespace {

const char* const kState = R"(<state store="shelf"/>)";
const char* const kTickets = R"(<stack name="tcp"><layer protocol="tickets"/><layer protocol="tcp"/></stack>)";

struct Stored : testing::Test {
  /// Another process with the same store.
  std::unique_ptr<HistoryWorld> process(const std::string& addresses = kFirstIsABlackHole,
                                        const std::string& stacks = kTcp) {
    return std::make_unique<HistoryWorld>(one_path(addresses), stacks, kState, [this](Registrar& registrar) {
      registrar.add(std::make_unique<FakeStore>(shelf));
      registrar.add(std::make_unique<TicketKind>(tickets));
    });
  }
  std::size_t tickets_on_shelf() const {
    return static_cast<std::size_t>(
        std::ranges::count(shelf.entries, StateKind::session_ticket, [](const StateEntry& e) { return e.key.kind; }));
  }
  Shelf shelf;
  Tickets tickets;
};

// RACE-40, RACE-88, IMPL-100: the next process begins with what the last one knew.
TEST_F(Stored, HistorySurvivesTheProcess) {
  EXPECT_GE(process()->dial().took, 250ms);
  EXPECT_FALSE(shelf.entries.empty());
  const Dialled next = process()->dial();
  EXPECT_LE(next.took, kRtt + 10ms);
  EXPECT_EQ(next.attempts(), 1u);
  EXPECT_TRUE(next.node("1.1.1.2").history.starts_with("history: 20 ms")) << next.node("1.1.1.2").history;
}

// RACE-90: what a store knows of a network whose link has gone is not believed when the name is there again.
TEST_F(Stored, WhatWasForgottenDoesNotComeBack) {
  auto w = process();
  const auto took = [&] { return w->dial(w->to().interface_name("eth0")).took; };
  EXPECT_GE(took(), 250ms);
  EXPECT_LE(took(), kRtt + 10ms);
  w->history().forget_network("eth0", w->world->time().now());
  EXPECT_GE(took(), 250ms);
  EXPECT_LE(took(), kRtt + 10ms) << "what was learnt since is";
}

// The race waits for a quick store only: at most 2 ms, and then for a while not at all.
TEST_F(Stored, ASlowStoreIsNotWaitedFor) {
  shelf.answers_after = 1s;
  auto w = process(R"(<address ip="192.0.2.1"/>)");
  const Duration first = w->dial().took;
  EXPECT_GE(first, kRtt + 10ms) << "once in a process: it may just be opening";
  EXPECT_LE(first, kRtt + 11ms);
  EXPECT_LE(w->dial().took, kRtt + 1ms);
  EXPECT_EQ(shelf.asked, 2) << "what comes late is still good for the next one";
  w->later(11s);
  const Duration later = w->dial().took;
  EXPECT_GE(later, kRtt + 2ms) << "it may be quick again";
  EXPECT_LE(later, kRtt + 3ms);
}

TEST_F(Stored, AStoreInTroubleCostsNothingAndIsToldOnce) {
  shelf.usable = false;
  shelf.trouble = "the shelf cannot be opened";  // before anybody has asked
  auto w = process(R"(<address ip="192.0.2.1"/>)");
  EXPECT_LE(w->dial().took, kRtt + 1ms);
  EXPECT_EQ(shelf.asked, 0);
  EXPECT_EQ(std::ranges::count(w->log, "the shelf cannot be opened"), 1);
  shelf.usable = true;
  shelf.trouble = "the shelf is broken";
  w->dial();
  w->dial();
  EXPECT_EQ(std::ranges::count(w->log, "the shelf is broken"), 1);
}

// A store may hold anything: other keys than asked for, bytes that nobody wrote, times of other clocks.
TEST_F(Stored, WrongContentsAreNothing) {
  process()->dial();
  for (StateEntry& e : shelf.entries) e.value.assign(7, std::byte{0xff});
  EXPECT_GE(process()->dial().took, 250ms);
  for (StateEntry& e : shelf.entries) e.value.clear();
  EXPECT_GE(process()->dial().took, 250ms);
  for (StateEntry& e : shelf.entries) e.expires -= std::chrono::hours(1);
  EXPECT_GE(process()->dial().took, 250ms) << "expired by this clock";
}

// RACE-89, IMPL-99, API-146: an isolated session asks no store.
TEST_F(Stored, IsolatedSessionsLeaveTheStoreAlone) {
  auto w = process();
  w->dial(w->to().set("isolateSession", true));
  EXPECT_EQ(shelf.asked, 0);
  EXPECT_TRUE(shelf.entries.empty());
}

// RACE-109, RACE-110, IMPL-97: a ticket is on the shelf or with one process; what was not used goes back.
TEST_F(Stored, TicketsAreInOnePlace) {
  const char* const one = R"(<address ip="192.0.2.1"/>)";
  tickets.given = 3;
  auto first = process(one, kTickets);
  first->dial();
  EXPECT_EQ(tickets_on_shelf(), 3u);
  EXPECT_EQ(first->framework->core().state.size(), 0u) << "not in memory too";
  tickets.given = 0;
  tickets.hellos.clear();
  auto second = process(one, kTickets);
  second->dial();
  ASSERT_EQ(tickets.hellos.size(), 1u);
  EXPECT_NE(tickets.hellos.at(0).ticket, "") << "the ticket of another process";
  EXPECT_EQ(tickets_on_shelf(), 2u) << "what was not taken went back";
  first->dial();
  second->dial();
  first->dial();
  ASSERT_EQ(tickets.hellos.size(), 4u);
  EXPECT_NE(tickets.hellos.at(1).ticket, tickets.hellos.at(2).ticket);
  EXPECT_EQ(tickets.hellos.at(3).ticket, "") << "all are used";
}

// Without a store that works the memory of the process does what it always did.
TEST_F(Stored, TicketsStayInMemoryWhileTheStoreIsAway) {
  shelf.usable = false;
  tickets.given = 1;
  auto w = process(R"(<address ip="192.0.2.1"/>)", kTickets);
  w->dial();
  w->dial();
  ASSERT_EQ(tickets.hellos.size(), 2u);
  EXPECT_NE(tickets.hellos.at(1).ticket, "");
  EXPECT_TRUE(shelf.entries.empty());
}

}  // namespace
}  // namespace trellis::tests
