// preconnection.h: what an application says before it connects or listens (RFC 9622 section 6).
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "trellis/connection.h"
#include "trellis/framework.h"
#include "trellis/listener.h"
#include "trellis/path_rule.h"
#include "trellis/race_report.h"
#include "trellis/rendezvous.h"
#include "trellis/resolved.h"

namespace trellis {

struct Plan;  // core/framework_core.h

/// Endpoints, properties and security parameters of Connections to come. initiate() and listen() copy it: later changes
/// do not touch what they made (IMPL-2, IMPL-7). Used on one thread.
class Preconnection {
 public:
  explicit Preconnection(Framework& framework) : framework_(&framework) {}

  /// Whom to reach, and nobody else; required for initiate(). To a multicast group a Connection only sends and does not
  /// join it (RFC 9622 section 6.1.1); it goes out by interface_name() or the address of local(), else as routing says.
  Preconnection& remote(Endpoint endpoint);
  /// More of them, which offer the same: any may be chosen, and all are candidates of the race, in the order in which
  /// they were added (RFC 9622 sections 6 and 7.3: AddRemote). Those that are known already are ignored. An Endpoint
  /// has one address: several addresses are several Endpoints. Errors, when opening: more than 32; one that is a
  /// service to be looked for (SRV, DNS-SD). Among several, proxies are not used.
  Preconnection& add_remote(std::vector<Endpoint> endpoints);
  /// Our side; port 0: the system chooses. A multicast group is for listen() and
  /// rendezvous(), and needs a port.
  Preconnection& local(Endpoint endpoint);
  /// A multicast group of which only this host is received (RFC 9622 section 6.1.1: WithSingleSourceMulticastGroupIP).
  /// The same as the group alone with the source as remote().
  Preconnection& local(Endpoint group, const Address& source);
  /// Our side is what resolve() has found, on the same loop: Connections and Listeners over UDP go out from the port
  /// that was kept, which the first one to open takes over; over TCP, from the same number. All attempts of a race
  /// share it, and so may other Connections; a Listener shares it with nobody. Keeps the candidate, so it ends before
  /// the loop does. Error, when opening: a relayed one, since no stack speaks TURN.
  Preconnection& local(const LocalCandidate& candidate);
  /// More of them: all are used by rendezvous(), which alone has use for several. Otherwise as local().
  Preconnection& add_local(std::vector<LocalCandidate> candidates);
  /// Belongs to our side: resolve() asks it how others see us (RFC 9622 section 6.1.4: WithStunServer).
  Preconnection& stun_server(StunServer server);
  Preconnection& interface_name(std::string name);  ///< use this interface only
  /// Which ways out may be used and which go first (RFC 9622 sections 6.2.11 to 6.2.13); may be called several times.
  /// It narrows what the policy allows. Needs a policy that finds paths (<paths>): else connecting fails.
  Preconnection& path(PathRule rule);
  Preconnection& family(Address::Family family);  ///< use addresses of this family only; none: both
  Preconnection& profile(std::string_view name);  ///< which policy; default: what the rules of the policies say
  /// Connections with another context share nothing that is cached: neither tickets nor what earlier attempts taught
  /// (RFC 9621 section 4.2.3). Empty: that of the application.
  Preconnection& context(std::string_view name);
  Preconnection& stack(std::string_view layers);  ///< only this stack, top first: "length-prefix/tcp"
  Preconnection& face(Face face);                 ///< what the application sends; none: what the stack offers
  Preconnection& require(Feature feature);        ///< narrows the policy
  Preconnection& prohibit(Feature feature);       ///< narrows the policy
  Preconnection& prefer(Feature feature);         ///< ranks what the policy allows
  Preconnection& avoid(Feature feature);          ///< ranks what the policy allows
  /// Certificates, trust, ALPN, and whether Connections are secured at all. None given: as the policy's stacks are.
  Preconnection& security(std::shared_ptr<const Security> parameters);
  /// Selection properties take a word: set("preserveOrder", std::string("Require")), or Prefer, No Preference, Avoid or
  /// Prohibit (RFC 9622 section 6.2), which are the same as require() to avoid(); of several the last counts.
  /// "direction" and "multipath" have words of their own: kDirectionWords; Disabled, Passive and Active, which is not
  /// private (kMultipath). Words are UTF-8.
  /// All others are set on each new Connection before it is ready. Message properties ("msgPriority") are defaults for
  /// its messages.
  /// "safelyReplayable" also decides about stacks (RFC 9622 section 9.1.3.4): while it is false, which is the default
  /// where the policy does not say otherwise, those that may deliver a message twice, such as UDP, are not used.
  Preconnection& set(std::string_view property, PropertyValue value);
  /// Hears how establishing went, on success and on failure, just before `ready`; of each race, if it took two.
  using RaceOver = std::move_only_function<void(const RaceReport&)>;
  Preconnection& on_race(RaceOver hear);             ///< of every Connection initiated from here
  Preconnection& connect_timeout(Duration timeout);  ///< until ready; default: the policy's

  /// Establishes. Returns at once; destroying the Connection cancels. `ready` is called once, later. `early` may travel
  /// with the first packets if it is safely replayable, else it is sent when ready (RFC 9622: InitiateWithSend).
  [[nodiscard]] Connection initiate(Executor& loop, Connection::Done ready, Message early = {.data = {}, .end = false});
  /// Listens on one loop. With several loops (Executor::loops() > 1) the port is shared: listen once on each.
  ///
  /// A local() that is a multicast group is joined (RFC 9622 section 6.1.1, RFC 9623 section 10.5), on interface_name()
  /// or else where routing leads; of a single-source group, or with the address of a remote(), only that source is
  /// received. There is a Connection for each sender: it only receives, its local endpoint is the group, and those of
  /// one Listener are a group that close_group() ends. The group is left when Listener and Connections are closed. Each
  /// Listener gets everything: do not listen to a group once on each loop. Errors: it cannot be joined; no stack can do
  /// multicast (only those over UDP do, in clear and without handshake).
  [[nodiscard]] Listener listen(Executor& loop, ListenerEvents events);
  /// co_await preconnection.initiate_async(loop): a Connection that is ready.
  auto initiate_async(Executor& loop) {
    auto pending = std::make_shared<Connection>();
    return await_callback<Result<Connection>>(
        [this, &loop, pending](auto resume) {
          *pending = initiate(loop, [pending, resume = std::move(resume)](Result<void> how) mutable {
            if (how)
              resume(Result<Connection>(std::move(*pending)));
            else
              resume(Result<Connection>(std::unexpected(std::move(how).error())));
          });
        },
        [pending] { *pending = {}; });
  }

  /// Early binding (RFC 9622 section 7.3: Resolve): which local endpoints there are, and what the remote ones come to,
  /// so that both sides can tell each other (ICE, RFC 8445). Opens no connection. `done` is called once, later, on the
  /// loop, and may destroy the handle.
  ///
  /// Local: a host candidate for each usable path, that is for each interface, network and address of ours (where the
  /// policy finds no paths: one for each family that routing leads somewhere), each with a UDP port that stays bound as
  /// long as the candidate is kept. Loopback, link-local and deprecated addresses only where local() or
  /// interface_name() ask for them. With a stun_server(), how it sees each of them, and with credentials a relayed
  /// address for each. Duplicates are left out (RFC 8445 section 5.1.3). Only UDP is asked about. Everything is kept
  /// alive as long as its candidate is: the binding of a NAT, and a relayed address, which is given back by one
  /// datagram; if that is lost, the server forgets it within ten minutes. Nothing is sent through a relayed address.
  ///
  /// Candidates end before the loop does. A server that does not answer is waited for 39.5 s (RFC 8489 section 6.2.1):
  /// destroy the handle if that is too long. Errors: what was wished for cannot be, or none of the remote endpoints
  /// that were given has an address. Without any, only local ones are found.
  using ResolveDone = std::move_only_function<void(Result<Resolved>)>;
  Resolving resolve(Executor& loop, ResolveDone done);
  /// co_await preconnection.resolve_async(loop): Result<Resolved>.
  auto resolve_async(Executor& loop) {
    auto pending = std::make_shared<Resolving>();
    return await_callback<Result<Resolved>>(
        [this, &loop, pending](auto resume) { *pending = resolve(loop, std::move(resume)); },
        [pending] { *pending = {}; });
  }

  /// Establishes between two peers who both begin (RFC 9622 section 7.3): listens on the local candidates, add_local(),
  /// and sends to the remote endpoints, add_remote() with addresses, at the same time, over UDP. Events come later, on
  /// the loop; destroying the handle cancels.
  ///
  /// With `how.peer` it is ICE (RFC 8445): pairs of candidates are checked until one works both ways, in the order of
  /// their priorities, and the controlling side chooses. The pair then carries a stack of the policy that stands on udp
  /// itself, or on quic/udp, where the controlling side is the client. Remote endpoints may come later
  /// (Rendezvous::add_remote), and from the checks of the peer. Without credentials nothing is checked: it takes one
  /// local candidate and one remote endpoint, and RendezvousDone comes with the first message of the peer.
  ///
  /// With a multicast group as local() and one as remote() there is no peer to be found: the local group is joined, and
  /// RendezvousDone brings a Connection and a Listener (RendezvousEvents::group_done; RFC 9622 section 6.1.1). Then
  /// `how` says only what is sent first. Errors: a single source, since nobody could answer; a group at one side only.
  ///
  /// Errors (EstablishmentError): candidates, endpoints or credentials that cannot be; no stack over udp; no pair
  /// worked until the connect timeout, with what became of each.
  Rendezvous rendezvous(Executor& loop, RendezvousOptions how, RendezvousEvents events);

  /// What was said, for the framework's own parts.
  struct Wishes {
    Endpoint remote{}, local{};
    std::vector<Endpoint> more_remotes{};  // as good as `remote`
    Address source{};                      // of the group `local`: the only one; unset: any
    StunServer stun{};
    std::shared_ptr<HeldPort> held{};          // the port of `local`: given up when it is to be bound
    std::vector<LocalCandidate> candidates{};  // for rendezvous()
    std::vector<Address> not_from{};           // Connection::remove_local(): without ports
    std::string interface_name{}, profile{}, stack{}, context{};
    bool isolated = false;    // isolateSession
    bool advertises = false;  // advertisesAltaddr
    Address::Family family = Address::Family::none;
    Face face = Face::none;
    Direction direction = Direction::both;
    FeatureSet require{}, prohibit{}, prefer{}, avoid{};
    MessageWishes messages{};
    std::shared_ptr<const Security> security{};
    std::vector<PathRule> paths{};
    std::vector<std::pair<std::string, PropertyValue>> properties{};
    Duration connect_timeout{};
  };

 private:
  Result<std::shared_ptr<const Plan>> plan();
  Framework* framework_;
  Wishes wishes_;
  std::shared_ptr<const Plan> plan_;  // what they come to; null: not known yet
  std::shared_ptr<RaceOver> race_over_;
};

}  // namespace trellis
