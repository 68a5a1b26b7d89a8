// A layer that does everything right passes every check; the kit's own words are right.
#include "kit.h"

#include <set>

namespace trellis::tests {
namespace {

using conformance::Outcome;

void expect_all_pass(const conformance::Subject& subject) {
  std::size_t passed = 0;
  const conformance::Settings settings{.seeds = 20};
  conformance::examine(subject, settings, [&](const Outcome& outcome) {
    EXPECT_NE(outcome.kind, Outcome::Kind::failed) << outcome.id << ": " << outcome.text;
    EXPECT_NE(outcome.kind, Outcome::Kind::not_run) << outcome.id << ": " << outcome.text;
    passed += outcome.kind == Outcome::Kind::passed ? 1 : 0;
  });
  EXPECT_GT(passed, 25u);
}

TEST(Kit, ARelayOverTcpPasses) { expect_all_pass(subject<Relay>("tcp")); }
TEST(Kit, ARelayOverUdpPasses) { expect_all_pass(subject<Relay>("udp")); }

TEST(Kit, IdsAreUniqueAndTheirGroupsAreTogether) {
  std::set<std::string> ids, groups;
  char group = '\0';
  for (const conformance::Check& check : conformance::all_checks()) {
    EXPECT_TRUE(ids.insert(check.id).second) << check.id;
    if (check.id[0] == group) continue;
    group = check.id[0];
    EXPECT_TRUE(groups.insert(std::string(1, group)).second) << check.id << " is apart from its group";
  }
  EXPECT_EQ(groups, (std::set<std::string>{"B", "C", "D", "E", "F", "H", "M", "T", "V", "X"}));
}

TEST(Kit, UnknownChecksAreRefused) {
  const auto chosen = conformance::chosen_checks({.checks = {"T1", "Q7"}});
  ASSERT_FALSE(chosen);
  EXPECT_NE(chosen.error().detail.find("Q7"), std::string::npos) << chosen.error().detail;
}

TEST(Kit, AGroupIsAllItsChecks) {
  const auto chosen = conformance::chosen_checks({.checks = {"B"}});
  ASSERT_TRUE(chosen);
  ASSERT_GE(chosen->size(), 5u);
  for (const conformance::Check& check : *chosen) EXPECT_EQ(check.id[0], 'B');
}

TEST(Kit, WhatIsNotApplicableNeedsAReasonAndShowsIt) {
  conformance::Subject relay = subject<Relay>("tcp");
  relay.not_applicable = {"T2: one direction cannot end alone", "V1"};
  EXPECT_EQ(outcome_of(relay, "T2").kind, Outcome::Kind::not_applicable);
  EXPECT_EQ(outcome_of(relay, "T2").text, "one direction cannot end alone");
  EXPECT_EQ(outcome_of(relay, "V1").text, "its author says so, without a reason");
  EXPECT_EQ(outcome_of(relay, "V2").kind, Outcome::Kind::passed);
}

TEST(Kit, AStackThatDoesNotFitIsNotRun) {
  const Outcome outcome = outcome_of(subject<Relay>("no-such-protocol"), "C1");
  EXPECT_EQ(outcome.kind, Outcome::Kind::not_run);
  EXPECT_NE(outcome.text.find("no-such-protocol"), std::string::npos) << outcome.text;
}

}  // namespace
}  // namespace trellis::tests
