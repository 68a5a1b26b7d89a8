// property.h: RFC 9622 properties by name. Layers answer what they know; the rest goes to the layer below.
//
// A name that one part asks another for is a constant here. Names are compared without case.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "trellis/clock.h"
#include "trellis/traits.h"

namespace trellis {

/// A property's value, in the basic types of RFC 9622 section 1.1 (API-3): a Boolean; an Integer; a Numeric, which is a
/// Duration where it is a time and an Integer where it is a rate; an Enumeration as its RFC word ("Low
/// Latency/Interactive"), a String in UTF-8. "Disabled" and "Unlimited" are Duration::max() and UINT64_MAX. What is no
/// property's value has a type of its own: IP addresses (Address), Tuples (PathRule, Endpoint), Arrays (std::vector),
/// Sets (FeatureSet).
using PropertyValue = std::variant<bool, std::uint64_t, double, Duration, std::string>;

/// A property that the framework knows; T is the alternative of PropertyValue that it takes.
template <class T>
struct Property {
  std::string_view name;   ///< compared without case
  bool read_only = false;  ///< get only
  bool entangled = true;   ///< shared by the members of a connection group
};

/// Order among the Connections of a group; lower goes first, 100 by default (RFC 9622 section 8.1.2).
inline constexpr Property<std::uint64_t> kConnPriority{"connPriority", false, false};
/// How long data may stay unacknowledged before the Connection fails; Disabled by default (RFC 9622 section 8.1.3, RFC
/// 5482).
inline constexpr Property<Duration> kConnTimeout{"connTimeout"};
/// Idle time after which a keep-alive packet is sent; Disabled by default (RFC 9622 section 8.1.4).
inline constexpr Property<Duration> kKeepAliveTimeout{"keepAliveTimeout"};
/// How the members of a group share (RFC 9622 section 8.1.5).
inline constexpr Property<std::string> kConnScheduler{"connScheduler"};
/// What the traffic is like; sets the DSCP (RFC 9622 section 8.1.6, RFC 4594).
inline constexpr Property<std::string> kConnCapacityProfile{"connCapacityProfile"};
/// Its words, by CapacityProfile without of_connection: kCapacityProfileWords[0] is best_effort.
inline constexpr std::string_view kCapacityProfileWords[] = {
    "Default",
    "Scavenger",
    "Low Latency/Interactive",
    "Low Latency/Non-Interactive",
    "Constant-Rate Streaming",
    "Capacity-Seeking",
};
/// Disabled, Passive or Active: whether several paths may be used; chosen before (RFC 9622 section 6.2.14).
///
/// A privacy note: with Active, and where a connection moves to another path, whoever sees both paths can tell that it
/// is the same user, although no stack has advertised an address of ours (API-132).
inline constexpr Property<std::string> kMultipath{"multipath", true};
/// Whether a stack may tell the peer further addresses of this host, such as those of its other interfaces, so that the
/// connection can go on by them; chosen before, false by default, since whoever hears of them knows the host better
/// (RFC 9622 section 6.2.15). Set by the engine, when it is true, on a layer of a client that is not open yet. What a
/// listener tells is said by whoever runs it, in the options of its policy.
inline constexpr Property<bool> kAdvertisesAltaddr{"advertisesAltaddr", true};
/// What a Connection is used for, by kDirectionWords; Bidirectional by default. Said before: on a Preconnection, or to
/// clone(), else a clone has that of its parent. One direction may be carried by a transport that has both; then the
/// other lies idle. A layer with streams of one direction opens one for Unidirectional Send (RFC 9622 section 6.2.16).
inline constexpr Property<std::string> kDirection{"direction", true, false};
/// Establishing, Established, Closing or Closed (RFC 9622 section 8.1.11.1).
inline constexpr Property<std::string> kConnState{"connState", true, false};
/// Whether something can be sent: false also after the Final message (RFC 9622 section 8.1.11.2).
inline constexpr Property<bool> kCanSend{"canSend", true, false};
/// Whether something can be received: false also after the peer's Final message (RFC 9622 section 8.1.11.2).
inline constexpr Property<bool> kCanReceive{"canReceive", true, false};
/// Handover, Interactive or Aggregate (RFC 9622 section 8.1.7).
inline constexpr Property<std::string> kMultipathPolicy{"multipathPolicy"};
/// How many Connections a group may have (RFC 9622 section 8.1.9).
inline constexpr Property<std::uint64_t> kGroupConnLimit{"groupConnLimit"};
/// New Connections use nothing that others have left in caches, and leave nothing there: tickets,
/// tokens, what earlier attempts taught. Set on a Preconnection; false by default (RFC 9622 section 8.1.10).
inline constexpr Property<bool> kIsolateSession{"isolateSession"};
/// Upper bound of the sending rate in bits per second (RFC 9622 section 8.1.8).
inline constexpr Property<std::uint64_t> kMaxSendRate{"maxSendRate"};
/// What sending should reach at least, in bits per second; Unlimited, the default: nothing is asked. A hint: of a
/// Connection with the capacity profile Constant-Rate Streaming, paths that carried less are tried last (RFC 9622
/// section 8.1.8, RFC 9623 section 4.1.3).
inline constexpr Property<std::uint64_t> kMinSendRate{"minSendRate"};
/// The same of receiving.
inline constexpr Property<std::uint64_t> kMinRecvRate{"minRecvRate"};
/// Least checksum coverage in bytes that a received message must have (RFC 9622 section 8.1.1).
inline constexpr Property<std::uint64_t> kRecvChecksumLen{"recvChecksumLen"};
/// Largest message in bytes that is sent without fragmentation or segmentation (RFC 9622 section 8.1.11.3).
inline constexpr Property<std::uint64_t> kSingularTransmissionMsgMaxLen{"singularTransmissionMsgMaxLen", true};
/// Largest message in bytes that can be sent (RFC 9622 section 8.1.11.4).
inline constexpr Property<std::uint64_t> kSendMsgMaxLen{"sendMsgMaxLen", true};
/// Largest message in bytes that can be received (RFC 9622 section 8.1.11.5).
inline constexpr Property<std::uint64_t> kRecvMsgMaxLen{"recvMsgMaxLen", true};
/// The user timeout to advertise to the peer by the TCP option (RFC 9622 section 8.2.1, RFC 5482).
inline constexpr Property<Duration> kTcpUserTimeoutValue{"tcp.userTimeoutValue"};
/// Whether the TCP user timeout option is used; false by default (RFC 9622 section 8.2.2).
inline constexpr Property<bool> kTcpUserTimeoutEnabled{"tcp.userTimeoutEnabled"};
/// Whether connTimeout may change by the peer's option; true by default (RFC 9622 section 8.2.3).
inline constexpr Property<bool> kTcpUserTimeoutChangeable{"tcp.userTimeoutChangeable"};
/// What is asked for messages that do not say it themselves (RFC 9622 section 9.1.3): set on a Preconnection for all
/// its Connections, or on a Connection, where it stays with that one. The default is in MessageProperties.
inline constexpr Property<Duration> kMsgLifetime{"msgLifetime", false, false};
inline constexpr Property<std::uint64_t> kMsgPriority{"msgPriority", false, false};  ///< section 9.1.3.2
inline constexpr Property<bool> kMsgOrdered{"msgOrdered", false, false};             ///< section 9.1.3.3
/// Section 9.1.3.4. On a Preconnection it also says whether stacks are candidates that may deliver a message twice.
inline constexpr Property<bool> kSafelyReplayable{"safelyReplayable", false, false};
inline constexpr Property<std::uint64_t> kMsgChecksumLen{"msgChecksumLen", false, false};        ///< section 9.1.3.6
inline constexpr Property<bool> kMsgReliable{"msgReliable", false, false};                       ///< section 9.1.3.7
inline constexpr Property<std::string> kMsgCapacityProfile{"msgCapacityProfile", false, false};  ///< section 9.1.3.8
inline constexpr Property<bool> kNoFragmentation{"noFragmentation", false, false};               ///< section 9.1.3.9
inline constexpr Property<bool> kNoSegmentation{"noSegmentation", false, false};                 ///< section 9.1.3.10
/// Name of the interface that the Connection uses; which one it shall be is said before (RFC 9622 section 6.2.11).
inline constexpr Property<std::string> kInterface{"interface", true, false};
/// Provisioning domain that it uses; of an interface of which nothing is known, its name (RFC 9622 section 6.2.12).
inline constexpr Property<std::string> kPvd{"pvd", true, false};
/// Path::id of the path that it uses; 0: routing decides.
inline constexpr Property<std::uint64_t> kPath{"_trellis.path", true, false};
/// Smoothed round-trip time.
inline constexpr Property<Duration> kRoundTripTime{"_trellis.rtt", true};
/// Number of the stream on its multiplexer.
inline constexpr Property<std::uint64_t> kStreamId{"_trellis.streamId", true, false};
/// Set by the engine on the layer with several lowers of a stack that has won a race: how many candidates of the same
/// stack were on their way when it did. A layer that accepts it says that the next lowers which it wants in reserve, or
/// besides the first, may go where those went.
inline constexpr Property<std::uint64_t> kRaceLosers{"_trellis.losers", false, false};
/// Segments that the peer's TCP has not acknowledged.
inline constexpr Property<std::uint64_t> kTcpSegmentsInFlight{"tcp.segmentsInFlight", true};
/// Of a layer on raw sockets: the number of the IP protocol whose packets it carries.
inline constexpr Property<std::uint64_t> kIpProtocol{"ip.protocol", true};

/// How far a property reaches that belongs to one protocol and is set on a Connection (RFC 9622 section 7.4).
enum class Reach : std::uint8_t {
  group,       ///< all Connections of the group have it, and clones get it
  connection,  ///< this one and its clones; such as what is said of one stream
  once,        ///< it is done once, and nobody else has to do it: keys are updated, the connection goes by another path
};

/// Which way data go, as this host sees it: what a Connection is used for, or a direction of its stream.
enum class Direction : std::uint8_t { both, sending, receiving };
/// The words of kDirection, by Direction.
inline constexpr std::string_view kDirectionWords[] = {"Bidirectional", "Unidirectional Send",
                                                       "Unidirectional Receive"};
constexpr bool sends(Direction d) { return d != Direction::receiving; }   ///< this host may send
constexpr bool receives(Direction d) { return d != Direction::sending; }  ///< this host may receive

/// What the application wants, after the policy has been applied to it (RFC 9622 section 6.2).
struct Requirements {
  Face face = Face::message;  ///< the data unit that the application uses
  FeatureSet require;         ///< a stack without one of them is not used
  FeatureSet prohibit;        ///< a stack with one of them that cannot be turned off is not used
  FeatureSet prefer;          ///< ranks stacks
  FeatureSet avoid;           ///< ranks stacks
  bool replayable = false;    ///< false: a stack without Feature::duplicate_protection is not used (safelyReplayable)
};

}  // namespace trellis
