// gathering.h: fills the tree of a race with candidates: paths, then stacks, then addresses (RFC 9623 section 4.1.2).
// Opens no connection: establishing uses it, and so does explaining what would be tried.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/discovery.h"
#include "core/framework_core.h"
#include "core/race_engine.h"
#include "core/race_history.h"
#include "core/resolution.h"
#include "core/ways.h"

namespace trellis {

class Gathering final : public PathWatcher {
 public:
  /// `now`: the time of the race, which need not be that of the loop. All references outlive it.
  Gathering(FrameworkCore& framework, Executor& loop, const Plan& plan, RaceEngine& race,
            std::function<TimePoint()> now);
  ~Gathering();

  /// Why the address that was asked for cannot be used; none: it can, or it is a name.
  std::optional<Error> misfit() const;
  void expand(NodeIndex node);  // RaceActions::expand
  /// An attempt cannot reach its address, and the race is about to hear it. Where routing decides, the network may
  /// lead to IPv6 alone and translate: then a way through its NAT64 is there now (true; RACE-136).
  bool unreachable();
  void stop() noexcept;             // no more answers
  bool resolving() const noexcept;  // names, or the ways out of this host
  /// Once, when the race is over: history hears how it went. `late`: the time to connect is over.
  void learn(bool late) { history_.learn(race_.tree(), now_(), late); }
  /// What is to be learnt from the data of the Connection that the leaf becomes; null: nothing.
  std::unique_ptr<ConnectionHistory> learn_on(std::shared_ptr<const Plan> plan, const Candidate& leaf) const;
  const Ways& ways() const noexcept { return ways_; }  // what Candidate::path counts
  /// Whom each layer of the candidate's stack talks to, bottom first.
  std::vector<Endpoint> remotes(const Candidate& candidate) const;
  /// Hears of paths that went away, after the tree has heard of them; none: nobody does.
  std::function<void(const Path&)> path_gone;

 private:
  void paths_changed(const PathNews& news) noexcept override;
  void update_ways();
  std::vector<Endpoint> targets(const Path& path) const;
  void tell_left_out(const WaysFound& found);
  Error no_way() const;
  Duration expected_on(const Path& path, bool resolves) const noexcept;
  int way_to(const Address& address, int way) const noexcept;
  void expand_paths(NodeIndex node);
  void expand_stacks(NodeIndex node);
  void expand_remotes(NodeIndex node);
  void add_stack(NodeIndex parent, Candidate& child, std::int64_t rank, bool only);
  NodeIndex add(NodeIndex parent, Branch branch, Candidate& candidate, std::int64_t rank, bool only = false);
  bool may_translate(const Path& path) const;
  Path path_of(int way) const;
  Resolution::Context context() { return {framework_, loop_, plan_, race_, history_, now_}; }
  Resolution& resolution(int path, const SharedEndpoint& name);
  Discovery& discovery(int path, const Endpoint& service);

  FrameworkCore& framework_;
  Executor& loop_;
  const Plan& plan_;
  RaceEngine& race_;
  std::function<TimePoint()> now_;
  Ways ways_;                                                  // never fewer: nodes refer to them by index
  NodeList way_nodes_;                                         // kNoNode: not raced
  std::vector<std::pair<std::string, std::string>> left_out_;  // that were told
  bool only_prohibited_ = false;                               // WaysFound's, of the last time
  NodeIndex branching_ = kNoNode;                              // the node whose children are ways
  RaceHistory history_;
  PathRanking ranking_;
  RecycledVector<std::unique_ptr<Resolution>> resolutions_;  // one for each path and name
  std::vector<std::unique_ptr<Discovery>> discoveries_;      // one for each path, where a service is looked for
};

}  // namespace trellis
