// history.h: what earlier races taught (RFC 9623 section 9.2): per partition, network, peer and stack, how it went with
// each address. Bounded, expiring, shared by all loops.
//
// It ranks and delays candidates, and never takes one away: what failed is tried last, and what is old is forgotten.
#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "core/experience.h"

namespace trellis {

/// Where experiences belong.
struct HistoryPlace {
  std::string_view partition;  ///< who may know of it
  std::string_view network;    ///< provisioning domain
  std::string_view endpoint;   ///< the peer as it was asked for; kWholeNetwork: all of them, by subnets
  std::string_view stack;      ///< "tls/tcp"
  bool operator==(const HistoryPlace&) const = default;
};
inline constexpr std::string_view kWholeNetwork = "*";

class History {
  struct Entry;
  using Entries = std::list<Entry>;

 public:
  /// Where a place was found, so that who comes back soon needs not look it up again. Empty: not found yet.
  class Bookmark {
    friend History;
    Entries::iterator entry_{};
    std::uint64_t erasures_ = 0;  // of the history when it was found; zero: it was not
  };
  static constexpr std::size_t kPlacesMost = 2048;  ///< more: the one that was used the longest time ago is forgotten
  static constexpr std::uint32_t kBelievedTimes = 64;  ///< then what failed is not believed once (RACE-91)

  static constexpr Duration kStoreEvery = std::chrono::seconds(1);

  /// Nothing was ever learnt: the quick answer.
  bool empty() const noexcept { return places_.load(std::memory_order_relaxed) == 0; }
  /// What is known and younger than `keep`. Each kBelievedTimes-th answer tells nothing bad.
  Experiences find(const HistoryPlace& place, TimePoint now, Duration keep, Bookmark* bookmark = nullptr);
  /// Adds what an attempt came to; `bits`: of the prefix that it counts for. `store`: when it is time to store what is
  /// known of the place, that is given: at once when it changes what will be tried first, else every kStoreEvery.
  Experiences learn(const HistoryPlace& place, std::uint8_t bits, const Attempted& attempt, TimePoint now,
                    Duration keep, bool store = false, const Bookmark* bookmark = nullptr);
  /// What a store has kept; of two experiences with one address the newer one counts.
  void restore(const HistoryPlace& place, Experiences all);
  /// The link of this network has gone: another network may have its name next time (RACE-90).
  /// What a store still knows of the earlier one is not believed either.
  void forget_network(std::string_view network, TimePoint now);
  void clear();

 private:
  struct Entry {
    std::string partition, network, endpoint, stack;
    Experiences all;
    std::uint32_t asked = 0;
    TimePoint stored_at{};  // zero: never
    HistoryPlace place() const noexcept { return {partition, network, endpoint, stack}; }
  };
  struct Hash {  // not noexcept: then the table keeps the hashes
    std::size_t operator()(const HistoryPlace& place) const;
  };
  Entry* look_up(const HistoryPlace& place);
  Entry* bookmarked(const Bookmark* bookmark);
  Entry& add(const HistoryPlace& place);
  void erase(Entries::iterator entry);

  std::mutex mutex_;
  static constexpr std::size_t kForgottenMost = 256;
  std::map<std::string, TimePoint, std::less<>> forgotten_;          // networks, and when
  Entries entries_;                                                  // the one used last in front
  std::unordered_map<HistoryPlace, Entries::iterator, Hash> index_;  // views into entries_
  std::atomic<std::size_t> places_ = 0;
  std::uint64_t erasures_ = 1;  // of entries; what was found before one may be gone
};

}  // namespace trellis
