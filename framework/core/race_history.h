// race_history.h: what one race hears from history before candidates are tried, and tells it afterwards.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "core/candidate_tree.h"
#include "core/history.h"
#include "core/path_ranking.h"
#include "core/recycle.h"
#include "core/ways.h"

namespace trellis {

struct FrameworkCore;
struct Plan;

/// What history says of a candidate.
struct Outlook {
  Duration expected{};         ///< until it is ready; zero: unknown
  std::int64_t rank = 0;       ///< to be added to its rank
  bool failed_before = false;  ///< it stands behind all others
  const char* rule = "";       ///< what put it there, or the empty text
  Experience experience = {};  ///< behind it; only where something is known
  bool known() const noexcept { return failed_before || experience.good(); }
  std::string text(TimePoint now) const;  ///< "history: 23 ms, 4 min ago"; empty: nothing is known
};

class RaceHistory {
 public:
  /// All references outlive it; `ways` is what Candidate::path counts.
  RaceHistory(FrameworkCore& framework, const Plan& plan, Executor& loop, const Ways& ways);

  /// What is known of the candidate: a path, a stack on a path, or an address over both. `rank` moves it only behind
  /// its siblings: what is unknown keeps its place, so that it is tried (RACE-91).
  Outlook outlook(const Candidate& candidate);
  /// What earlier Connections found on the network of a path.
  PathQuality quality(const Path& path) const;
  /// How all attempts went. `late`: the time to connect is over, so who has not answered by now is silent.
  void learn(const CandidateTree& tree, TimePoint now, bool late);
  bool used() const noexcept;

 private:
  struct Known {
    int path, stack;
    Experiences here;
    History::Bookmark found;
    std::optional<Experiences> network = {};  // empty: not asked yet
  };
  Known* looked_up(int path, int stack);  // null: not yet
  Known& known(int path, int stack);
  const Experiences& of_network(Known& known);
  Outlook of_stack(int path, int stack);
  Outlook of_path(int path);
  void tell(const CandidateNode& leaf, const Attempted& attempt, TimePoint now);
  HistoryPlace place(int path, int stack, std::string_view endpoint) const;

  FrameworkCore& framework_;
  const Plan& plan_;
  Executor& loop_;
  const Ways& ways_;
  RecycledVector<Known> known_;  // looked up so far
};

/// The data of a Connection that came out of a race: when it ends, history hears how fast they came.
class ConnectionHistory : public Recycled {
 public:
  /// `candidate`: the winner, over `path`. The framework and the loop outlive it.
  ConnectionHistory(FrameworkCore& framework, std::shared_ptr<const Plan> plan, Executor& loop,
                    const Candidate& candidate, const Path& path);
  void tell() const;
  ThroughputMeter throughput;

 private:
  FrameworkCore& framework_;
  std::shared_ptr<const Plan> plan_;
  Executor& loop_;
  std::string network_;
  Address remote_;
  std::size_t stack_;
};

}  // namespace trellis
