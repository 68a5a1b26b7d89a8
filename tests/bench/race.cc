// race.cc: what deciding costs: simulated races over the staggered policy, and building a large candidate tree.
#include <queue>

#include "core/option_values.h"
#include "core/race_engine.h"
#include "core/registry.h"
#include "ours.h"
#include "process.h"
#include "rows.h"

namespace trellis::bench {
namespace race_row {

using std::chrono::milliseconds;

constexpr int kRaces = 20'000;
constexpr int kCandidates = 8;
constexpr double kMillion = 1e6;

// One parent with eight addresses. The first ones are black holes, the race is won by number `lucky`.
class SimulatedRace final : public RaceActions {
 public:
  SimulatedRace(const BranchRacing (&racing)[3], int lucky) : race_(root(), {}, racing, *this), lucky_(lucky) {}

  bool run() {
    race_.begin(now_);
    while (!won_ && !lost_) {
      const bool alarm = wake_ <= ready_;
      const TimePoint next = alarm ? wake_ : ready_;
      if (next == TimePoint::max()) return false;
      now_ = next;
      if (alarm) {
        wake_ = TimePoint::max();  // it rings once
        race_.wake(now_);
      } else {
        race_.leaf_ready(now_, leaf_);
      }
    }
    return won_;
  }

 private:
  static Candidate root() {
    Candidate c;
    c.path = c.stack = 0;
    return c;
  }
  void expand(NodeIndex node) noexcept override {
    for (int i = 0; i < kCandidates; ++i) {
      Candidate c = race_.tree()[node].candidate;
      const auto family = i % 2 == 0 ? Address::Family::ipv6 : Address::Family::ipv4;
      c.remote = Endpoint{.address = {.family = family, .port = static_cast<std::uint16_t>(i + 1)}};
      race_.add(now_, node, Branch::endpoint, c, i);
    }
    race_.children_changed(now_, node);
  }
  void start_leaf(NodeIndex leaf) noexcept override {
    if (++started_ != lucky_) return;
    leaf_ = leaf;
    ready_ = now_ + milliseconds(30);
  }
  void cancel_leaf(NodeIndex) noexcept override {}
  void abandon(NodeIndex) noexcept override {}
  void wake_at(TimePoint when) noexcept override { wake_ = when; }
  void won(NodeIndex) noexcept override { won_ = true; }
  void lost(const Error&) noexcept override { lost_ = true; }

  RaceEngine race_;
  TimePoint now_{}, wake_ = TimePoint::max(), ready_ = TimePoint::max();
  NodeIndex leaf_ = kNoNode;
  int started_ = 0, lucky_;
  bool won_ = false, lost_ = false;
};

double seconds_per_million_races() {
  Registry registry({TRELLIS_BUILD_DIR "/plugins"});
  const auto policy = registry.racing("staggered");
  if (!policy) die(policy.error().detail.c_str());
  const auto options = OptionValues::check("staggered", (*policy)->options(), {});
  const BranchRacing racing[3] = {{*policy, &*options}, {*policy, &*options}, {*policy, &*options}};
  const double begin = now();
  for (int i = 0; i < kRaces; ++i) {
    if (!SimulatedRace(racing, 1 + i % kCandidates).run()) die("race: nobody won");
  }
  return (now() - begin) * (kMillion / kRaces);
}

// Added in the worst order: each child goes in front of all others.
double milliseconds_for_tree() {
  constexpr int kLeaves = 1000, kTrees = 100;
  const double begin = now();
  for (int t = 0; t < kTrees; ++t) {
    CandidateTree tree(Candidate{}, {.children = kLeaves, .nodes = kLeaves + 1, .leaves = kLeaves});
    for (int i = 0; i < kLeaves; ++i) {
      Candidate c;
      c.remote = Endpoint{.host = "example.net"};
      if (tree.add(kRoot, Branch::endpoint, c, -i) == kNoNode) die("race: the tree is full");
    }
  }
  return (now() - begin) * 1e3 / kTrees;
}

}  // namespace race_row

Row race_million() {
  using namespace race_row;
  return {.name = "race-million",
          .about = "a million simulated races over 8 candidates, on one core",
          .unit = "s",
          .better = Better::lower,
          .target = 1,
          .ours = seconds_per_million_races,
          .baseline = {},
          .limit = 30};
}

Row race_tree() {
  using namespace race_row;
  return {.name = "race-tree",
          .about = "building and ordering a candidate tree of 1000 leaves",
          .unit = "ms",
          .better = Better::lower,
          .target = 1,
          .ours = milliseconds_for_tree,
          .baseline = {},
          .limit = 5};
}

}  // namespace trellis::bench
