// traits.h: what a layer does to a stack, as data. Composition and equivalence read only this.
//
// Traits are claims of the plugin's author; the conformance kit (sdk/conformance) provokes each of them.
#pragma once
#include <cstdint>
#include <initializer_list>
#include <string>

namespace trellis {

/// The shape of data on a port (RFC 9623 section 10: the data unit).
enum class Face : std::uint8_t {
  none,        ///< no such port
  datagram,    ///< whole chunks, each a datagram
  bytestream,  ///< bytes without edges
  message,     ///< messages, perhaps in parts; the last part is marked
};

/// A service that a layer can add to a stack (RFC 9622 section 6.2, RFC 8303).
enum class Feature : std::uint8_t {
  reliability,              ///< what was sent arrives, or the Connection fails
  ordering,                 ///< it arrives in the order in which it was sent
  boundaries,               ///< message edges are kept
  full_integrity_check,     ///< all bytes are covered by a checksum or stronger
  congestion_control,       ///< adapts its rate to the network
  flow_control,             ///< adapts its rate to the receiver
  confidentiality,          ///< only the peer can read it
  peer_authentication,      ///< the peer is who it must be
  forward_secrecy,          ///< later theft of keys does not uncover it
  multistreaming,           ///< several streams on one connection
  per_message_reliability,  ///< msgReliable is honoured
  per_message_order,        ///< msgOrdered is honoured
  partial_delivery,         ///< a message can be received before it is complete
  zero_rtt,                 ///< early data can arrive before the handshake is complete
  path_migration,           ///< survives a change of path
  multipath,                ///< uses several paths at once
  keepalive,                ///< can keep an idle connection alive
  half_close,               ///< one direction can end before the other
  soft_errors,              ///< reports errors that are not fatal, such as ICMP
  duplicate_protection,     ///< nothing arrives twice; without it only safelyReplayable messages are sent (RFC 9623
                            ///< section 5.1.1)
  stream_abort,  ///< the peer can tell the abort of one stream of several from its end; without it the engine
                 ///< aborts the whole when nothing else uses it (RFC 9622 section 10)
};

/// A set of features.
class FeatureSet {
 public:
  constexpr FeatureSet() = default;
  constexpr FeatureSet(std::initializer_list<Feature> list) {
    for (const Feature f : list) bits_ |= bit(f);
  }
  constexpr bool has(Feature f) const { return (bits_ & bit(f)) != 0; }                        ///< f is in it
  constexpr bool contains(FeatureSet o) const { return (o.bits_ & ~bits_) == 0; }              ///< all of o are in it
  constexpr bool intersects(FeatureSet o) const { return (o.bits_ & bits_) != 0; }             ///< any of o is in it
  constexpr bool empty() const { return bits_ == 0; }                                          ///< nothing is in it
  constexpr FeatureSet operator|(FeatureSet o) const { return FeatureSet(bits_ | o.bits_); }   ///< union
  constexpr FeatureSet operator-(FeatureSet o) const { return FeatureSet(bits_ & ~o.bits_); }  ///< difference
  constexpr bool operator==(const FeatureSet&) const = default;

 private:
  explicit constexpr FeatureSet(std::uint64_t bits) : bits_(bits) {}
  static constexpr std::uint64_t bit(Feature f) { return std::uint64_t{1} << static_cast<unsigned>(f); }
  std::uint64_t bits_ = 0;
};

/// How a stack protects what the application sends. Two stacks may race only if these are equal, or if the policy says
/// by name that they are (RFC 9621 section 4.2).
struct SecurityProfile {
  std::string family = {};          ///< "" none, "tls", "quic-tls", "tcpls"
  std::uint16_t version_floor = 0;  ///< the lowest version accepted; 0x0304 is TLS 1.3
  std::string identity = {};        ///< how the peer is authenticated: "webpki", "pinned:<id>", "psk"
  bool operator==(const SecurityProfile&) const = default;
};

/// How a layer behaves in a stack that listens. The topmost layer that is not `no` tells the peers apart; layers above
/// it are made once per peer (passive).
enum class Accepts : std::uint8_t {
  no,                ///< has no acceptor
  over_one_lower,    ///< TCP, UDP, QUIC, SCTP: whatever is below is opened once, unconnected
  over_many_lowers,  ///< TCPLS: each connection accepted below is offered to its acceptor (one loop per listener)
};

/// What one layer does to a stack when it offers a given face. Answered by Protocol::traits(); pure.
struct LayerTraits {
  Face above = Face::bytestream;    ///< offered to the layer above; none: cannot offer the face asked for
  Face below = Face::none;          ///< wanted from the layer below; none: this layer talks to the host
  FeatureSet needs = {};            ///< must hold below
  FeatureSet adds = {};             ///< holds above
  FeatureSet removes = {};          ///< holds below but not above
  FeatureSet switchable = {};       ///< of `adds`: can be turned off at run time
  SecurityProfile security = {};    ///< family empty: passes the profile below through
  std::uint16_t headroom = 0;       ///< bytes that this layer prepends to a chunk at most
  std::uint16_t tailroom = 0;       ///< bytes that it appends at most
  std::uint8_t handshake_rtts = 0;  ///< round trips from open() to ready(), besides those of the layers below
  Accepts accepts = Accepts::no;    ///< whether and how it can listen
  bool multicast = false;           ///< bottom layers: sends to multicast groups, and joins them when it listens to one
  bool segments = false;  ///< handles chunks with segment_size on the datagram port that it shares with a neighbour
  bool one_loop = false;  ///< the library behind it has process-wide state: all its instances on one loop
};

}  // namespace trellis
