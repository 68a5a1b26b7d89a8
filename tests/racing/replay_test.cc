// Races in virtual time, written down as a trace, read again and replayed: the decisions are the same.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "core/race_story.h"
#include "race_world.h"
#include "tool/replay.h"
#include "tool/trace.h"

namespace trellis::tests {
namespace {

using testing::HasSubstr;
using tool::parse_trace;
using tool::replay;
using tool::to_trace;

struct ReplayTest : testing::Test {
  Registry registry{{TRELLIS_BUILD_DIR "/plugins"}};
};

// The report that an establishment would give of this race.
RaceReport report_of(const RaceWorld& world, const Racing (&racing)[3], const RaceLimits& limits) {
  RaceReport report;
  report.remote = "example.net:443";
  report.profile = "test";
  for (std::size_t i = 0; i < 3; ++i) {
    report.racing[i].policy = racing[i].policy->name();
    for (auto& shown : racing[i].options.show()) report.racing[i].settings.emplace_back(shown.name, shown.value);
  }
  report.limits = {static_cast<std::uint32_t>(limits.tree.children), static_cast<std::uint32_t>(limits.tree.nodes),
                   static_cast<std::uint32_t>(limits.tree.leaves), static_cast<std::uint32_t>(limits.attempts_at_once)};
  const CandidateTree& tree = world.race.tree();
  report.begun_at = tree[kRoot].started_at;
  report.ended_at = world.now();
  for (NodeIndex i = 0; i < tree.size(); ++i) {
    RaceNode node;
    node.id = tree.name(i);
    node.parent = i == kRoot ? kRoot : tree[i].parent;
    node.remote = *tree[i].candidate.remote;
    node.rank = tree[i].rank;
    node.attempt = tree[i].candidate.concrete();
    node.branch = tree[i].branch;
    report.nodes.push_back(std::move(node));
  }
  report.steps = world.race.trace();
  report.winner = world.winner;
  report.failure = world.error;
  follow_steps(report);
  return report;
}

// A world and racing policies with settings, all of them from one seed.
class RandomRace {
 public:
  RandomRace(Registry& registry, std::uint64_t seed)
      : random_(seed), racing_{any(registry), any(registry), any(registry)} {
    limits_ = {.tree = {.children = number(3, 16), .nodes = number(12, 64), .leaves = number(2, 24)},
               .attempts_at_once = number(1, 6)};
    world_ = std::make_unique<RaceWorld>(racing_[0], racing_[1], racing_[2], limits_);
    world_->paths = static_cast<int>(number(1, 3));
    world_->stacks = static_cast<int>(number(1, 3));
    for (const bool ipv6 : {true, false}) {
      for (bool last = false; !last;) {
        last = chance(70);
        RaceWorld::Answer answer{
            .after = chance(30) ? Duration{} : time(0, 300), .ipv6 = ipv6 && last, .ipv4 = !ipv6 && last};
        for (std::size_t n = number(0, 4); n > 0; --n)
          answer.addresses.push_back(address(ipv6, static_cast<std::uint8_t>(number(1, 200))));
        world_->answers.push_back(std::move(answer));
      }
    }
    world_->outcome = [this](const Candidate&) { return outcome(); };
    world_->late = [this] { return chance(50) ? Duration{} : time(0, 9); };
    if (chance(25))
      world_->at(time(1, 2000), [this] { world_->race.cancel(world_->now(), "the time to connect is over"); });
    if (chance(25)) {
      const auto path = static_cast<ChildId>(number(1, 3));
      world_->at(time(1, 900), [this, path] {
        const NodeIndex gone = world_->race.tree().child(kRoot, path);
        if (gone != kNoNode) world_->race.node_failed(world_->now(), gone, {Reason::unreachable, 0, "test", "gone"});
      });
    }
    for (std::size_t n = number(0, 3); n > 0; --n) world_->at(time(1, 900), [this] { move_any(); });
    world_->run(std::chrono::seconds(60));
  }
  std::size_t moved() const { return moved_; }
  RaceReport report() const { return report_of(*world_, racing_, limits_); }

 private:
  // As answers of services do, which order stacks and addresses anew.
  void move_any() {
    const CandidateTree& tree = world_->race.tree();
    if (tree.size() < 2) return;
    const auto child = static_cast<NodeIndex>(number(1, tree.size() - 1));
    if (!world_->race.rerank(world_->now(), child, static_cast<std::int64_t>(number(0, 40)) - 20)) return;
    ++moved_;
    world_->race.children_changed(world_->now(), tree[child].parent);
  }
  std::size_t number(std::size_t least, std::size_t most) { return least + random_() % (most - least + 1); }
  bool chance(unsigned percent) { return random_() % 100 < percent; }
  Duration time(unsigned least_ms, unsigned most_ms) {
    return std::chrono::nanoseconds(number(std::size_t{least_ms} * 1'000'000, std::size_t{most_ms} * 1'000'000));
  }
  Racing any(Registry& registry) {
    switch (number(0, 3)) {
      case 0: return Racing(registry, "failover");
      case 1: return Racing(registry, "simultaneous");
      case 2: return Racing(registry, "staggered", {{"attempt-delay-ms", std::to_string(number(10, 400)), ""}});
      default: return Racing(registry, "staggered");
    }
  }
  Outcome outcome() {
    Outcome o;
    if (chance(40)) o.answered = time(1, 200);
    if (chance(15)) o.ready = time(1, 800);
    if (chance(60)) o.failed = chance(20) ? Duration{} : time(1, 900);
    o.at_once = chance(15);
    return o;
  }
  std::mt19937_64 random_;
  Racing racing_[3];
  RaceLimits limits_;
  std::unique_ptr<RaceWorld> world_;
  std::size_t moved_ = 0;
};

// API-18: the same wishes and events lead to the same decisions.
TEST_F(ReplayTest, EveryRecordedRaceIsDecidedTheSameWay) {
  std::size_t decisions = 0, moved = 0, won = 0, lost = 0, replaced = 0;
  for (std::uint64_t seed = 1; seed <= 500; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const RandomRace race(registry, seed);
    const RaceReport recorded = race.report();
    moved += race.moved();
    const auto read = parse_trace(to_trace(recorded), "trace");
    ASSERT_TRUE(read) << read.error().detail;
    const auto result = replay(*read, registry);
    ASSERT_TRUE(result) << result.error().detail;
    ASSERT_FALSE(result->difference) << *result->difference;
    EXPECT_EQ(result->decisions + result->facts, recorded.steps.size());
    decisions += result->decisions;
    replaced += static_cast<std::size_t>(std::ranges::count_if(recorded.steps, [](const RaceStep& step) {
      return step.kind == RaceStep::Kind::canceled && step.detail.starts_with("for ");
    }));
    won += !recorded.winner.empty();
    lost += recorded.failure.has_value();
  }
  EXPECT_GT(decisions, 5000u);
  EXPECT_GT(moved, 100u) << "nothing was ordered anew";
  EXPECT_GT(replaced, 50u) << "no limit made anything give way";
  EXPECT_GT(won, 50u) << "the worlds are too bad to say anything";
  EXPECT_GT(lost, 30u) << "the worlds are too good to say anything";
}

TEST_F(ReplayTest, TheTraceKeepsWhatTheReportSays) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    RaceReport before = RandomRace(registry, seed).report();
    before.path_events.push_back({before.ended_at + milliseconds(2), true, "tcpls", "connection 0 was lost"});
    before.path_events.push_back({before.ended_at + milliseconds(7), false, "tcpls", "connection 1 has joined"});
    const auto after = parse_trace(to_trace(before), "trace");
    ASSERT_TRUE(after) << after.error().detail;
    ASSERT_EQ(after->nodes.size(), before.nodes.size());
    EXPECT_EQ(after->winner, before.winner);
    EXPECT_EQ(after->ended_at - after->begun_at, before.ended_at - before.begun_at);
    for (std::size_t i = 0; i < before.nodes.size(); ++i) {
      const RaceNode &a = after->nodes[i], &b = before.nodes[i];
      EXPECT_EQ(a.id, b.id);
      EXPECT_EQ(a.text(), b.text());
      EXPECT_EQ(a.rank, b.rank);
      EXPECT_EQ(a.state, b.state);
      EXPECT_EQ(a.started_why, b.started_why);
      EXPECT_EQ(a.ended_why, b.ended_why);
      if (b.started_at == TimePoint{}) continue;
      EXPECT_EQ(a.started_at - after->begun_at, b.started_at - before.begun_at);
    }
    ASSERT_EQ(after->path_events.size(), 2u);
    EXPECT_TRUE(after->path_events[0].lost && !after->path_events[1].lost);
    EXPECT_EQ(after->path_events[1].at - after->begun_at, before.path_events[1].at - before.begun_at);
    EXPECT_EQ(after->path_events[1].detail, "connection 1 has joined");
    const std::string again = to_trace(*after);
    EXPECT_TRUE(to_trace(*parse_trace(again, "trace")) == again) << "written again it is the same text";
  }
}

// One race in which the second address wins after a delay.
RaceReport simple_race(Registry& registry, std::vector<OptionText> settings = {}) {
  const Racing staggered(registry, "staggered", std::move(settings));
  RaceWorld world(staggered);
  world.answers = {{.after = {}, .addresses = {address(true, 1), address(false, 1)}, .ipv6 = true, .ipv4 = true}};
  world.outcome = [](const Candidate& c) {
    return c.remote->address.family == Address::Family::ipv6 ? Outcome{} : Outcome{.ready = milliseconds(30)};
  };
  world.run();
  return report_of(world, {staggered, staggered, staggered}, {});
}

TEST_F(ReplayTest, AnotherSettingIsNoticedWhereItFirstMatters) {
  RaceReport recorded = simple_race(registry);
  ASSERT_FALSE(replay(recorded, registry)->difference);
  for (auto& [name, value] : recorded.racing[2].settings) {
    if (name == "attempt-delay-ms") value = "200";
  }
  const auto result = replay(recorded, registry);
  ASSERT_TRUE(result) << result.error().detail;
  ASSERT_TRUE(result->difference);
  EXPECT_THAT(*result->difference, HasSubstr("then 1.1.1 waiting until 250.000 ms"));
  EXPECT_THAT(*result->difference, HasSubstr("now 1.1.1 waiting until 200.000 ms"));
}

TEST_F(ReplayTest, StepsThatAreMissingAreNoticed) {
  RaceReport recorded = simple_race(registry);
  for (std::size_t i = 0; i < recorded.steps.size(); ++i) {
    RaceReport shorter = recorded;
    shorter.steps.erase(shorter.steps.begin() + static_cast<std::ptrdiff_t>(i));
    const auto result = replay(shorter, registry);
    ASSERT_TRUE(result);
    EXPECT_TRUE(result->difference) << "without step " << i;
  }
}

TEST_F(ReplayTest, ARacingPolicyThatIsNotThereIsNamed) {
  RaceReport recorded = simple_race(registry);
  recorded.racing[1].policy = "stagered";
  const auto result = replay(recorded, registry);
  ASSERT_FALSE(result);
  EXPECT_THAT(result.error().detail, HasSubstr("stagered"));
}

TEST_F(ReplayTest, DamagedTracesGiveOneErrorAndNeverMore) {
  const std::string good = to_trace(simple_race(registry));
  std::mt19937_64 random(7);
  for (int i = 0; i < 3000; ++i) {
    std::string bad = good;
    for (std::uint64_t n = 1 + random() % 3; n > 0; --n) {
      const std::size_t at = random() % bad.size();
      switch (random() % 4) {
        case 0: bad[at] = static_cast<char>(random()); break;
        case 1: bad.resize(at + 1); break;
        case 2: bad.erase(at, random() % 60); break;
        default: bad.insert(at, bad.substr(random() % bad.size(), random() % 60));
      }
      if (bad.empty()) bad = "x";
    }
    const auto read = parse_trace(bad, "trace");
    if (read) {
      (void)replay(*read, registry);
    } else {
      EXPECT_THAT(read.error().detail, HasSubstr("expected"));
      EXPECT_EQ(read.error().detail.find('\n'), std::string::npos);
    }
  }
}

TEST_F(ReplayTest, ErrorsSayWhichRecordIsWrong) {
  const std::string good = to_trace(simple_race(registry));
  const auto error = [](const std::string& text) { return parse_trace(text, "x.qlog").error().detail; };
  EXPECT_EQ(error("{}"), "x.qlog: found no record separator (0x1e), expected a JSON text sequence");
  EXPECT_THAT(error(good.substr(0, good.size() - 1)), HasSubstr("expected one: was the file cut off?"));
  EXPECT_THAT(error(good.substr(0, good.rfind('\x1e'))), HasSubstr("trellis:race_ended: the trace is not complete"));
  const std::string early = tool::to_trace(RaceReport::PathEvent{}, TimePoint{});
  EXPECT_THAT(error(std::string(good).insert(good.rfind('\x1e'), early)), HasSubstr("order of time"));
  const std::string late =
      tool::to_trace(RaceReport::PathEvent{.at = TimePoint{} + std::chrono::hours(1)}, TimePoint{});
  EXPECT_THAT(error(std::string(good).insert(good.rfind('\x1e'), late)),
              HasSubstr("expected trellis:race_ended first"));
  std::string other = good;
  other.replace(other.find("candidate_started"), 17, "candidate_stopped");
  EXPECT_THAT(error(other), HasSubstr("x.qlog: record 3: found event \"stopped\", expected one that is known"));
}

}  // namespace
}  // namespace trellis::tests
