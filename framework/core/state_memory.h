// state_memory.h: what layers remember between Connections, in memory: bounded, expiring, shared by all loops.
//
// A value that was taken is gone, so that two leaves never use one ticket (RACE-109, RACE-110).
#pragma once
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "trellis/executor.h"
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
  void put(const StateKey& key, StateValue value, TimePoint expires);
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

  mutable std::mutex mutex_;
  std::list<Entry> entries_;                          // oldest first
  std::map<std::string, std::vector<Place>> places_;  // by key, oldest first; never an empty list
};

/// What tells apart the Connections that may share state: the profile, and all security parameters that decide whom it
/// trusts and what it shows. Secrets are not in it. None: they cannot be compared, so nothing is shared.
std::optional<std::string> state_partition(std::string_view profile, const Security* security);

/// What one layer of a Connection sees.
class LayerState final : public State {
 public:
  /// `key` without kind and detail; null memory: an isolated session.
  LayerState(StateMemory* memory, StateKey key, Executor& executor)
      : memory_(memory), key_(std::move(key)), executor_(executor) {}
  StateValue take(StateKind kind, std::string_view detail) noexcept override;
  StateValue peek(StateKind kind, std::string_view detail) noexcept override;
  void put(StateKind kind, std::string_view detail, StateValue value, Duration keep) noexcept override;

 private:
  StateKey key(StateKind kind, std::string_view detail) const;
  StateMemory* memory_;
  StateKey key_;
  Executor& executor_;
};

}  // namespace trellis
