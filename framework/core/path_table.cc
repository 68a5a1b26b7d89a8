#include "core/path_table.h"

#include <algorithm>
#include <tuple>

#include "core/source_address.h"

namespace trellis {
namespace {

bool same_facts(const Path& a, const Path& b) {
  return a.interface_name == b.interface_name && a.local == b.local && a.provisioning_domain == b.provisioning_domain &&
         a.type == b.type && a.mtu == b.mtu && a.metered == b.metered && a.temporary == b.temporary &&
         a.deprecated == b.deprecated && a.smoothed_rtt == b.smoothed_rtt &&
         (a.routes == b.routes || (a.routes && b.routes && *a.routes == *b.routes)) &&
         a.provisioned() == b.provisioned();
}

// Without other knowledge: what kinds of links are usually good for.
int rank_of(InterfaceType type) noexcept {
  switch (type) {
    case InterfaceType::tunnel: return 0;  // somebody has set it up on purpose
    case InterfaceType::wired: return 1;
    case InterfaceType::wifi: return 2;
    case InterfaceType::unknown: return 3;
    case InterfaceType::cellular: return 4;
    case InterfaceType::loopback: return 5;
  }
  return 6;
}

}  // namespace

void PathWatcher::follow(std::shared_ptr<PathTable> table) {
  unfollow();
  place_ = table->watchers_.size();
  table->watchers_.push_back(this);
  table_ = std::move(table);
}

void PathWatcher::unfollow() noexcept {
  if (!table_) return;
  auto& all = table_->watchers_;
  if (table_->telling_) {
    all[place_] = nullptr;
  } else {
    all[place_] = all.back();
    all[place_]->place_ = place_;
    all.pop_back();
  }
  table_.reset();
}

// What one provider tells. Its ids are made unique among those of all.
struct PathTable::Source final : PathObserver {
  Source(PathTable& owner, std::string_view name) : table(owner), who(name) {}
  void path_added(const Path& path) noexcept override {
    const auto [id, added] = ids.try_emplace(path.id, table.last_id_ + 1);
    if (added) ++table.last_id_;
    table.known_.insert_or_assign(id->second, path).first->second.id = id->second;
    table.stirred();
  }
  void path_changed(const Path& path) noexcept override { path_added(path); }
  void path_removed(std::uint32_t id) noexcept override {
    const auto known = ids.find(id);
    if (known == ids.end()) return;
    table.forget(known->second);
    ids.erase(known);
    table.stirred();
  }
  void settled() noexcept override {
    listed = true;
    table.stirred();
  }
  void passed_over(std::string_view what) noexcept override {
    if (table.listeners_.passed_over) table.listeners_.passed_over(who, what);
  }

  PathTable& table;
  const std::string who;
  std::map<std::uint32_t, std::uint32_t> ids;  // the provider's and the table's
  bool listed = false;
  std::unique_ptr<PathProvider::Watch> watch;
};

Result<std::shared_ptr<PathTable>> PathTable::open(Executor& executor, std::span<const PathSource> sources,
                                                   std::vector<PathRule> rules, Listeners listeners) {
  auto table = std::make_shared<PathTable>(executor, std::move(rules));
  table->listeners_ = std::move(listeners);
  for (const PathSource& from : sources) {
    Source& source = *table->sources_.emplace_back(std::make_unique<Source>(*table, from.provider->name()));
    auto watch = from.provider->watch(executor, *from.options, source);
    if (!watch) return fail(std::move(watch));
    source.watch = std::move(*watch);
  }
  return table;
}

PathTable::PathTable(Executor& executor, std::vector<PathRule> rules) : executor_(executor), rules_(std::move(rules)) {}
PathTable::~PathTable() = default;

void PathTable::stirred() noexcept {
  if (!queued()) executor_.queue(*this);
}

void PathTable::forget(std::uint32_t id) {
  const Path path = std::move(known_.extract(id).mapped());
  const bool named = !path.provisioning_domain.empty();
  const auto same = [&](const auto& other) { return domain_of(other.second) == domain_of(path); };
  if (listeners_.gone && !named && std::ranges::none_of(known_, same)) listeners_.gone(domain_of(path));
}

void PathTable::sort() {
  usable_.clear();
  refused_.clear();
  using Key = std::tuple<Liking, bool, bool, std::uint32_t, int, Duration, bool>;
  std::vector<std::pair<Key, const Path*>> order;
  for (const auto& [id, path] : known_) {
    if (std::string why = refusal(rules_, path, "the policy"); !why.empty()) {
      refused_.emplace_back(path, std::move(why));
      continue;
    }
    const PathRoute* const standard = default_route(path);
    order.emplace_back(
        Key{~liking(rules_, path), path.metered, standard == nullptr, standard != nullptr ? standard->metric : 0,
            rank_of(path.type), path.smoothed_rtt, path.deprecated},
        &path);
  }
  std::ranges::stable_sort(order, {}, [](const auto& entry) -> const Key& { return entry.first; });
  usable_.reserve(order.size());
  for (const auto& [key, path] : order) usable_.push_back(*path);
}

PathNews PathTable::news(const std::vector<Path>& old) const {
  std::map<std::uint32_t, const Path*> then;
  for (const Path& path : old) then.emplace(path.id, &path);
  PathNews news;
  for (const Path& path : usable_) {
    const auto known = then.find(path.id);
    if (known == then.end()) {
      news.added.push_back(path);
      continue;
    }
    if (!same_facts(*known->second, path)) news.changed.push_back(path);
    then.erase(known);
  }
  for (const auto& [id, path] : then) news.removed.push_back(*path);
  return news;
}

void PathTable::run() noexcept {
  if (!std::ranges::all_of(sources_, [](const auto& source) { return source->listed; })) return;
  const std::shared_ptr<PathTable> self = shared_from_this();  // the last watcher may leave
  const std::vector<Path> old = std::exchange(usable_, {});
  sort();
  const PathNews news = this->news(old);
  const bool first = !std::exchange(told_, true);
  if (!first && news.empty()) return;
  telling_ = true;
  for (std::size_t i = 0, count = watchers_.size(); i < count; ++i) {
    if (watchers_[i] != nullptr) watchers_[i]->paths_changed(news);
  }
  telling_ = false;
  std::erase(watchers_, nullptr);
  for (std::size_t i = 0; i < watchers_.size(); ++i) watchers_[i]->place_ = i;
}

}  // namespace trellis
