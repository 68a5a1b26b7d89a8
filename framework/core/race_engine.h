// race_engine.h: executes the plans of racing policies on a candidate tree, and carries success and failure to the
// root.
//
// One Race per started parent. The engine owns time: one alarm for the earliest of all wake-ups, so timers of different
// parents never influence each other. It knows nothing of stacks, names and paths: RaceActions does what it says.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/candidate_tree.h"
#include "core/watchdog.h"
#include "trellis/race_report.h"

namespace trellis {

/// Does what the engine says and reports back through the engine's functions, at once or later.
class RaceActions {
 public:
  virtual void start_leaf(NodeIndex leaf) noexcept = 0;   // then leaf_answered, leaf_ready or leaf_failed
  virtual void cancel_leaf(NodeIndex leaf) noexcept = 0;  // started; silent
  virtual void expand(NodeIndex node) noexcept = 0;       // adds children through RaceEngine::add, then settled()
  virtual void abandon(NodeIndex node) noexcept = 0;      // stops expanding
  virtual void wake_at(TimePoint when) noexcept = 0;      // once; then RaceEngine::wake; max(): never
  virtual void won(NodeIndex leaf) noexcept = 0;          // once; all others are canceled
  virtual void lost(const Error& error) noexcept = 0;     // once; nothing is left to try

 protected:
  ~RaceActions() = default;
};

/// The racing policy and its settings for one kind of branch.
struct BranchRacing {
  const RacingPolicy* policy = nullptr;
  const Options* options = nullptr;
};

struct RaceLimits {
  TreeLimits tree;
  std::size_t attempts_at_once = 8;
  Watchdog* watchdog = nullptr;  // over racing policies; null: they may take their time
};

/// Why a node failed that stood for something which is not there any more.
inline constexpr const char* kWentAway = "it went away";
/// How a node has changed: it may get more children, or it will not.
inline constexpr std::string_view kGathered = "candidates were gathered";
inline constexpr std::string_view kAllGathered = "all candidates were gathered";

class RaceEngine {
 public:
  /// `racing` by Branch. All references outlive the engine.
  RaceEngine(const Candidate& root, const RaceLimits& limits, const BranchRacing (&racing)[3], RaceActions& actions);
  void begin(TimePoint now);

  // What RaceActions reports.
  /// A new child. Where a limit is reached, what is worth least is dropped, another one or this (kNoNode), and the
  /// trace says so.
  /// `detail`: what is known of it, for the trace.
  NodeIndex add(TimePoint now, NodeIndex parent, Branch branch, const Candidate& candidate, std::int64_t rank,
                std::string_view detail = {});
  /// Another place for a child that waits. False: it is where it was.
  bool rerank(TimePoint now, NodeIndex child, std::int64_t rank);
  void withdraw(TimePoint now, NodeIndex child);
  /// A candidate that is not added, by a rule that is not the engine's.
  void drop(TimePoint now, NodeIndex parent, std::string_view rule, std::string_view which);
  void pending(NodeIndex node, RaceStep::Awaited awaited);  // what expand() still waits for
  /// After add, withdraw, rerank, pending. kAllGathered: a single child then has nobody to race, and starts at once.
  void children_changed(TimePoint now, NodeIndex parent, std::string_view how = kGathered);
  void expansion_failed(TimePoint now, NodeIndex node, Error error);  // it has no children, and will not have any
  /// What the node stands for is not there any more: whatever runs below it ends.
  void node_failed(TimePoint now, NodeIndex node, Error error);
  void leaf_answered(TimePoint now, NodeIndex leaf, unsigned rtts_left);
  void leaf_ready(TimePoint now, NodeIndex leaf);
  void leaf_failed(TimePoint now, NodeIndex leaf, Error error);
  void wake(TimePoint now);
  void cancel(TimePoint now, const char* why);  // the whole race; `why` is a static text

  CandidateTree& tree() noexcept { return tree_; }
  const CandidateTree& tree() const noexcept { return tree_; }
  const RaceLimits& limits() const noexcept { return limits_; }
  std::vector<RaceStep>& trace() noexcept { return trace_; }
  const std::vector<RaceStep>& trace() const noexcept { return trace_; }
  bool over() const noexcept { return over_; }
  /// Whether a racing policy keeps the race waiting with nothing running, and which; none: it is not to blame.
  std::optional<Error> held_back() const;
  void keep_trace(bool keep) noexcept { tracing_ = keep; }  // most Connections do without
  bool traced() const noexcept { return tracing_; }

 private:
  using Kind = RaceStep::Kind;
  struct Parent {  // a started node that branches, and has something to decide or to wait for
    NodeIndex node;
    std::unique_ptr<Race> race = {};
    TimePoint wake = TimePoint::max();
    unsigned idle_wakes = 0;  // in a row
    RaceStep::Awaited awaited = {};
  };
  // In the trace, where one is kept: what came from outside, and what was decided here.
  void fact(TimePoint now, Kind kind, NodeIndex node, std::string_view why, std::string_view detail = {}) {
    if (tracing_) [[unlikely]]
      note(now, kind, true, node, why, detail);
  }
  void decision(TimePoint now, Kind kind, NodeIndex node, std::string_view why, std::string_view detail = {}) {
    if (tracing_) [[unlikely]]
      note(now, kind, false, node, why, detail);
  }
  void note(TimePoint now, Kind kind, bool fact, NodeIndex node, std::string_view why, std::string_view detail);
  void start(TimePoint now, NodeIndex node, const char* why);
  void begin_node(TimePoint now, NodeIndex node);
  void decide(TimePoint now, NodeIndex node, RaceEvent event, ChildId about);
  std::unique_ptr<Race> race_of(NodeIndex node) const;
  RacePlan plan_of(NodeIndex node, RaceEvent event, ChildId about, const RaceView& view);
  const RacingPolicy& policy_of(NodeIndex node) const noexcept {
    return *racing_[static_cast<std::size_t>(*tree_[node].branch)].policy;
  }
  void execute(TimePoint now, NodeIndex node, RaceEvent event, RacePlan plan);
  void start_child(TimePoint now, NodeIndex parent, NodeIndex child, const char* why);
  void start_only_child(TimePoint now, NodeIndex node);
  void keep_going(TimePoint now, NodeIndex node);
  void child_ended(TimePoint now, NodeIndex parent, NodeIndex child);
  void fail_node(TimePoint now, NodeIndex node, Error error, const char* fact_why = nullptr);
  void cancel_node(TimePoint now, NodeIndex node, const char* why, bool as_fact = false);
  void cancel_children(TimePoint now, NodeIndex node, const char* why);
  void run_deferred(TimePoint now);
  void rearm();
  bool running(NodeIndex node) const noexcept;
  Error summary(NodeIndex node) const;
  Error blame(NodeIndex node, const std::string& what) const;
  void broken(TimePoint now, NodeIndex node, const std::string& what);
  const Parent* known_parent(NodeIndex node) const noexcept;  // null: it decides nothing and waits for nothing
  Parent& parent(NodeIndex node);
  void no_wake(NodeIndex node) noexcept;

  CandidateTree tree_;
  RaceLimits limits_;
  BranchRacing racing_[3];
  RaceActions& actions_;
  RecycledVector<Parent> parents_;
  std::vector<NodeIndex> deferred_;  // leaves that wait for a free place among the attempts
  std::vector<RaceStep> trace_;
  TimePoint begun_at_{}, armed_ = TimePoint::max();
  std::size_t attempts_ = 0;
  std::uint32_t nested_ = 0;  // starts that are not complete yet
  bool over_ = false, tracing_ = false;
};

}  // namespace trellis
