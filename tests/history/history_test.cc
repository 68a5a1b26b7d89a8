// What earlier connections taught: black holes and blocked protocols are paid for once, and forgiven after a while.
#include "history_world.h"

namespace trellis::tests {
namespace {

// RACE-87, RACE-88, RACE-91: the number of the issue: one round trip and 10 ms at most.
TEST(History, ABlackHoleIsPaidForOnceAndTriedAgainAfterTheEntryExpires) {
  HistoryWorld w(one_path(kFirstIsABlackHole));
  EXPECT_GE(w.dial().took, 250ms) << "nobody knew";
  const Dialled next = w.dial();
  EXPECT_LE(next.took, kRtt + 10ms);
  EXPECT_EQ(next.attempts(), 1u);
  EXPECT_EQ(next.remote.family, Address::Family::ipv4);
  w.later(590s);
  EXPECT_LE(w.dial().took, kRtt + 10ms) << "still known";
  w.later(15s);
  const Dialled again = w.dial();
  EXPECT_EQ(again.attempts(), 2u);
  EXPECT_GE(again.took, 250ms * 2 / 5) << "the black hole is tried again";
  EXPECT_LE(w.dial().took, kRtt + 10ms);
}

// RACE-46, IMPL-25: explained where the trace and `trellis explain` find it.
TEST(History, IsToldInTheTrace) {
  HistoryWorld w(one_path(kFirstIsABlackHole));
  w.dial();
  w.later(240s);
  const Dialled next = w.dial();
  const auto story = [&](std::string_view address) {
    for (const RaceNode& node : next.report.nodes) {
      if (node.attempt && node.text().contains(address)) return node.history;
    }
    return std::string("no such node");
  };
  EXPECT_EQ(story("192.0.2.1"), "history: 20 ms, 4 min ago");
  EXPECT_EQ(story("2001:db8::1"), "history: no answer within 270 ms, 4 min ago; tried last");
  EXPECT_EQ(next.node("1.1.1").history, "history: 20 ms, 4 min ago") << "the stack";
}

// RACE-35, RACE-55, RACE-132: the delay follows what the first one is known to need.
TEST(History, DelaysFollowWhatIsKnown) {
  HistoryWorld w(one_path(R"(<address ip="192.0.2.1"><block does="drop" from-ms="10000"/></address>)"
                          R"(<address ip="192.0.2.2"/>)"));
  EXPECT_LE(w.dial().took, kRtt + 1ms);
  w.later(10s);
  const Dialled next = w.dial();
  EXPECT_EQ(next.attempts(), 2u);
  EXPECT_LE(next.took, 100ms + kRtt + 1ms) << "the least delay, because 20 ms are expected";
}

// RACE-91: who is never told anything new finds out nevertheless.
TEST(History, IsNotBelievedForEver) {
  HistoryWorld w(one_path(kFirstIsABlackHole), kTcp, R"(<state><keep kind="performance" seconds="604800"/></state>)");
  w.dial();
  std::uint32_t cheap = 0;
  while (cheap <= 2 * History::kBelievedTimes && w.dial().attempts() == 1) ++cheap;
  EXPECT_GE(cheap, History::kBelievedTimes / 4);
  EXPECT_LE(cheap, History::kBelievedTimes);
}

// RACE-87, RACE-89, IMPL-99: a policy can forbid it. API-254: without it the outcome is the same, only later.
TEST(History, NothingIsKeptWhereThePolicySaysSo) {
  HistoryWorld w(one_path(kFirstIsABlackHole), kTcp, R"(<state><keep kind="performance" seconds="0"/></state>)");
  const Dialled first = w.dial();
  EXPECT_TRUE(w.history().empty());
  const Dialled again = w.dial();
  EXPECT_GE(again.took, 250ms);
  EXPECT_FALSE(again.failure);
  EXPECT_EQ(again.remote, first.remote);
  EXPECT_EQ(again.stack, first.stack);
}

// RACE-89, IMPL-99, API-34, API-146, API-217, API-247: contexts, profiles and isolated sessions share nothing.
TEST(History, IsPartitioned) {
  HistoryWorld w(one_path(kFirstIsABlackHole));
  w.dial(w.to().set("isolateSession", true));
  EXPECT_TRUE(w.history().empty()) << "an isolated session leaves nothing";
  w.dial();
  EXPECT_LE(w.dial().took, kRtt + 10ms);
  EXPECT_GE(w.dial(w.to().set("isolateSession", true)).took, 250ms) << "and knows nothing";
  EXPECT_GE(w.dial(w.to().context("shop")).took, 250ms);
  EXPECT_LE(w.dial(w.to().context("shop")).took, kRtt + 10ms);
  EXPECT_GE(w.dial(w.to().profile("other")).took, 250ms);
}

TEST(History, IsolateSessionTakesTrueOrFalse) {
  HistoryWorld w(one_path(kFirstIsABlackHole));
  const Dialled wrong = w.dial(w.to().set("isolateSession", std::uint64_t{1}));
  ASSERT_TRUE(wrong.failure);
  EXPECT_EQ(wrong.failure->reason, Reason::invalid_argument);
}

// Losers are judged fairly: who was alive and merely slower has not failed.
TEST(History, WhoWasSlowerHasNotFailed) {
  HistoryWorld w(one_path(R"(<address ip="2001:db8::1" delay-ms="20"/><address ip="192.0.2.1"/>)"), kTcp,
                 R"(<racing><branch on="endpoint" policy="simultaneous"/></racing>)");
  EXPECT_EQ(w.dial().remote.family, Address::Family::ipv4);
  const Dialled next = w.dial();
  EXPECT_EQ(next.node("1.1.1.1").history, "") << "canceled after 20 ms: that says nothing";
  EXPECT_FALSE(next.node("1.1.1.1").failed_before);
}

// RACE-39, RACE-40, RACE-43, API-255, IMPL-18: blocked UDP is remembered: the next connection begins with TCP, and
// tries UDP only when TCP hesitates.
TEST(History, AProtocolThatGetsNowhereIsTriedLast) {
  HistoryWorld w(one_path(R"(<address ip="192.0.2.1"/>)", R"(<block does="drop" protocol="udp"/>)"), kUdpThenTcp);
  const Dialled first = w.dial();
  EXPECT_EQ(first.stack, "tcp");
  EXPECT_GE(first.took, 300ms);
  const Dialled next = w.dial();
  EXPECT_EQ(next.stack, "tcp");
  EXPECT_LE(next.took, kRtt + 10ms);
  EXPECT_EQ(next.attempts(), 1u);
  EXPECT_TRUE(next.node("1.1.1").failed_before);
  EXPECT_FALSE(next.node("1.1.2").failed_before);
}

// RACE-40: where the policy wants it, what failed is left out as long as something else may come through.
TEST(History, PrunesWhereThePolicySaysSo) {
  constexpr const char* kThenSlow = R"(<address ip="2001:db8::1"><block does="drop"/></address>)"
                                    R"(<address ip="192.0.2.1"><block does="drop" from-ms="1000" until-ms="3000"/>)"
                                    R"(<block does="refuse" from-ms="20000"/></address>)";
  const auto racing = [](const char* prune) {
    return std::format(R"(<racing><branch on="endpoint" policy="staggered"><option name="prune" value="{}"/>)"
                       R"(</branch></racing>)",
                       prune);
  };
  HistoryWorld ranks(one_path(kThenSlow), kTcp, racing("false")), prunes(one_path(kThenSlow), kTcp, racing("true"));
  for (HistoryWorld* w : {&ranks, &prunes}) {
    w->dial();
    w->later(1s);
  }
  EXPECT_EQ(ranks.dial().attempts(), 2u) << "it gets its turn after a while";
  const Dialled pruned = prunes.dial();
  EXPECT_EQ(pruned.attempts(), 1u);
  EXPECT_FALSE(pruned.failure);
  prunes.later(20s);
  EXPECT_EQ(prunes.dial(prunes.to().connect_timeout(2s)).attempts(), 2u) << "nothing else is left";
}

// RACE-40: ... but never skipped for ever: when TCP gives no answer, it gets its turn after the delay.
TEST(History, WhatIsTriedLastIsStillTried) {
  HistoryWorld w(one_path(R"(<address ip="192.0.2.1"><block does="drop" protocol="tcp" from-ms="5000"/></address>)",
                          R"(<block does="drop" protocol="udp"/>)"),
                 kUdpThenTcp);
  w.dial();
  w.later(5s);
  const Dialled next = w.dial(std::move(w.to().connect_timeout(2s)));
  EXPECT_EQ(next.attempts(), 2u);
  EXPECT_TRUE(next.failure);
}

// RACE-40, RACE-87: what failed in one network says nothing about another one.
TEST(History, IsKeptForEachNetwork) {
  HistoryWorld w(R"(<path interface="bad0" delay-ms="10"><block does="drop" protocol="udp"/></path>)"
                 R"(<path interface="good0" delay-ms="10"><block does="drop" protocol="udp"/></path>)"
                 R"(<host name="a.example"><address ip="192.0.2.1"/></host>)",
                 kUdpThenTcp);
  w.dial(w.to().interface_name("bad0"));
  EXPECT_LE(w.dial(w.to().interface_name("bad0")).took, kRtt + 10ms);
  EXPECT_GE(w.dial(w.to().interface_name("good0")).took, 300ms);
  w.history().forget_network("bad0", w.world->time().now());  // RACE-90
  EXPECT_GE(w.dial(w.to().interface_name("bad0")).took, 300ms);
}

// RACE-40, IMPL-97, IMPL-100: a network in which UDP gets nowhere at all is known by what happened with others.
TEST(History, ANetworkThatBlocksAProtocolIsKnownForNewPeers) {
  HistoryWorld w(R"(<path interface="eth0" delay-ms="10"><block does="drop" protocol="udp"/></path>)"
                 R"(<host name="a.example"><address ip="192.0.2.1"/></host>)"
                 R"(<host name="b.example"><address ip="198.51.100.1"/></host>)"
                 R"(<host name="c.example"><address ip="203.0.113.1"/></host>)",
                 kUdpThenTcp);
  w.dial(w.to("a.example"));
  EXPECT_GE(w.dial(w.to("b.example")).took, 300ms) << "one failure is no proof";
  const Dialled third = w.dial(w.to("c.example"));
  EXPECT_LE(third.took, kRtt + 10ms);
  EXPECT_TRUE(third.node("1.1.1").history.ends_with("gets nowhere on this network: tried last"))
      << third.node("1.1.1").history;
}

// Address family memory: a new name in a network whose IPv6 leads nowhere.
TEST(History, AFamilyThatLeadsNowhereIsKnownForNewPeers) {
  HistoryWorld w(R"(<path interface="eth0" delay-ms="10"><block does="drop" family="ipv6"/></path>)"
                 R"(<host name="a.example"><address ip="2001:db8:a::1"/><address ip="192.0.2.1"/></host>)"
                 R"(<host name="b.example"><address ip="2001:db8:b::1"/><address ip="198.51.100.1"/></host>)"
                 R"(<host name="c.example"><address ip="2001:db8:c::1"/><address ip="203.0.113.1"/></host>)");
  w.dial(w.to("a.example"));
  w.dial(w.to("b.example"));
  EXPECT_LE(w.dial(w.to("c.example")).took, kRtt + 10ms);
}

// RACE-45, RACE-128, IMPL-25, IMPL-31: within a family the one that is clearly faster goes first; across families RFC
// 6724 decides.
TEST(History, TheFasterAddressGoesFirstWithinItsFamily) {
  HistoryWorld w(one_path(R"(<address ip="192.0.2.1" delay-ms="80"/><address ip="192.0.2.2"/>)"), kTcp,
                 R"(<racing><branch on="endpoint" policy="simultaneous"/></racing>)");
  for (int i = 0; i < 2; ++i) w.dial();
  HistoryPlace place{.partition = {}, .network = "", .endpoint = "a.example 443", .stack = "tcp"};
  const std::string partition =
      w.framework->core().plan({.remote = {.host = "a.example", .port = 443}, .profile = "p"})->state->partition;
  place.partition = partition;
  Attempted slow{.remote = {.family = Address::Family::ipv4, .ip = {192, 0, 2, 1}}, .ran = 180ms};
  w.history().learn(place, 32, slow, w.world->client().loop().now(), 600s);
  const Dialled next = w.dial();
  EXPECT_EQ(next.node("1.1.1.2").history, "history: 20 ms, just now");
  EXPECT_LT(next.node("1.1.1.2").rank, next.node("1.1.1.1").rank);
}

// A policy of one's own cannot be talked into something else: what is not allowed is not there, whatever history says.
TEST(History, NeverAddsACandidate) {  // RACE-95
  HistoryWorld w(one_path(R"(<address ip="192.0.2.1"><block does="drop" protocol="tcp" from-ms="1000"/></address>)",
                          R"(<block does="drop" protocol="udp"/>)"),
                 kUdpThenTcp);
  w.dial();
  w.later(1s);
  Preconnection only = w.to().require(Feature::multistreaming).connect_timeout(1s);
  const Dialled next = w.dial(std::move(only));
  ASSERT_TRUE(next.failure);
  for (const RaceNode& node : next.report.nodes) EXPECT_NE(node.stack, "tcp");
}

}  // namespace
}  // namespace trellis::tests
