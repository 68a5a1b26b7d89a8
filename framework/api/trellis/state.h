// state.h: what survives a connection: tickets, tokens, measurements.
#pragma once
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "trellis/clock.h"
#include "trellis/result.h"

namespace trellis {

/// What kind of thing is kept.
enum class StateKind : std::uint8_t {
  session_ticket,  ///< TLS resumption
  address_token,   ///< QUIC address validation, TFO cookies
  performance,     ///< measurements
  support,         ///< what an endpoint can and cannot do
};
/// A copy, because the store outlives loops and their pools.
using StateValue = std::vector<std::byte>;

/// What a layer sees: already bound to its partition, network, endpoint, protocol, so no layer can read another's
/// entries. Never blocks: the engine fetched the entries of a candidate before it opened it. An isolated session
/// (isolateSession) sees an empty one.
class State {
 public:
  /// Removes an entry, so that two leaves never get the same ticket. `detail` tells entries of one kind apart (ALPN).
  virtual StateValue take(StateKind, std::string_view detail = {}) noexcept = 0;  // empty: none
  virtual StateValue peek(StateKind, std::string_view detail = {}) noexcept = 0;  ///< looks without removing
  /// Stores a value for `keep` at most.
  virtual void put(StateKind, std::string_view detail, StateValue, Duration keep) noexcept = 0;

 protected:
  ~State() = default;
};

/// Where a value belongs.
struct StateKey {
  StateKind kind;         ///< what it is
  std::string partition;  ///< isolation group set by policy or application
  std::string network;    ///< provisioning domain
  std::string endpoint;   ///< host and port, or address
  std::string protocol;   ///< the layer's name
  std::string detail;     ///< tells entries of one kind apart
};

/// A plugin that keeps state. May talk to a disk or a server, so it answers later; it never breaks or slows a
/// connection.
class StateStore {
 public:
  virtual ~StateStore() = default;
  virtual std::string_view name() const noexcept = 0;  ///< as in provides and policies
  /// An open question; destroying it forgets the answer.
  struct Fetch {
    virtual ~Fetch() = default;
  };
  /// All entries found.
  using Answer = std::function<void(std::vector<std::pair<StateKey, StateValue>>)>;
  virtual std::unique_ptr<Fetch> fetch(const StateKey& prefix, Answer) noexcept = 0;  ///< empty fields match all
  virtual void put(const StateKey&, StateValue, Duration keep) noexcept = 0;          ///< adds an entry
  virtual void remove(const StateKey&, const StateValue&) noexcept = 0;               ///< forgets one entry
};

}  // namespace trellis
