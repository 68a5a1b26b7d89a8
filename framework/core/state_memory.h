// state_memory.h: what layers remember between Connections, in memory: bounded, expiring, shared by all loops.
//
// A value that was taken is gone, so that two leaves never use one ticket (RACE-109, RACE-110).
#pragma once
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "trellis/path.h"
#include "trellis/security.h"
#include "trellis/state.h"

namespace trellis {

class StateMemory {
 public:
  static constexpr std::size_t kEntriesMost = 4096;   ///< more: the oldest is forgotten
  static constexpr std::size_t kPerKeyMost = 8;       ///< of one key; the same
  static constexpr std::size_t kValueMost = 1 << 16;  ///< bytes; larger ones are not kept

  /// Removes the newest value of a key; empty: there is none.
  StateValue take(const StateKey& key, TimePoint now);
  /// The newest value of a key; it stays.
  StateValue peek(const StateKey& key, TimePoint now);
  /// Beside other values of its key if it is for single use, else in their place. `most`: of its kind and partition;
  /// more, and the oldest of these is forgotten.
  void put(const StateKey& key, StateValue value, TimePoint expires, std::size_t most = kEntriesMost);
  bool remove(const StateKey& key, const StateValue& value);  ///< false: it is not there any more
  void clear();
  std::size_t size() const;

 private:
  struct Entry {
    std::string key;
    StateValue value;
    TimePoint expires;
  };
  using Place = std::list<Entry>::iterator;
  std::vector<Place>* find(const std::string& key, TimePoint now);
  void forget(Place place);
  void make_room(const StateKey& key, std::size_t most);

  mutable std::mutex mutex_;
  std::list<Entry> entries_;                          // oldest first
  std::map<std::string, std::vector<Place>> places_;  // by key, oldest first; never an empty list
};

class StateKeeper;  // state_keeper.h

inline constexpr std::size_t kStateKinds = 4;

/// What a policy says of state (<state>), and whom it is shared with.
struct StateRules {
  std::string partition;               ///< Connections with another one neither see nor leave anything here
  std::shared_ptr<StateKeeper> store;  ///< null: in memory only
  /// At most, by StateKind; zero: nothing of the kind is remembered.
  Duration keep[kStateKinds] = {std::chrono::hours(24 * 7), std::chrono::hours(24 * 7), std::chrono::minutes(10),
                                std::chrono::hours(24)};
  Duration keep_of(StateKind kind) const noexcept { return keep[static_cast<std::size_t>(kind)]; }
};

/// The peer as it was asked for, "example.net 443": names as DNS compares them (RFC 4343).
std::string state_endpoint(const Endpoint& remote);

/// What tells apart Connections whose layers may share state: the partition, and all security parameters that decide
/// whom one trusts and what it shows. Secrets are not in it. None: they cannot be compared, so nothing is shared.
std::optional<std::string> state_partition(std::string_view partition, const Security* security);

/// What one layer of a Connection sees.
class LayerState final : public State {
 public:
  /// `key` without kind and detail; null memory: nothing is remembered. `security`, which may be null, limits tickets.
  LayerState(StateMemory* memory, std::shared_ptr<const StateRules> rules, StateKey key, const Security* security,
             Executor& executor);
  StateValue take(StateKind kind, std::string_view detail) noexcept override;
  StateValue peek(StateKind kind, std::string_view detail) noexcept override;
  void put(StateKind kind, std::string_view detail, StateValue value, Duration keep) noexcept override;

 private:
  StateKey key(StateKind kind, std::string_view detail) const;
  StateMemory* memory_;
  std::shared_ptr<const StateRules> rules_;
  StateKey key_;
  std::optional<std::size_t> tickets_most_;  // none: as many as fit
  Duration tickets_keep_ = Duration::max();
  Executor& executor_;
};

}  // namespace trellis
