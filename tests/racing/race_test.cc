// Racing in virtual time: when candidates are started, who wins, and how failure and success reach the root.
#include <gtest/gtest.h>

#include <random>
#include <set>

#include "race_world.h"

namespace trellis::tests {
namespace {

struct RaceTest : testing::Test {
  Registry registry{{TRELLIS_BUILD_DIR "/plugins"}};
  Racing staggered{registry};
  Racing failover{registry, "failover"};
  Racing simultaneous{registry, "simultaneous"};

  static std::vector<Address> list(int ipv6, int ipv4) {
    std::vector<Address> all;
    for (int i = 0; i < ipv6; ++i) all.push_back(address(true, static_cast<std::uint8_t>(i + 1)));
    for (int i = 0; i < ipv4; ++i) all.push_back(address(false, static_cast<std::uint8_t>(i + 1)));
    return all;
  }
  static void resolve_at_once(RaceWorld& w, int ipv6, int ipv4) {
    w.answers = {{.after = {}, .addresses = list(ipv6, ipv4), .ipv6 = true, .ipv4 = true}};
  }
  static bool is6(const Candidate& c) { return c.remote->address.family == Address::Family::ipv6; }
};

constexpr Duration kRtt = milliseconds(30);

// RACE-65: no second attempt while the first is healthy.
TEST_F(RaceTest, HealthyFirstCandidateIsTheOnlyOne) {
  RaceWorld w(staggered);
  resolve_at_once(w, 2, 2);
  w.outcome = [](const Candidate&) { return Outcome{.ready = kRtt}; };
  w.run();
  EXPECT_EQ(w.started(), "6@0");
  EXPECT_EQ(w.ended, kRtt);
  EXPECT_EQ(w.winner, "1.1.1.1");
  EXPECT_EQ(w.ends, 1) << "the application is told once";  // RACE-70
}

// RACE-52, RACE-53, RACE-54, RACE-116, RACE-130
TEST_F(RaceTest, BlackHoleCostsOneAttemptDelay) {
  RaceWorld w(staggered);
  resolve_at_once(w, 1, 1);
  w.outcome = [](const Candidate& c) { return is6(c) ? Outcome{} : Outcome{.ready = kRtt}; };
  w.run();
  EXPECT_EQ(w.started(), "6@0 4@250");
  EXPECT_EQ(w.ended, milliseconds(250) + kRtt);
  EXPECT_EQ(w.canceled, 1) << "the loser is canceled";  // RACE-77, RACE-131
}

// RACE-46, RACE-62: a path that goes away ends all that runs below it, and the next one starts at once.
TEST_F(RaceTest, ANodeThatGoesAwayFails) {
  RaceWorld w(failover, staggered, staggered);
  w.paths = 2;
  resolve_at_once(w, 2, 0);
  w.outcome = [](const Candidate& c) { return c.path == 0 ? Outcome{} : Outcome{.ready = kRtt}; };
  w.at(milliseconds(300), [&] {
    w.race.node_failed(w.now(), w.race.tree().child(kRoot, 1), {Reason::unreachable, 0, "test", "it is gone"});
  });
  w.run();
  EXPECT_EQ(w.started(), "6@0 6@250 6@300");
  EXPECT_EQ(w.canceled, 2);
  EXPECT_EQ(w.winner, "1.2.1.1");
  EXPECT_EQ(w.ended, milliseconds(300) + kRtt);
}

TEST_F(RaceTest, APathThatGoesAwayBeforeItsTurnIsNotTried) {
  RaceWorld w(failover, staggered, staggered);
  w.paths = 3;
  resolve_at_once(w, 1, 0);
  w.outcome = [](const Candidate& c) {
    return c.path == 2 ? Outcome{.ready = kRtt} : Outcome{.failed = milliseconds(100)};
  };
  w.at(milliseconds(50), [&] {
    w.race.node_failed(w.now(), w.race.tree().child(kRoot, 2), {Reason::unreachable, 0, "test", "it is gone"});
  });
  w.run();
  EXPECT_EQ(w.started(), "6@0 6@100");
  EXPECT_EQ(w.winner, "1.3.1.1");
}

// RACE-54
TEST_F(RaceTest, FirstMayStillWinAfterTheSecondWasStarted) {
  RaceWorld w(staggered);
  resolve_at_once(w, 1, 1);
  w.outcome = [](const Candidate& c) {
    return is6(c) ? Outcome{.ready = milliseconds(260)} : Outcome{.ready = milliseconds(100)};
  };
  w.run();
  EXPECT_EQ(w.ended, milliseconds(260));
  EXPECT_EQ(w.winner, "1.1.1.1");
}

/// AAAA records, and what NAT64 makes of the A records.
void resolve_with_nat64(RaceWorld& w, std::uint8_t natives) {
  std::vector<Address> own;
  for (std::uint8_t i = 1; i <= natives; ++i) own.push_back(address(true, i));
  w.answers = {{.addresses = std::move(own), .ipv6 = true},
               {.addresses = {address(true, 64), address(true, 65)}, .ipv4 = true, .translated = true}};
}

// RACE-119, RACE-137: only broken AAAA: two seconds after the last of them what NAT64 made is tried, then as ever.
TEST_F(RaceTest, WhatNat64MadeIsTheLastResort) {
  RaceWorld w(staggered);
  resolve_with_nat64(w, 2);
  w.outcome = [](const Candidate& c) { return c.last_resort ? Outcome{.ready = milliseconds(300)} : Outcome{}; };
  w.run();
  EXPECT_EQ(w.started(), "6@0 6@250 6@2250 6@2500");
  EXPECT_EQ(w.ended, milliseconds(2550));
  EXPECT_EQ(w.winner, "1.1.1.3");
}

// RACE-119: the delay is an option.
TEST_F(RaceTest, TheLastResortsDelayIsAnOption) {
  const Racing sooner(registry, "staggered", {{"last-resort-delay-ms", "400"}});
  RaceWorld w(sooner);
  resolve_with_nat64(w, 1);
  w.outcome = [](const Candidate& c) { return c.last_resort ? Outcome{.ready = kRtt} : Outcome{}; };
  w.run();
  EXPECT_EQ(w.started(), "6@0 6@400");
}

// RACE-60: whom everybody else has failed does not wait for the last resort's delay.
TEST_F(RaceTest, TheLastResortIsTriedAtOnceWhenAllOthersHaveFailed) {
  RaceWorld w(staggered);
  resolve_with_nat64(w, 2);
  w.outcome = [](const Candidate& c) {
    return c.last_resort ? Outcome{.ready = kRtt} : Outcome{.failed = milliseconds(10)};
  };
  w.run();
  EXPECT_EQ(w.started(), "6@0 6@10 6@20");
}

TEST_F(RaceTest, WithoutAddressesOfItsOwnWhatNat64MadeIsTriedAsAnyOther) {
  RaceWorld w(staggered);
  resolve_with_nat64(w, 0);
  w.outcome = [](const Candidate&) { return Outcome{}; };
  w.run(milliseconds(300));
  EXPECT_EQ(w.started(), "6@0 6@250");
}

// RACE-59, RACE-60, RACE-69, RACE-134
TEST_F(RaceTest, FailureStartsTheNextAtOnceAndTheDelayBeginsAnew) {
  RaceWorld w(staggered);
  resolve_at_once(w, 2, 2);
  w.outcome = [n = 0](const Candidate&) mutable { return ++n == 1 ? Outcome{.failed = milliseconds(10)} : Outcome{}; };
  w.run(milliseconds(700));
  EXPECT_EQ(w.started(), "6@0 4@10 6@260 4@510");
}

// RACE-67, RACE-68, RACE-71
TEST_F(RaceTest, WhenAllFailedOneErrorIsReported) {
  RaceWorld w(staggered);
  resolve_at_once(w, 1, 1);
  w.outcome = [](const Candidate&) { return Outcome{.failed = milliseconds(5)}; };
  w.run();
  ASSERT_TRUE(w.error);
  EXPECT_EQ(w.error->reason, Reason::unreachable);
  EXPECT_EQ(w.ends, 1);
  EXPECT_EQ(w.ended, milliseconds(10));
}

// RACE-72
TEST_F(RaceTest, NoAddressesIsAnError) {
  RaceWorld w(staggered);
  w.answers = {{.after = milliseconds(3), .addresses = {}, .ipv6 = true},
               {.after = milliseconds(5), .addresses = {}, .ipv4 = true}};
  w.run();
  ASSERT_TRUE(w.error);
  EXPECT_EQ(w.error->reason, Reason::unresolved);
  EXPECT_EQ(w.ended, milliseconds(5));
}

// RACE-124: the four orders of answers.
TEST_F(RaceTest, Ipv6AnswersStartAtOnce) {
  RaceWorld w(staggered);
  w.answers = {{.after = milliseconds(10), .addresses = list(1, 0), .ipv6 = true},
               {.after = milliseconds(40), .addresses = list(0, 1), .ipv4 = true}};
  w.run(milliseconds(300));
  EXPECT_EQ(w.started(), "6@10 4@260");
}
TEST_F(RaceTest, Ipv4AnswersWaitForIpv6) {
  RaceWorld w(staggered);
  w.answers = {{.after = milliseconds(10), .addresses = list(0, 1), .ipv4 = true},
               {.after = milliseconds(40), .addresses = list(1, 0), .ipv6 = true}};
  w.run(milliseconds(320));
  EXPECT_EQ(w.started(), "6@40 4@290");
}
TEST_F(RaceTest, NegativeIpv6AnswerEndsTheWait) {
  RaceWorld w(staggered);
  w.answers = {{.after = milliseconds(10), .addresses = list(0, 1), .ipv4 = true},
               {.after = milliseconds(30), .addresses = {}, .ipv6 = true}};
  w.run(milliseconds(300));
  EXPECT_EQ(w.started(), "4@30");
}
// RACE-144, RACE-141: where only IPv4 leads everywhere, its answers are those that are waited for.
TEST_F(RaceTest, Ipv6AnswersWaitWhereIpv4IsPreferred) {
  const auto run = [this](Duration a, Duration aaaa, bool some = true) {
    RaceWorld w(staggered);
    w.ipv4_preferred = true;
    w.answers = {{.after = aaaa, .addresses = list(1, 0), .ipv6 = true},
                 {.after = a, .addresses = list(0, some ? 1 : 0), .ipv4 = true}};
    w.run(milliseconds(320));
    return w.started();
  };
  EXPECT_EQ(run(milliseconds(10), milliseconds(400)), "4@10") << "at once";
  EXPECT_EQ(run(milliseconds(40), milliseconds(10)), "6@40 4@290") << "both are known: the order counts";
  EXPECT_EQ(run(milliseconds(200), milliseconds(10)), "6@60 4@310") << "no longer than the resolution delay";
  EXPECT_EQ(run(milliseconds(30), milliseconds(10), false), "6@30") << "a negative answer ends the wait";
}
// RACE-114, RACE-125, RACE-46, RACE-159
TEST_F(RaceTest, LateIpv6AnswersJoinTheRunningRace) {
  RaceWorld w(staggered);
  w.answers = {{.after = milliseconds(10), .addresses = list(0, 3), .ipv4 = true},
               {.after = milliseconds(200), .addresses = list(1, 0), .ipv6 = true}};
  w.run(milliseconds(600));
  EXPECT_EQ(w.started(), "4@60 6@310 4@560");
}

// RACE-115, RACE-129
TEST_F(RaceTest, FamiliesAlternate) {
  RaceWorld w(staggered);
  resolve_at_once(w, 3, 2);
  w.run(milliseconds(1100));
  EXPECT_EQ(w.started(), "6@0 4@250 6@500 4@750 6@1000");
  const Racing two(registry, "staggered", {{"first-family-count", "2", ""}});
  RaceWorld v(two);
  resolve_at_once(v, 3, 2);
  v.run(milliseconds(1100));
  EXPECT_EQ(v.started(), "6@0 6@250 4@500 6@750 4@1000");
}

// RACE-117, RACE-118, RACE-56, RACE-132, IMPL-33: delays follow what history says, within bounds.
TEST_F(RaceTest, DelaysFollowHistoryWithinBounds) {
  for (const auto& [expected, second] : {std::pair{1, 100}, {100, 200}, {5000, 2000}}) {
    RaceWorld w(staggered);
    RaceWorld* world = &w;
    w.at(milliseconds(1), [world, e = expected] {
      const NodeIndex node = 2;
      Candidate c = world->race.tree()[node].candidate;
      for (std::uint8_t i = 1; i <= 2; ++i) {
        c.remote = Endpoint{.host = c.remote->host, .address = address(true, i)};
        c.expected = milliseconds(e);
        world->race.add(world->now(), node, Branch::endpoint, c, i);
      }
      world->race.pending(node, {});
      world->race.children_changed(world->now(), node);
    });
    w.run(milliseconds(2500));
    EXPECT_EQ(w.started(), "6@1 6@" + std::to_string(1 + second)) << "expected " << expected;
  }
}

// RACE-114..RACE-119: every constant of Happy Eyeballs can be set.
TEST_F(RaceTest, EveryConstantIsAnOption) {
  const auto raced = [&](std::vector<OptionText> settings, Duration expected) {
    const Racing with(registry, "staggered", std::move(settings));
    RaceWorld w(failover, failover, with);
    w.answers = {{.after = milliseconds(10), .addresses = list(0, 2), .ipv4 = true},
                 {.after = milliseconds(500), .addresses = list(2, 0), .ipv6 = true}};
    w.expected = expected;
    w.run(milliseconds(1500));
    return w.started();
  };
  EXPECT_EQ(raced({}, {}), "4@60 4@310 6@560 6@810") << "IPv6 comes when two of IPv4 run";
  EXPECT_EQ(raced({{"resolution-delay-ms", "100"}}, {}).substr(0, 5), "4@110");
  EXPECT_EQ(raced({{"attempt-delay-ms", "30"}}, {}).substr(0, 9), "4@60 4@90");
  EXPECT_EQ(raced({}, milliseconds(40)).substr(0, 10), "4@60 4@160") << "the least delay";
  EXPECT_EQ(raced({{"attempt-delay-least-ms", "20"}}, milliseconds(40)).substr(0, 10), "4@60 4@140");
  EXPECT_EQ(raced({{"attempt-delay-most-ms", "150"}}, milliseconds(400)).substr(0, 10), "4@60 4@210");
  EXPECT_EQ(raced({{"adapt", "false"}}, milliseconds(40)).substr(0, 10), "4@60 4@310") << "history is not asked";
}

// RACE-84: a candidate that has been answered is given the time that its remaining round trips take.
TEST_F(RaceTest, AnsweredCandidateIsWaitedFor) {
  RaceWorld w(staggered);
  resolve_at_once(w, 1, 1);
  w.outcome = [](const Candidate& c) {
    return is6(c) ? Outcome{.ready = milliseconds(300), .answered = milliseconds(100), .rtts_left = 2}
                  : Outcome{.ready = milliseconds(1)};
  };
  w.run();
  EXPECT_EQ(w.started(), "6@0") << "no second attempt: the first one is alive and needs 200 ms more";
  EXPECT_EQ(w.winner, "1.1.1.1");
}

// RACE-84: who was answered at once and then falls silent is not waited for any longer, and no policy is blamed.
TEST_F(RaceTest, AnAnsweredCandidateThatFallsSilentIsLeft) {
  for (const auto& [answered, next] : {std::pair(milliseconds(1), 250), std::pair(milliseconds(150), 450)}) {
    RaceWorld w(staggered);
    resolve_at_once(w, 1, 1);
    w.outcome = [a = answered](const Candidate& c) { return is6(c) ? Outcome{.answered = a} : Outcome{.ready = kRtt}; };
    w.run();
    EXPECT_FALSE(w.error) << w.error->detail;
    EXPECT_EQ(w.started(), "6@0 4@" + std::to_string(next));
  }
}

// RACE-49, RACE-51
TEST_F(RaceTest, SimultaneousStartsAll) {
  RaceWorld w(simultaneous);
  resolve_at_once(w, 2, 2);
  w.outcome = [](const Candidate& c) { return Outcome{.ready = is6(c) ? milliseconds(20) : milliseconds(10)}; };
  w.run();
  EXPECT_EQ(w.starts.size(), 4u);
  EXPECT_EQ(w.canceled, 3);
  EXPECT_EQ(w.ended, milliseconds(10));
}

// RACE-50, RACE-62, IMPL-33
TEST_F(RaceTest, FailoverWaitsForFailureWhileOthersAreStaggered) {
  RaceWorld w(staggered, failover, staggered);
  w.stacks = 2;
  resolve_at_once(w, 1, 1);
  w.outcome = [](const Candidate& c) {
    return c.stack == 0 ? Outcome{.failed = is6(c) ? milliseconds(900) : milliseconds(800)} : Outcome{.ready = kRtt};
  };
  w.run();
  EXPECT_EQ(w.started(), "6@0 4@250 6@1050");
  EXPECT_EQ(w.starts[2].candidate.stack, 1);
  EXPECT_EQ(w.winner, "1.1.2.1");
}

// RACE-57, RACE-61, RACE-66, IMPL-33: each parent has its own timers, and protocols wait longer than addresses.
TEST_F(RaceTest, TimersOfDifferentParentsAreIndependent) {
  RaceWorld w(staggered);
  w.stacks = 2;
  resolve_at_once(w, 1, 2);
  w.run(milliseconds(900));
  std::string at[2];
  for (const auto& s : w.starts) {
    at[s.candidate.stack] += std::to_string(std::chrono::duration_cast<milliseconds>(s.at).count()) + " ";
  }
  EXPECT_EQ(at[0], "0 250 500 ");
  EXPECT_EQ(at[1], "300 550 800 ");
}

// RACE-61: what happens below one path changes nothing below another: each starts its addresses when it would alone.
TEST_F(RaceTest, ParentsDoNotInfluenceEachOther) {
  for (unsigned seed = 1; seed <= 200; ++seed) {
    const auto starts = [&](int paths, int which) {
      RaceWorld w(simultaneous, failover, staggered, {.tree = {}, .attempts_at_once = 64});
      w.paths = paths;
      resolve_at_once(w, 3, 3);
      w.outcome = [&](const Candidate& c) {
        const unsigned path = paths > 1 ? static_cast<unsigned>(c.path) : static_cast<unsigned>(which);
        std::mt19937 random(seed * 1000 + path * 100 + c.remote->address.ip[3] * 10u + c.remote->address.ip[15]);
        Outcome o;
        // No two things happen at the same time: then their order would be left to chance.
        if (random() % 2 == 0) o.answered = std::chrono::nanoseconds(random() % 300'000'000);
        if (random() % 2 == 0) o.failed = std::chrono::nanoseconds(random() % 900'000'000);
        return o;
      };
      w.run(std::chrono::seconds(20));
      std::vector<Duration> at;
      for (const auto& s : w.starts) {
        if (paths == 1 || s.candidate.path == which) at.push_back(s.at);
      }
      return at;
    };
    for (const int which : {0, 1}) EXPECT_EQ(starts(2, which), starts(1, which)) << "seed " << seed;
  }
}

// RACE-23, RACE-41: a name is not looked up for a path before that path is started.
TEST_F(RaceTest, NodesAreExpandedWhenTheyAreStarted) {
  RaceWorld w(staggered);
  w.paths = 2;
  resolve_at_once(w, 1, 0);
  w.outcome = [](const Candidate&) { return Outcome{.ready = kRtt}; };
  w.run();
  EXPECT_EQ(w.race.tree().size(), 5u) << "1, 1.1, 1.2, 1.1.1, 1.1.1.1 and nothing below 1.2";
}

// RACE-68, RACE-69: failure at a leaf fails its parents and starts what is left elsewhere, at once.
TEST_F(RaceTest, FailureOfAWholePathStartsTheNextPathAtOnce) {
  RaceWorld w(staggered);
  w.paths = 2;
  resolve_at_once(w, 1, 0);
  w.outcome = [](const Candidate& c) {
    return c.path == 0 ? Outcome{.failed = milliseconds(7)} : Outcome{.ready = kRtt};
  };
  w.run();
  EXPECT_EQ(w.ended, milliseconds(7) + kRtt);
  EXPECT_EQ(w.winner, "1.2.1.1");
}

// RACE-15, RACE-47
TEST_F(RaceTest, NumbersAreStableAndOnlyWaitingChildrenMove) {
  CandidateTree tree(Candidate{});
  const NodeIndex a = tree.add(kRoot, Branch::endpoint, {}, 10);
  const NodeIndex b = tree.add(kRoot, Branch::endpoint, {}, 20);
  tree[a].state = Child::State::started;
  const NodeIndex c = tree.add(kRoot, Branch::endpoint, {}, 5);
  EXPECT_EQ(tree[kRoot].children, (NodeList{a, c, b})) << "before what waits, behind what has started";
  EXPECT_EQ(tree.name(a), "1.1");
  EXPECT_EQ(tree.name(b), "1.2");
  EXPECT_EQ(tree.name(c), "1.3");
  EXPECT_FALSE(tree.rerank(a, 7)) << "what runs has its place";
  EXPECT_FALSE(tree.rerank(b, 20)) << "it is where it was";
  EXPECT_TRUE(tree.rerank(b, 1));
  EXPECT_EQ(tree[kRoot].children, (NodeList{a, b, c}));
  EXPECT_FALSE(tree.remove(a)) << "what runs is not withdrawn";  // RACE-135
  EXPECT_TRUE(tree.remove(c));
  EXPECT_EQ(tree.child(kRoot, 2), b);
}

// RACE-92, RACE-93, IMPL-169
TEST_F(RaceTest, AThousandAddressesAreCut) {
  RaceWorld w(staggered, {.tree = {.children = 32, .nodes = 128, .leaves = 64}, .attempts_at_once = 8});
  w.answers = {{.after = {}, .addresses = std::vector<Address>(1000, address(false, 9)), .ipv6 = true, .ipv4 = true}};
  w.run(milliseconds(1));
  EXPECT_EQ(w.race.tree()[2].children.size(), 32u);
  const auto dropped = std::ranges::count(w.race.trace(), RaceStep::Kind::dropped, &RaceStep::kind);
  EXPECT_EQ(dropped, 968) << "and the trace says so";
}

// RACE-92: where no more fit, what would be tried last is dropped, not what comes last.
TEST_F(RaceTest, WhatIsWorthLeastIsDropped) {
  for (const RaceLimits limits : {RaceLimits{.tree = {.children = 4}}, RaceLimits{.tree = {.leaves = 4}}}) {
    RaceWorld w(staggered, limits);
    w.answers = {{.after = milliseconds(10), .addresses = list(0, 9), .ipv4 = true},
                 {.after = milliseconds(30), .addresses = list(2, 0), .ipv6 = true}};
    w.run(milliseconds(1100));
    EXPECT_EQ(w.started(), "6@30 4@280 6@530 4@780");
    std::string dropped;
    for (const RaceStep& step : w.race.trace()) {
      if (step.kind == RaceStep::Kind::canceled && !step.detail.empty())
        dropped += w.race.tree().name(step.node) + " " + step.detail + "; ";
    }
    EXPECT_EQ(dropped, "1.1.1.4 for 1.1.1.5; 1.1.1.3 for 1.1.1.6; ") << "and the trace says so";
  }
}

// RACE-92: the addresses of one path do not take the place of all those of another.
TEST_F(RaceTest, EveryPathHasItsShare) {
  RaceWorld w(staggered, {.tree = {.leaves = 8}});
  w.paths = 2;
  resolve_at_once(w, 10, 0);
  w.outcome = [](const Candidate& c) { return c.path == 1 ? Outcome{.ready = kRtt} : Outcome{}; };
  w.run();
  EXPECT_EQ(w.winner, "1.2.1.1");
  EXPECT_EQ(w.ended, milliseconds(500) + kRtt);
  std::size_t leaves[2] = {};
  for (NodeIndex i = 0; i < w.race.tree().size(); ++i) {
    const CandidateNode& node = w.race.tree()[i];
    const bool kept = node.parent != kNoNode && std::ranges::contains(w.race.tree()[node.parent].children, i);
    if (node.candidate.concrete() && kept) ++leaves[node.candidate.path];
  }
  EXPECT_EQ(leaves[0] + leaves[1], 8u);
  EXPECT_GE(leaves[1], 2u);
}

TEST_F(RaceTest, AttemptsAtOnceAreLimited) {
  RaceWorld w(simultaneous, {.tree = {}, .attempts_at_once = 2});
  resolve_at_once(w, 6, 0);
  w.outcome = [](const Candidate&) { return Outcome{.failed = milliseconds(10)}; };
  w.run();
  ASSERT_EQ(w.starts.size(), 6u);
  EXPECT_EQ(w.starts[1].at, Duration{});
  EXPECT_EQ(w.starts[2].at, Duration(milliseconds(10)));
  EXPECT_EQ(w.starts[5].at, Duration(milliseconds(20)));
  EXPECT_TRUE(w.error);
}

// RACE-48, RACE-73, RACE-74
TEST_F(RaceTest, NothingStartsAfterTheEnd) {
  RaceWorld w(staggered);
  w.answers = {{.after = {}, .addresses = list(1, 0), .ipv6 = true},
               {.after = milliseconds(100), .addresses = list(0, 3), .ipv4 = true}};
  w.outcome = [](const Candidate&) { return Outcome{.ready = kRtt}; };
  w.run();
  EXPECT_EQ(w.started(), "6@0");
  EXPECT_EQ(w.race.tree().size(), 4u);
}

// RACE-133: whatever happens, two starts of one parent are 10 ms apart, unless the one before has failed.
TEST_F(RaceTest, StartsAreNeverTooClose) {
  for (unsigned seed = 1; seed <= 300; ++seed) {
    std::mt19937 random(seed);
    RaceWorld w(staggered);
    const auto some = [&](int most) { return milliseconds(random() % static_cast<unsigned>(most)); };
    w.answers = {{.after = some(100), .addresses = list(static_cast<int>(random() % 4), 0), .ipv6 = true},
                 {.after = some(100), .addresses = list(0, static_cast<int>(random() % 4)), .ipv4 = true}};
    std::set<Duration> failures;
    w.outcome = [&](const Candidate&) {
      Outcome o;
      if (random() % 3 == 0) {
        o.failed = some(600);
        failures.insert(w.since() + o.failed);
      } else if (random() % 4 == 0) {
        o.ready = some(2000);
      }
      if (random() % 2 == 0) o.answered = some(300);
      return o;
    };
    w.run(std::chrono::seconds(20));
    for (std::size_t i = 1; i < w.starts.size(); ++i) {
      const Duration gap = w.starts[i].at - w.starts[i - 1].at;
      EXPECT_TRUE(gap >= milliseconds(10) || failures.contains(w.starts[i].at))
          << "seed " << seed << ": " << w.started();
    }
    EXPECT_LE(w.ends, 1);
  }
}

// RACE-71, IMPL-14: the report has every attempt with its reason, losers included.
TEST_F(RaceTest, TraceTellsTheWholeStory) {
  RaceWorld w(staggered);
  resolve_at_once(w, 1, 1);
  w.outcome = [](const Candidate& c) { return is6(c) ? Outcome{.failed = milliseconds(10)} : Outcome{.ready = kRtt}; };
  w.run();
  std::string story;
  for (const RaceStep& s : w.race.trace()) {
    story += w.race.tree().name(s.node) + " " + std::string(to_string(s.kind)) +
             (s.error ? " (" + s.error->detail + ")" : "") + "\n";
  }
  EXPECT_EQ(story,
            "1 started\n1.1 added\n1 changed\n1.1 started\n1.1.1 added\n1.1 changed\n1.1.1 started\n1.1.1.1 added\n"
            "1.1.1.2 added\n1.1.1 changed\n1.1.1 waiting\n1.1.1.1 started\n1.1.1.1 failed (refused by "
            "1.1.1.1)\n1.1.1.2 started\n1.1.1.2 ready\n1.1.1 ready\n1.1 ready\n1 "
            "ready\n");
}

// ---- racing policies that misbehave

struct FakePolicy final : RacingPolicy {
  explicit FakePolicy(std::function<RacePlan(RaceEvent, const RaceView&)> does) : act(std::move(does)) {}
  std::string_view name() const noexcept override { return "fake"; }
  std::unique_ptr<Race> begin(Branch, const Options&) const noexcept override {
    struct FakeRace final : Race {
      explicit FakeRace(const FakePolicy& p) : policy(p) {}
      RacePlan decide(RaceEvent e, ChildId, const RaceView& v) noexcept override { return policy.act(e, v); }
      const FakePolicy& policy;
    };
    return std::make_unique<FakeRace>(*this);
  }
  std::function<RacePlan(RaceEvent, const RaceView&)> act;
};

// Where there is nobody to race there is nothing to decide.
TEST_F(RaceTest, NobodyIsAskedAboutAnOnlyChild) {
  int calls = 0;
  const FakePolicy counting([&](RaceEvent, const RaceView& v) {
    ++calls;
    return RacePlan{.start = {v.children.front().id}, .cancel = {}, .wake = {}};
  });
  Racing fake = staggered;
  fake.policy = &counting;
  for (const bool more : {false, true}) {
    calls = 0;
    RaceWorld w(fake, fake, staggered);
    w.gathered = more ? kGathered : kAllGathered;
    resolve_at_once(w, 1, 0);
    w.outcome = [](const Candidate&) { return Outcome{.ready = kRtt}; };
    w.run();
    EXPECT_EQ(w.winner, "1.1.1.1");
    EXPECT_EQ(w.started(), "6@0");
    EXPECT_EQ(calls, more ? 2 : 0) << "a path and a protocol";
  }
}

// Without a race of its own the node fails all the same, and only once.
TEST_F(RaceTest, AnOnlyChildThatFailsFailsItsParents) {
  RaceWorld w(staggered);
  w.gathered = kAllGathered;
  resolve_at_once(w, 1, 0);
  w.outcome = [](const Candidate&) { return Outcome{.failed = milliseconds(5)}; };
  w.run();
  ASSERT_TRUE(w.error);
  EXPECT_EQ(w.error->detail, "refused by 1.1.1.1");
  EXPECT_EQ(w.ended, milliseconds(5));
  EXPECT_EQ(w.ends, 1);
}

// With two of them there is something to decide, although no more will come.
TEST_F(RaceTest, TwoThatAreAllAreRaced) {
  RaceWorld w(staggered);
  w.gathered = kAllGathered;
  w.stacks = 2;
  resolve_at_once(w, 1, 0);
  w.outcome = [](const Candidate& c) { return c.stack == 0 ? Outcome{} : Outcome{.ready = kRtt}; };
  w.run();
  EXPECT_EQ(w.started(), "6@0 6@300");
  EXPECT_EQ(w.winner, "1.1.2.1");
}

TEST_F(RaceTest, APolicyThatStartsNothingDoesNotStopTheRace) {
  const FakePolicy lazy([](RaceEvent, const RaceView&) { return RacePlan{}; });
  Racing fake = staggered;
  fake.policy = &lazy;
  RaceWorld w(fake);
  resolve_at_once(w, 2, 0);
  w.outcome = [n = 0](const Candidate&) mutable {
    return ++n == 1 ? Outcome{.failed = milliseconds(5)} : Outcome{.ready = kRtt};
  };
  w.run();
  EXPECT_EQ(w.winner, "1.1.1.2");
}

TEST_F(RaceTest, APlanForChildrenThatAlreadyRunIsIgnoredAndTold) {
  const FakePolicy wild([](RaceEvent, const RaceView& v) {
    RacePlan plan{.start = {v.children.front().id, v.children.front().id}, .cancel = {}, .wake = {}};
    return plan;
  });
  Racing fake = staggered;
  fake.policy = &wild;
  RaceWorld w(fake);
  resolve_at_once(w, 1, 0);
  w.outcome = [](const Candidate&) { return Outcome{.ready = kRtt}; };
  w.run();
  EXPECT_EQ(w.winner, "1.1.1.1");
  EXPECT_GT(std::ranges::count(w.race.trace(), RaceStep::Kind::ignored, &RaceStep::kind), 0);
}

TEST_F(RaceTest, APolicyThatWakesForEverInThePastDoesNotSpin) {
  int calls = 0;
  const FakePolicy hasty([&](RaceEvent, const RaceView& v) {
    ++calls;
    RacePlan plan;
    for (const Child& c : v.children) {
      if (c.state == Child::State::waiting) plan.start.push_back(c.id);
    }
    plan.wake = v.now - std::chrono::seconds(1);
    return plan;
  });
  Racing fake = staggered;
  fake.policy = &hasty;
  RaceWorld w(fake);
  resolve_at_once(w, 1, 0);
  w.outcome = [](const Candidate&) { return Outcome{.ready = milliseconds(100)}; };
  w.run();
  EXPECT_EQ(w.ended, milliseconds(100));
  EXPECT_LT(calls, 500);
}

}  // namespace
}  // namespace trellis::tests
