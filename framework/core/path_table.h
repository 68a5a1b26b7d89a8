// path_table.h: the ways out of this host that one policy may use, on one loop: runs the watches of the policy's path
// providers, applies the policy's rules, orders what is left, and tells who watches of every change.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/path_rules.h"
#include "trellis/executor.h"

namespace trellis {

class PathTable;

/// What is different since the last time. Paths that the policy's rules forbid, or no longer allow, are not there.
struct PathNews {
  std::vector<Path> added, changed, removed;
  bool empty() const noexcept { return added.empty() && changed.empty() && removed.empty(); }
};

/// Who hears of paths, on the loop of the table and between turns. Stops hearing when it is destroyed.
class PathWatcher {
 public:
  PathWatcher() = default;
  PathWatcher(const PathWatcher&) = delete;
  PathWatcher& operator=(const PathWatcher&) = delete;
  /// The first time: the listing is complete, `news` has all paths in `added`. May unfollow, and destroy any watcher.
  virtual void paths_changed(const PathNews& news) noexcept = 0;
  /// Hears of the table from now on, and keeps it alive. What is there already is not told.
  void follow(std::shared_ptr<PathTable> table);
  void unfollow() noexcept;
  PathTable* table() const noexcept { return table_.get(); }  ///< null: follows none
  const std::shared_ptr<PathTable>& shared_table() const noexcept { return table_; }

 protected:
  ~PathWatcher() { unfollow(); }

 private:
  friend class PathTable;
  std::shared_ptr<PathTable> table_;
  std::size_t place_ = 0;
};

/// A path provider with its settings.
struct PathSource {
  PathProvider* provider;
  const Options* options;
};

class PathTable final : public std::enable_shared_from_this<PathTable>, private Job {
 public:
  /// Who hears of what is no news to watchers; each may be empty.
  struct Listeners {
    /// A network has gone with its last path, and its name another network may have next time: that of an interface of
    /// which nothing else is known (RFC 7556 section 2.1).
    std::function<void(std::string_view network)> gone;
    /// As PathObserver::passed_over(), of the provider `who`.
    std::function<void(std::string_view who, std::string_view what)> passed_over;
  };
  /// Begins to watch. `rules`: those of the policy. Errors: what a provider says.
  static Result<std::shared_ptr<PathTable>> open(Executor& executor, std::span<const PathSource> sources,
                                                 std::vector<PathRule> rules, Listeners listeners);
  PathTable(Executor& executor, std::vector<PathRule> rules);
  ~PathTable();

  /// The first listing is complete.
  bool complete() const noexcept { return told_; }
  /// Those that may be used, best first.
  const std::vector<Path>& paths() const noexcept { return usable_; }
  /// How much the rules of the policy like a path.
  Liking liked(const Path& path) const noexcept { return liking(rules_, path); }
  /// The others, and why not.
  const std::vector<std::pair<Path, std::string>>& refused() const noexcept { return refused_; }

 private:
  friend class PathWatcher;
  struct Source;
  void stirred() noexcept;       // providers tell several things in a row: they are passed on together
  void run() noexcept override;  // Job
  void forget(std::uint32_t id);
  void sort();
  PathNews news(const std::vector<Path>& old) const;

  Executor& executor_;
  std::vector<PathRule> rules_;
  Listeners listeners_;
  std::map<std::uint32_t, Path> known_;  // by id: in the order in which they were found
  std::uint32_t last_id_ = 0;
  std::vector<Path> usable_;
  std::vector<std::pair<Path, std::string>> refused_;
  std::vector<PathWatcher*> watchers_;  // null: has left while they were told
  std::vector<std::unique_ptr<Source>> sources_;
  bool told_ = false, telling_ = false;
};

}  // namespace trellis
