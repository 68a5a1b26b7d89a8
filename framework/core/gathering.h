// gathering.h: fills the tree of a race with candidates: paths, then stacks, then addresses (RFC 9623 section 4.1.2).
// Opens no connection: establishing uses it, and so does explaining what would be tried.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/framework_core.h"
#include "core/race_engine.h"
#include "core/race_history.h"
#include "core/resolution.h"

namespace trellis {

class Gathering {
 public:
  /// `now`: the time of the race, which need not be that of the loop. All references outlive it.
  Gathering(FrameworkCore& framework, Executor& loop, const Plan& plan, RaceEngine& race,
            std::function<TimePoint()> now);
  ~Gathering();

  /// The root of the tree: what the wishes ask for.
  static Candidate root(const Preconnection::Wishes& wishes);
  /// Why the address that was asked for cannot be used; none: it can, or it is a name.
  std::optional<Error> misfit() const;
  void expand(NodeIndex node);  // RaceActions::expand
  void stop() noexcept;         // no more answers
  bool resolving() const noexcept;
  /// Once, when the race is over: history hears how it went. `late`: the time to connect is over.
  void learn(bool late) { history_.learn(race_.tree(), now_(), late); }
  const std::vector<Path>& paths() const noexcept { return paths_; }  // what Candidate::path counts

 private:
  void expand_paths(NodeIndex node);
  void expand_stacks(NodeIndex node);
  void add(NodeIndex parent, Branch branch, Candidate candidate, std::int64_t rank);
  Resolution& resolution(int path);

  FrameworkCore& framework_;
  Executor& loop_;
  const Plan& plan_;
  RaceEngine& race_;
  std::function<TimePoint()> now_;
  std::vector<Path> paths_;
  RaceHistory history_;
  std::vector<std::unique_ptr<Resolution>> resolutions_;  // one for each path
};

}  // namespace trellis
