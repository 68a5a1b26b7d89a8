// resolved.h: what endpoints come to before anything is opened: Preconnection::resolve() (RFC 9622 section 7.3).
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "trellis/path.h"
#include "trellis/result.h"

namespace trellis {

/// Who tells how others see an address of ours (RFC 9622 section 6.1.4: WithStunServer; RFC 8489), over UDP.
struct StunServer {
  Endpoint endpoint{};     ///< a name or an address; port 0: 3478. A name is resolved as a remote endpoint's is
  std::string username{};  ///< long-term credentials; empty: none
  /// Never sent and never logged. With credentials the server is asked for a relayed address too (TURN, RFC 8656).
  std::string password{};
};

/// What a local candidate is (RFC 8445 section 5.1.1).
enum class CandidateKind : std::uint8_t {
  host,              ///< an address of this host
  server_reflexive,  ///< how the STUN server sees one: the outside of a NAT
  relayed,           ///< an address at the TURN server
};
/// The kind as in SDP (RFC 8839 section 5.1): "host", "srflx", "relay".
constexpr std::string_view to_string(CandidateKind kind) noexcept {
  return kind == CandidateKind::host ? "host" : kind == CandidateKind::server_reflexive ? "srflx" : "relay";
}

/// What is kept for a candidate, until its loop ends at most: the UDP port of a host candidate, so that nobody else
/// takes it, or what a TURN server has allocated. The last one who lets go of it gives it up.
class HeldPort {
 public:
  virtual ~HeldPort() = default;
  virtual void release() noexcept = 0;  ///< gives it up now; on its loop's thread
};

/// Where others may reach us.
struct LocalCandidate {
  CandidateKind kind = CandidateKind::host;
  Address address{};                 ///< what to tell the peer
  Address base{};                    ///< the address of this host that it stands for (RFC 8445)
  std::string interface_name{};      ///< "eth0"; empty: routing decides
  Address server{};                  ///< who said so; unset for a host candidate
  std::shared_ptr<HeldPort> held{};  ///< of a reflexive candidate: that of its host candidate
};

/// By which the two sides of a rendezvous know each other (RFC 8445 section 5.3): what each tells the other besides
/// its candidates, by a way that others cannot read.
struct IceCredentials {
  std::string ufrag{};     ///< 4 to 256 letters, digits, + and /
  std::string password{};  ///< 22 to 256 of those; never sent and never logged
  bool operator==(const IceCredentials&) const = default;
};

/// Local and remote endpoints, concrete.
struct Resolved {
  std::vector<LocalCandidate> local{};  ///< host candidates, then reflexive, then relayed ones; paths in their order
  std::vector<Endpoint> remote{};       ///< in the order of the race; each keeps the name that it came from
  /// What was not found: a server that does not answer, or said no; an address that could not be bound. In the order
  /// in which it happened.
  std::vector<Error> trouble{};
  IceCredentials credentials{};  ///< fresh ones of ours, for Preconnection::rendezvous()
};

/// resolve() in progress. Destroying it cancels: nothing is called, and what was bound or allocated is given up.
class [[nodiscard]] Resolving {
 public:
  /// What there is behind it.
  struct State {
    virtual ~State() = default;
  };
  Resolving() = default;
  explicit Resolving(std::unique_ptr<State> state) : state_(std::move(state)) {}

 private:
  std::unique_ptr<State> state_;
};

}  // namespace trellis
