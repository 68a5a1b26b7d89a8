#include "core/history.h"

#include <algorithm>
#include <iterator>

namespace trellis {

// Of one peer there are a few places only.
std::size_t History::Hash::operator()(const HistoryPlace& place) const {
  return std::hash<std::string_view>{}(place.endpoint);
}

History::Entry* History::look_up(const HistoryPlace& place) {
  const auto found = index_.find(place);
  if (found == index_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, found->second);
  return &entries_.front();
}

History::Entry* History::bookmarked(const Bookmark* bookmark) {
  return bookmark != nullptr && bookmark->erasures_ == erasures_ ? &*bookmark->entry_ : nullptr;
}

History::Entry& History::add(const HistoryPlace& place) {
  if (entries_.size() >= kPlacesMost) erase(std::prev(entries_.end()));
  entries_.push_front({std::string(place.partition),
                       std::string(place.network),
                       std::string(place.endpoint),
                       std::string(place.stack),
                       {}});
  index_.emplace(entries_.front().place(), entries_.begin());
  places_.store(entries_.size(), std::memory_order_relaxed);
  return entries_.front();
}

void History::erase(Entries::iterator entry) {
  ++erasures_;
  index_.erase(entry->place());
  entries_.erase(entry);
  places_.store(entries_.size(), std::memory_order_relaxed);
}

Experiences History::find(const HistoryPlace& place, TimePoint now, Duration keep, Bookmark* bookmark) {
  if (empty()) return {};
  const std::lock_guard lock(mutex_);
  Entry* entry = look_up(place);
  if (entry == nullptr) return {};
  std::erase_if(entry->all, [&](const Experience& e) { return now - e.seen_at() >= keep; });
  if (entry->all.empty()) {
    erase(entries_.begin());
    return {};
  }
  if (bookmark != nullptr) {
    bookmark->entry_ = entries_.begin();
    bookmark->erasures_ = erasures_;
  }
  Experiences known = entry->all;
  if (++entry->asked % kBelievedTimes == 0) std::erase_if(known, &Experience::bad);
  return known;
}

Experiences History::learn(const HistoryPlace& place, std::uint8_t bits, const Attempted& attempt, TimePoint now,
                           Duration keep, bool store, const Bookmark* bookmark) {
  const std::lock_guard lock(mutex_);
  Entry* entry = bookmarked(bookmark);
  if (entry == nullptr) entry = look_up(place);
  if (entry == nullptr && attempt.how == Attempted::How::answered) return {};
  if (entry == nullptr) entry = &add(place);
  const Experience* known = find_experience(entry->all, attempt.remote, bits);
  const bool was_good = known != nullptr && known->good();
  trellis::learn(entry->all, bits, attempt, now, keep);
  const bool news = attempt.how != Attempted::How::answered && was_good != (attempt.how == Attempted::How::ready);
  if (!store || (!news && now - entry->stored_at < kStoreEvery)) return {};
  entry->stored_at = now;
  return entry->all;
}

void History::restore(const HistoryPlace& place, Experiences all) {
  const std::lock_guard lock(mutex_);
  if (const auto gone = forgotten_.find(place.network); gone != forgotten_.end())
    std::erase_if(all, [&](const Experience& e) { return e.seen_at() <= gone->second; });
  if (all.empty()) return;
  Entry* entry = look_up(place);
  if (entry == nullptr) entry = &add(place);
  for (const Experience& e : all) {
    const Experience* known = find_experience(entry->all, e.where, e.bits);
    if (known == nullptr && entry->all.size() < kExperiencesMost) entry->all.push_back(e);
    if (known == nullptr || known->seen_at() >= e.seen_at()) continue;
    entry->all[static_cast<std::size_t>(known - entry->all.data())] = e;
  }
}

void History::forget_network(std::string_view network, TimePoint now) {
  const std::lock_guard lock(mutex_);
  forgotten_.insert_or_assign(std::string(network), now);
  if (forgotten_.size() > kForgottenMost)
    forgotten_.erase(std::ranges::min_element(forgotten_, {}, [](const auto& one) { return one.second; }));
  for (auto i = entries_.begin(); i != entries_.end();) {
    const auto entry = i++;
    if (entry->network == network) erase(entry);
  }
}

void History::clear() {
  const std::lock_guard lock(mutex_);
  ++erasures_;
  index_.clear();
  entries_.clear();
  places_.store(0, std::memory_order_relaxed);
}

}  // namespace trellis
