// Racing policies that cannot be obeyed: the race is lost, with one error that names the plugin.
#include <gtest/gtest.h>

#include "race_world.h"

namespace trellis::tests {
namespace {

using Decide = std::function<RacePlan(RaceEvent, const RaceView&)>;

/// Does what the test says; without a function it begins no race.
class Broken final : public RacingPolicy {
 public:
  explicit Broken(Decide decide) : decide_(std::move(decide)) {}
  std::string_view name() const noexcept override { return "broken"; }
  std::unique_ptr<Race> begin(Branch, const Options&) const noexcept override {
    if (!decide_) return nullptr;
    return std::make_unique<Scripted>(decide_);
  }

 private:
  struct Scripted final : Race {
    explicit Scripted(Decide how) : script(std::move(how)) {}
    RacePlan decide(RaceEvent event, ChildId, const RaceView& view) noexcept override { return script(event, view); }
    Decide script;
  };
  Decide decide_;
};

struct BrokenPolicy : testing::Test {
  /// A race of two addresses whose endpoint branch is raced by the script; the others are staggered.
  void race(Decide script, Outcome outcome = {}) {
    Registry registry{{TRELLIS_BUILD_DIR "/plugins"}};
    ASSERT_TRUE(registry.link("faults", [&](Registrar& to) { to.add(std::make_unique<Broken>(script)); }));
    const Racing staggered(registry), broken(registry, "broken");
    RaceWorld w(staggered, staggered, broken);
    w.answers = {{.after = {}, .addresses = {address(true, 1), address(true, 2)}, .ipv6 = true, .ipv4 = true}};
    w.outcome = [outcome](const Candidate&) { return outcome; };
    w.run(std::chrono::seconds(30));
    ends = w.ends;
    ended = w.ended;
    error = w.error ? w.error->detail : "";
    winner = w.winner;
    started = w.starts.size();
    canceled = w.canceled;
    if (const auto holder = w.race.over() ? std::nullopt : w.race.held_back()) held_back = holder->detail;
  }
  int ends = 0, canceled = 0;
  std::size_t started = 0;
  Duration ended{};
  std::string error, winner, held_back;
};

constexpr char kRemedy[] = " (node 1.1.1): use another one, or repair its plugin";

TEST_F(BrokenPolicy, AsksForAChildThatIsNotThere) {
  race([](RaceEvent, const RaceView&) { return RacePlan{.start = {1, 7}, .cancel = {}, .wake = {}}; });
  EXPECT_EQ(error, "racing policy 'broken' asked for child 7 where there are 2" + std::string(kRemedy));
  EXPECT_EQ(ends, 1) << "told once";
  EXPECT_EQ(ended, Duration{}) << "at once";
  EXPECT_EQ(started, 0u) << "nothing of an impossible plan is done";
}

TEST_F(BrokenPolicy, CancelsAChildThatIsNotThere) {
  race(
      [](RaceEvent event, const RaceView&) {
        if (event == RaceEvent::begin) return RacePlan{.start = {1}, .cancel = {}, .wake = {}};
        return RacePlan{.start = {}, .cancel = {0}, .wake = {}};
      },
      {.answered = milliseconds(5)});
  EXPECT_EQ(error, "racing policy 'broken' asked for child 0 where there are 2" + std::string(kRemedy));
  EXPECT_EQ(ended, milliseconds(5));
  EXPECT_EQ(canceled, 1) << "what ran is ended";
  EXPECT_EQ(ends, 1);
}

TEST_F(BrokenPolicy, BeginsNoRace) {
  race({});
  EXPECT_EQ(error, "racing policy 'broken' began no race" + std::string(kRemedy));
  EXPECT_EQ(ends, 1);
}

TEST_F(BrokenPolicy, WantsToBeWokenForEver) {
  int decided = 0;
  race([&](RaceEvent event, const RaceView& view) {
    ++decided;
    RacePlan plan{.start = {}, .cancel = {}, .wake = view.now};
    if (event == RaceEvent::begin) plan.start = {1};
    return plan;
  });
  EXPECT_EQ(error, "racing policy 'broken' was woken 256 times in a row and did nothing" + std::string(kRemedy));
  EXPECT_EQ(ends, 1);
  EXPECT_EQ(canceled, 1);
  EXPECT_LT(decided, 300);
  EXPECT_LT(ended, std::chrono::seconds(1));
}

TEST_F(BrokenPolicy, NeverStartsAnything) {
  race([](RaceEvent, const RaceView& view) {
    return RacePlan{.start = {}, .cancel = {}, .wake = view.now + std::chrono::hours(1)};
  });
  EXPECT_EQ(ends, 0) << "the time to connect ends it";
  EXPECT_EQ(held_back, "racing policy 'broken' started nothing although candidates were waiting" + std::string(kRemedy))
      << "and then this is said";
}

TEST_F(BrokenPolicy, DoesNothingAtAll) {
  race([](RaceEvent, const RaceView&) { return RacePlan{}; }, {.ready = milliseconds(3)});
  EXPECT_EQ(winner, "1.1.1.1") << "what it forgets, the engine does";
}

TEST_F(BrokenPolicy, CancelsEverything) {
  race([](RaceEvent, const RaceView&) { return RacePlan{.start = {}, .cancel = {1, 2}, .wake = {}}; });
  EXPECT_EQ(error, "racing policy 'broken' canceled every candidate" + std::string(kRemedy));
  EXPECT_EQ(ends, 1);
}

TEST_F(BrokenPolicy, RepeatsItself) {
  race([](RaceEvent, const RaceView&) { return RacePlan{.start = {1, 1, 1, 2, 2, 1}, .cancel = {}, .wake = {}}; },
       {.ready = milliseconds(3)});
  EXPECT_EQ(started, 2u) << "what runs is not started again";
  EXPECT_EQ(winner, "1.1.1.1");
}

}  // namespace
}  // namespace trellis::tests
