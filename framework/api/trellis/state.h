// state.h: what survives a connection: tickets, tokens, measurements.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "trellis/clock.h"
#include "trellis/option.h"
#include "trellis/result.h"

namespace trellis {

class Executor;  // executor.h

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
/// entries. Never blocks: the engine has fetched what a store knows before the race, if that was quick. An isolated
/// session (isolateSession) sees an empty one.
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

/// One thing that is kept.
struct StateEntry {
  StateKey key;                                     ///< where it belongs
  StateValue value;                                 ///< at most 64 KiB
  std::chrono::system_clock::time_point expires{};  ///< wall clock, because it may outlive the process
};

/// Whose entries are looked for.
struct StatePlace {
  std::string partition;  ///< as in StateKey
  std::string endpoint;   ///< as in StateKey
};

/// Whether a value of this kind must never be given to two users: tickets and tokens (RFC 8446 appendix C.4, RFC 9000
/// section 8.1.3). A store gives it away; what tells of the past it gives copies of.
constexpr bool single_use(StateKind kind) noexcept {
  return kind == StateKind::session_ticket || kind == StateKind::address_token;
}

/// What a store has opened: a file, a server. Used by all loops at once, so every call may come on any thread. No call
/// but list() and clear() waits for anything, and whatever goes wrong, connections go on without it.
class OpenStore {
 public:
  /// What was put is still written, as far as that works within a second. No Fetch is left.
  virtual ~OpenStore() = default;
  /// An open question; destroying it on the loop's thread forgets the answer.
  struct Fetch {
    virtual ~Fetch() = default;
  };
  /// What was found; empty: nothing, or the store could not be asked.
  using Answer = std::move_only_function<void(std::vector<StateEntry>)>;
  static constexpr std::size_t kGivenMost = 2;     ///< single-use entries of one key that one answer gives away
  static constexpr std::size_t kAnswerMost = 256;  ///< entries in one answer
  /// False: it is in trouble and left alone for a while; nobody need ask.
  virtual bool usable() const noexcept = 0;
  /// Answers once, on the executor's loop, never inside the call. Single-use entries are removed and given in one step,
  /// so that no other loop, process or host is given them too; newest first. Null: not now, there is trouble.
  virtual std::unique_ptr<Fetch> fetch(Executor&, std::vector<StatePlace>, Answer) noexcept = 0;
  /// Adds an entry, beside others of its key if it is for single use, else in place of them. Written a little later.
  virtual void put(StateEntry) noexcept = 0;
  /// Why it cannot be used at the moment, in one line; empty: nothing new to be told. Each trouble is told once.
  virtual std::string trouble() noexcept = 0;
  /// For tools: all entries, without removing any. Waits.
  virtual Result<std::vector<StateEntry>> list() noexcept = 0;
  /// For tools: forgets everything; how many entries there were. Waits.
  virtual Result<std::uint64_t> clear() noexcept = 0;
};

/// A plugin that keeps state beyond the process.
class StateStore {
 public:
  virtual ~StateStore() = default;
  virtual std::string_view name() const noexcept = 0;                          ///< as in provides and policies
  virtual std::span<const OptionSpec> options() const noexcept { return {}; }  ///< its settings
  /// Opens what the settings name, without waiting for it: trouble() tells what comes of it. Errors: settings that can
  /// never work.
  virtual Result<std::unique_ptr<OpenStore>> open(const Options&) noexcept = 0;
};

}  // namespace trellis
