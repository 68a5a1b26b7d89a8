// rendezvous.h: two peers who connect to each other at once: Preconnection::rendezvous() (RFC 9622 section 7.3).
#pragma once
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "trellis/connection.h"
#include "trellis/listener.h"
#include "trellis/resolved.h"

namespace trellis {

/// What the peers have agreed on, besides candidates.
struct RendezvousOptions {
  IceCredentials own = {};   ///< Resolved::credentials, which the peer was told
  IceCredentials peer = {};  ///< the peer's; both empty: nothing is checked
  /// One side of the two chooses (RFC 8445 section 6.1.1). When both or neither mean to, they settle it themselves.
  bool controlling = false;
  /// Sent once: without checks at once, or somebody else must send first; with checks over the pair that works.
  Message early = {.data = {}, .end = false};
};

/// What happens; all on the loop.
struct RendezvousEvents {
  std::move_only_function<void(Connection)> done = {};  ///< RendezvousDone, once: it is Established
  /// RendezvousDone between multicast groups, in the place of `done`: a Connection that sends to the remote group, and
  /// a Listener at the local one, which has joined it and takes what its senders begin (RFC 9622 section 6.1.1).
  std::move_only_function<void(Connection, Listener)> group_done = {};
  std::move_only_function<void(const Error&)> failed = {};  ///< EstablishmentError, once, instead
};

/// rendezvous() in progress. Movable; destroying it cancels, and nothing is called any more.
class [[nodiscard]] Rendezvous {
 public:
  /// What there is behind it.
  struct State {
    virtual ~State() = default;
    virtual Result<void> add_remote(std::vector<Endpoint> endpoints) = 0;  ///< as Rendezvous::add_remote()
  };
  Rendezvous() = default;
  explicit Rendezvous(std::unique_ptr<State> state) : state_(std::move(state)) {}
  /// Candidates of the peer that became known later (trickle ICE, RFC 8838). Known ones are ignored. Errors: one
  /// without an address; more than there may be; without credentials.
  Result<void> add_remote(std::vector<Endpoint> endpoints) { return state_->add_remote(std::move(endpoints)); }

 private:
  std::unique_ptr<State> state_;
};

}  // namespace trellis
