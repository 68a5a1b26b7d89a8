// sctp_instance.h: one association as a layer over datagrams, with streams above it.
//
// usrsctp does the protocol and says by an upcall that something may have changed; drain() then takes all that it has.
// The sources: sctp_instance.cc life and end, streams.cc the streams, properties.cc; several paths:
// client_paths.cc, server_paths.cc, multihoming.cc; addresses that change: own_changes.cc, peer_changes.cc.
#pragma once
#include <array>
#include <memory>
#include <optional>
#include <vector>

#include "association.h"
#include "offer.h"
#include "packet_ports.h"
#include "packets_out.h"
#include "path_set.h"
#include "reconfiguration.h"
#include "stream.h"
#include "trellis/lowers.h"
#include "trellis/protocol.h"
#include "undecided.h"

namespace trellis::sctp {

// Properties: the association's paths as text, the way out in use and the path preferred, by number; that to whose
// local address the peer shall send; a stream's own.
inline constexpr std::string_view kPaths = "sctp.paths", kPath = "sctp.path", kPrimary = "sctp.primary",
                                  kPeerPrimary = "sctp.peerPrimary", kStreamPath = "sctp.streamPath";

/// The way to a peer of a listener; lives in the acceptor. Several associations of one host may share it (RFC 6951).
class Flow;
struct CookieFacts;

class SctpInstance final : public ProtocolInstance,
                           private StreamLayer,
                           private LowerUser,
                           private PacketSink,
                           private LibraryDriver,
                           private PathSetOwner,
                           private ReconfigurationOwner {
 public:
  /// A client. `settings` outlive it.
  SctpInstance(const Seat& seat, const Settings& settings);
  /// A server, for an association that its acceptor has accepted.
  SctpInstance(const Seat& seat, const Settings& settings, Association accepted, Flow& flow);
  ~SctpInstance() override;

  void open(const OpenArgs&) noexcept override;
  void close(const CloseArgs&) noexcept override;
  void on_up(LowerPort, Batch&) noexcept override;
  void on_down(UpperPort, Batch&) noexcept override;
  void on_credit(UpperPort) noexcept override;
  void on_credit(LowerPort) noexcept override {}  // flush() follows
  void on_deadline() noexcept override;
  void on_wake() noexcept override;
  void flush() noexcept override;
  StreamLayer* streams() noexcept override { return this; }
  LowerUser* lowers() noexcept override { return this; }
  Result<PropertyValue> get(UpperPort, std::string_view name) noexcept override;
  Result<void> set(UpperPort, std::string_view name, const PropertyValue& value) noexcept override;

  Flow* flow() const noexcept { return flow_; }  ///< of a server
  /// The acceptor takes the flow away: nothing is said to the peer any more.
  void part() noexcept;
  void cut_off() noexcept;  ///< nothing more comes from below

  // Of a server whose peer, or which itself, has several addresses, or may have; for the acceptor.
  void know_peer(const CookieFacts& facts, std::span<const std::byte> cookie_echo);
  void expect_paths();
  void expect_changes(const Offer& own, const Offer& peer, std::uint32_t own_tsn, std::uint32_t peer_tsn);
  std::uint32_t own_tag() const noexcept { return own_tag_; }
  /// A packet by one of its paths. False: it is not, or nobody has told of such a path.
  bool take_from(const MessageInfo& from, std::span<const std::byte> packet, std::uint8_t ecn) noexcept;
  /// A packet of the library to its peer, and not to another association there.
  bool sends(std::span<const std::byte> packet) const noexcept { return paths_ && paths_->is_from_us(packet); }
  bool take_packet(std::span<const std::byte> packet, std::uint8_t ecn) noexcept override;

 private:
  enum class Stage : std::uint8_t {
    handshake,
    open,
    closing,    // until the peer has everything and agrees
    lingering,  // over on the wire; the layers above have not taken everything yet
    over,
  };
  void wake_at(TimePoint at) noexcept override;
  void arm() noexcept;
  void leave() noexcept;
  static void stirred(struct socket*, void* self, int) noexcept;
  bool lives() const noexcept { return stage_ == Stage::open || stage_ == Stage::closing; }

  // Life and end
  std::uint32_t packet_bytes() noexcept;
  Result<void> dial(const OpenArgs& args);
  void drain() noexcept;
  void notified(std::span<const std::byte> bytes) noexcept;
  void ran_dry() noexcept;
  void association_changed(const sctp_assoc_change& change) noexcept;
  void established(const sctp_assoc_change& change) noexcept;
  void emit() noexcept;
  void abort_handshake(std::string_view words) noexcept;
  void end(std::optional<Error> error) noexcept;
  void end_if_taken() noexcept;
  void say_end() noexcept;

  // Several paths
  void lower_ready(LowerPort) noexcept override;
  bool lower_failed(LowerPort, const Error&) noexcept override;
  void paths(std::span<const Path>) noexcept override;
  void has_packets(SctpPath&) noexcept override;
  void path_became(const SctpPath&, PathState before) noexcept override;
  void data_moved(const SctpPath& before, bool at_once) noexcept override;
  void say_init() noexcept;
  void take(LowerPort from, SctpPath* path, std::span<const std::byte> packet, std::uint8_t ecn) noexcept;
  void heard_init_ack(std::span<const std::byte> packet);
  std::vector<Address> addresses_to_tell() const;
  void keep_needed(std::vector<Address>& addresses) const;
  bool wish_for(const LowerWish& wish) noexcept;
  void reach_peer_addresses() noexcept;
  void cover_paths() noexcept;
  std::vector<Address> addresses_for(const Address& local) const;
  bool may_come(const Address& local) const noexcept;
  bool belongs(LowerPort port) const noexcept;
  bool join(LowerPort port);
  SctpPath* add_path(const Address& local, const Address& remote);
  SctpPath* path_of(const MessageInfo& from) noexcept;
  void drop_paths() noexcept;
  Result<PropertyValue> get_paths(std::string_view name) const;
  Result<void> set_primary(std::string_view name, const PropertyValue& value) noexcept;
  Result<PropertyValue> get_stream_path(const Stream& s) const;
  Result<void> set_stream_path(const Stream& s, const PropertyValue& value) noexcept;
  SctpPath* path_by(std::string_view name, const PropertyValue& value) const noexcept;
  static Address local_of(LowerPort port) noexcept;
  void check_paths() noexcept;
  void make_paths();
  void let_go(SctpPath& path) noexcept;
  void settle_paths() noexcept;

  // Addresses that change
  bool offers_changes() const noexcept;
  bool wants_too_much(std::span<const std::byte> init_ack);
  void heard_offer(std::span<const std::byte> init_ack);
  bool is_there(const Address& local) const noexcept;
  bool leads_out(const SctpPath& path) const noexcept;
  bool has_way_out() const noexcept;
  bool is_agreed(const Address& local) const noexcept;
  void follow_own_addresses();
  void want(const Address& local);
  void give_up(const Address& local);
  void moved(Change change) noexcept;
  void lose_own(const Address& address) noexcept;
  Cause peer_asks(const AddressRequest&) noexcept override;
  Cause peer_adds(Address address);
  Cause peer_removes(const Address& address) noexcept;
  Cause peer_keeps(const Address& address) noexcept;
  Cause peer_prefers(const Address& address) noexcept;
  template <class F>
  void lose_peer_addresses(F which) noexcept;
  Address local_towards(const Address& remote) const noexcept;
  Address first_remote() const noexcept;
  void peer_answered(const AddressRequest&, Cause) noexcept override;
  Duration send_asconf(std::span<const std::byte> packet, unsigned attempt) noexcept override;
  void send_by_only_path(std::span<const std::byte> packet) noexcept;
  void send_asconf_ack(std::span<const std::byte> packet) noexcept override;
  void peer_is_silent() noexcept override;
  void peer_answers_nothing() noexcept override;
  Address known_address() const noexcept override;
  Result<PropertyValue> get_peer_primary() const;
  Result<void> set_peer_primary(const PropertyValue& value) noexcept;

  // Streams
  Result<void> open_stream(UpperPort, const StreamArgs&) noexcept override;
  void abort_stream(UpperPort, Direction, std::uint64_t code) noexcept override;
  Stream* find(std::uint16_t id) noexcept;
  Stream& add(UpperPort port, std::uint16_t id);
  Stream& stream_of_peer(std::uint16_t id);
  void received(Incoming part) noexcept;
  void hand_up(Stream& s) noexcept;
  bool usable(const Stream& s) const noexcept { return s.id < out_streams_; }
  void refill(Stream& s) noexcept;
  bool send_front(Stream& s, Batch& batch) noexcept;
  bool send_nothing(Stream& s, Batch& batch) noexcept;
  bool send_bytes(Stream& s, Batch& batch, std::size_t bytes, bool end) noexcept;
  std::uint32_t context_for(const Chunk& chunk) noexcept;
  void drop_front(Batch& batch, const Error& why) noexcept;
  Outgoing outgoing(const Stream& s, const Chunk& chunk, bool end) noexcept;
  void restart_timers(Outgoing& how) noexcept;
  void taken(std::size_t bytes) noexcept;
  Duration between_restarts() const noexcept { return std::chrono::milliseconds(settings_.rto_min) / 4; }
  void end_sending(Stream& s) noexcept;
  void streams_were_reset(const sctp_stream_reset_event& event) noexcept;
  void stream_was_reset(Stream& s, std::uint16_t flags) noexcept;
  void reset_again(Stream& s, std::uint16_t flags) noexcept;
  void streams_were_added(const sctp_stream_change_event& event) noexcept;
  void broke_off(std::uint16_t id) noexcept;
  void reconfigure() noexcept;
  void want_streams(std::uint16_t id) noexcept;
  void forget_if_over(Stream& s) noexcept;
  void free_number(std::uint16_t id) noexcept;
  void nobody_reads(Stream& s) noexcept;
  void peer_is_done() noexcept;
  void prioritize(const Stream& s) noexcept;
  Result<void> set_scheduler(const PropertyValue& value) noexcept;

  LayerHost& host_;
  UpperPort first_;
  LowerPort lower_;
  const Settings& settings_;
  Scheduler scheduler_ = settings_.scheduler;
  std::optional<PacketsOut> own_out_;  // of a client
  PeerKey key_ = 0;                    // of a client's server
  PacketPorts expected_;               // of what that sends to us
  Flow* flow_ = nullptr;               // of a server
  Association association_;
  std::vector<std::unique_ptr<Stream>> streams_;  // by number
  std::vector<std::uint16_t> free_ids_;           // a heap: the lowest is used first
  Undecided undecided_;
  Slice room_;                                 // what is received next goes here
  TimePoint filling_since_{}, restarts_at_{};  // see restart_timers()
  std::size_t filled_ = 0;                     // of the library's send buffer since then
  bool fast_ = false;                          // it empties in less time than between restarts
  std::size_t held_ = 0;                       // charge of what the layers above have not asked for
  Stream* sending_ = nullptr;                  // without interleaving: whose message must end before another begins
  std::uint32_t next_id_ = 0;                  // of a stream that we open
  std::uint32_t out_streams_ = 0;              // that we may send on
  std::uint32_t wanted_streams_ = 0;
  std::optional<Error> end_error_;
  std::array<std::byte, kPacketHeader> header_{};  // of a packet to the peer: a client's last one of the handshake
  TimePoint library_at_ = TimePoint::max();        // when the library's timers are to run

  // Several paths
  std::unique_ptr<PathSet> paths_;                       // null: there is one
  std::vector<std::byte> init_;                          // of a client: waits for the addresses that are told with it
  std::vector<Address> own_addresses_, peer_addresses_;  // told in the handshake, or agreed upon since
  std::vector<Path> known_paths_;                        // of this host, best first
  std::vector<std::uint32_t> covered_;                   // of these: those that a lower was wanted from
  std::uint32_t own_tag_ = 0;                            // that the peer's packets have
  unsigned wishes_ = 0;                                  // for lowers, not answered yet

  // Addresses that change
  struct Source {
    Address remote{};
    LowerPort lower{};
    MessageRef to{};  // of a server: back there
  };
  std::unique_ptr<Reconfiguration> reconfiguration_;  // null: they do not
  Source source_;                                     // of the packet that is being taken
  Offer own_offer_;                                   // of a client, with its INIT
  Random own_random_{};                               // of a client
  std::uint32_t own_tsn_ = 0;                         // of a client: the first one
  Address unsaid_local_{};  // a client's in the handshake, where it has not said any; the peer has seen it or its NAT's
  std::vector<Address> added_;     // of this host, by the application
  std::vector<Address> given_up_;  // of this host: there, but not to be added again
  Address home_{};                 // of the primary path that has left: when it comes again, it is primary again
  Address preferred_{};            // of the peer, which wants data there
  Address peer_primary_{};         // of ours, where we want the peer's data
  Stage stage_ = Stage::handshake;
  bool joined_ = false;        // the library counts us
  bool interleaving_ = false;  // agreed with the peer
  bool reconfig_ = false;
  bool blocked_ = false;    // the library takes no data now
  bool stirred_ = false;    // it may have something for us
  bool peer_shut_ = false;  // the peer takes nothing more
  bool hears_dry_ = false;  // it is asked to say when everything has arrived
  bool heard_ = false;      // of the peer
  bool said_init_ = false;  // the addresses are told
  bool paths_are_news_ = false;
  bool withdrawn_ = false;  // what was offered
  bool unsettled_ = false;  // paths leave, or become what is wanted of them
  bool one_path_ = !settings_.multihoming;
  bool advertises_ = settings_.advertise_addresses;  // addresses of other interfaces
};

}  // namespace trellis::sctp
