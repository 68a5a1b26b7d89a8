// session.h: a TCPLS session: streams above, TCP connections below, one
// handshake (draft-piraux-tcpls-00).
//
// session.cc: life; session_receive.cc: records in; session_send.cc: records out; session_connections.cc: how many
// connections and where; session_join.cc, session_watch.cc, session_loss.cc: what becomes of one.
#pragma once
#include <deque>
#include <memory>
#include <unordered_map>
#include <vector>

#include "connection.h"
#include "extensions.h"
#include "handshake.h"
#include "join.h"
#include "outgoing_record.h"
#include "post_handshake.h"
#include "security/peer_question.h"
#include "settings.h"
#include "stream.h"
#include "tokens.h"
#include "trellis/lowers.h"
#include "trellis/streams.h"

namespace trellis::tcpls {

inline constexpr const char* kLayer = "tcpls";
// Properties that do not reach the whole group.
inline constexpr std::string_view kStreamConnection = "tcpls.streamConnection", kSessionPath = "tcpls.path";

/// What the sessions of one layer of one policy share.
struct Shared {
  explicit Shared(Settings from_options)
      : settings(std::move(from_options)), credentials(settings.tls), join_credentials(settings.join) {}
  const Settings settings;
  mutable tls::CredentialsCache credentials, join_credentials;
};

class Session final : public ProtocolInstance, public StreamLayer, public LowerUser {
 public:
  /// `shared` outlives it. `table`: of the acceptor; null on the client.
  Session(const Seat& seat, const Shared& shared, TokenTable* table);
  ~Session() override;

  void open(const OpenArgs&) noexcept override;
  void close(const CloseArgs&) noexcept override;
  void on_up(LowerPort, Batch&) noexcept override;
  void on_down(UpperPort, Batch&) noexcept override;
  void on_credit(UpperPort) noexcept override;
  void on_credit(LowerPort) noexcept override {}  // flush() follows
  void on_deadline() noexcept override;
  void on_wake() noexcept override;
  void flush() noexcept override;
  Result<PropertyValue> get(UpperPort, std::string_view name) noexcept override;
  Result<void> set(UpperPort, std::string_view name, const PropertyValue& value) noexcept override;

  StreamLayer* streams() noexcept override { return this; }
  Result<void> open_stream(UpperPort, const StreamArgs&) noexcept override;
  void abort_stream(UpperPort, Direction, std::uint64_t code) noexcept override;

  LowerUser* lowers() noexcept override { return this; }
  void lower_ready(LowerPort) noexcept override;
  bool lower_failed(LowerPort, const Error&) noexcept override;
  void paths(std::span<const Path>) noexcept override;

 private:
  friend struct Tampering;  // of tests: a peer that breaks the protocol
  enum class Stage : std::uint8_t {
    handshake,
    asking,  // the application is asked about the peer
    open,
    over,
  };
  using State = Connection::State;

  // The handshake of the first connection
  void feed_handshake(Slice record) noexcept;
  void ask() noexcept;
  void refuse_peer(const Error& why) noexcept;
  void advance_handshake() noexcept;
  Result<void> take_over() noexcept;
  void established() noexcept;
  void send_output() noexcept;

  // Records in
  void take(Connection& c, Slice record) noexcept;
  void open_record(Connection& c, Slice record) noexcept;
  void handshake_message(Connection& c, tls::Opened opened) noexcept;
  void alert(Connection& c, tls::AlertDescription what) noexcept;
  void take_frames(Connection& c, Slice payload, std::uint64_t sequence) noexcept;
  bool take_frame(Connection& c, Frame& frame, bool& at_once) noexcept;
  void take_stream_data(StreamData&& frame, bool& at_once) noexcept;
  void take_ack(const Ack& ack) noexcept;
  void data_acked(const Unacked::Part& data) noexcept;
  void take_token(const NewToken& token) noexcept;
  void take_reset(const ConnectionReset& reset) noexcept;
  void take_plain(Slice payload) noexcept;
  Stream* stream_of_peer(std::uint32_t id) noexcept;
  void deliver(Stream& s) noexcept;
  void peer_said_goodbye(Connection& c) noexcept;
  bool all_said_goodbye() const noexcept;
  void grant_below(Connection& c, std::size_t waiting) noexcept;

  // Records out
  std::size_t stream_window() const noexcept;
  bool takes_more(const Stream& s) const noexcept;
  void refill(Stream& s) noexcept;
  void feed(Stream& s) noexcept;
  void feed_hungry() noexcept;
  bool something_waits() noexcept;
  bool may_send_more() noexcept;
  Connection* pick() noexcept;
  void go_on_over(Connection* c) noexcept;
  bool pack(Connection& c, bool data) noexcept;
  bool pack_plain(Connection& c) noexcept;
  struct Portion {
    std::uint32_t size = 0, own = 0;  // bytes; those of them that the record's own block takes
    bool fin = false;
  };
  static Portion portion(const Stream& s, std::uint32_t room) noexcept;
  std::uint32_t own_size(const Connection& c, bool data) noexcept;
  void put_acks(OutgoingRecord& record) noexcept;
  void put_ack(Connection& c, OutgoingRecord& record) noexcept;
  void put_orphans(Connection& c, OutgoingRecord& record) noexcept;
  void put_data(Connection& c, StreamData&& frame, std::uint64_t place, OutgoingRecord& record) noexcept;
  void put_streams(Connection& c, OutgoingRecord& record, MessageRef& info) noexcept;
  void put_stream(Connection& c, Stream& s, OutgoingRecord& record, MessageRef& info) noexcept;
  enum class Keep : std::uint8_t {
    nothing,   // it asks for no acknowledgement
    sequence,  // nothing in it is worth repeating
    all,
  };
  void seal(Connection& c, OutgoingRecord& record, Keep keep, MessageRef info) noexcept;
  void join_pieces() noexcept;
  void send_acks() noexcept;
  void queue(Stream& s) noexcept;
  void unqueue(Stream& s) noexcept;
  Fifo<Stream*>& queue_of(const Stream& s) noexcept;
  void untie(Connection& c) noexcept;
  void send_tied() noexcept;
  void say_goodbye() noexcept;
  void try_close() noexcept;
  void watch_key() noexcept;
  void end_cleanly() noexcept;

  // Connections
  Connection& add(LowerPort port, State state);
  Connection* by_id(std::uint32_t id) noexcept;
  void join_with_hello(Connection& c, const Slice& record) noexcept;
  void take_join_answer(Connection& c, const Slice& record) noexcept;
  void start_records(Connection& c) noexcept;
  void send_cover(Connection& c, std::uint32_t bytes) noexcept;
  void send_covers() noexcept;
  void push(Connection& c, std::span<const std::uint8_t> bytes) noexcept;
  void join_refused(Connection& c, const Error& why) noexcept;
  void confirm(Connection& c) noexcept;
  void lost(Connection& c, const Error& why, bool still_there) noexcept;
  void left(Connection& c) noexcept;
  void peer_ended(Connection& c) noexcept;
  void release(Connection& c, std::size_t at_most = SIZE_MAX) noexcept;
  void reopen(Connection& c, const Unacked::Record& kept, Slice record) noexcept;
  void keep_connected() noexcept;
  bool wish_for(LowerWish::Purpose purpose, Connection* mark) noexcept;
  std::size_t wanted_connections() const noexcept;
  void let_surplus_go() noexcept;
  void leave(Connection& c) noexcept;
  void end_leaving() noexcept;
  void set_user_timeout(Connection& c) noexcept;
  void tell_user_timeout(Connection& c, Duration time) noexcept;
  TimePoint stalls_at(const Connection& c) const noexcept;
  TimePoint silent_since(const Connection& c) const noexcept;
  void be_patient(Connection& c) noexcept;
  void invite() noexcept;
  void watch_connections() noexcept;
  void leave_dead_paths(std::span<const Path> all) noexcept;
  void move_to_better_path(std::span<const Path> all) noexcept;
  Result<void> migrate(std::uint64_t path) noexcept;
  TimePoint ask_at(const Connection& c) const noexcept;
  void ask_peer(Connection& c) noexcept;
  std::size_t usable() const noexcept;
  void arm() noexcept;

  // Streams
  Stream& adopt(UpperPort port, std::uint32_t id);
  Stream* stream(std::uint32_t id) noexcept;
  void end_if_over(Stream& s) noexcept;
  void everyone_left() noexcept;

  // Properties
  void schedule_by(Scheduler scheduler) noexcept;
  Result<void> tie(Stream& s, std::uint64_t connection) noexcept;
  Result<void> set_time(std::string_view name, const PropertyValue& value) noexcept;
  Duration reconnect_window() const noexcept;

  // The end
  void broken(Error error) noexcept;
  void fail_with(Error error) noexcept;

  TimePoint now() const noexcept { return host_.executor().now(); }
  BlockPool& pool() noexcept { return host_.executor().pool(); }

  LayerHost& host_;
  UpperPort first_upper_;
  LowerPort first_lower_;
  const Shared& shared_;
  const Settings& settings_;
  TokenTable* table_;
  const OpenArgs* args_ = nullptr;
  std::unique_ptr<Extensions> extensions_;
  std::unique_ptr<tls::Handshake> handshake_;  // until nothing needs it any more
  security::PeerQuestion question_;
  std::vector<std::uint8_t> output_;  // of the handshake
  std::shared_ptr<tls::RecordKey> seal_key_, open_key_;
  std::optional<tls::TrafficSecret> sending_;   // to read again what we have sealed
  std::shared_ptr<tls::RecordKey> reopen_key_;  // once that was necessary
  tls::TicketFilter tickets_;
  tls::Agreed agreed_;
  std::string peer_name_ = "the peer";
  std::vector<std::unique_ptr<Connection>> connections_;  // in the order of their ids, but for joins under way
  Connection* in_use_ = nullptr;                          // pinned
  std::size_t turn_ = 0;                                  // round robin
  std::unordered_map<std::uint32_t, std::unique_ptr<Stream>> streams_;
  Stream* recent_ = nullptr;  // was looked up last
  Fifo<Stream*> sendable_, hungry_;
  struct Orphan {
    Frame frame;
    std::uint64_t place = 0;  // of stream data
  };
  std::deque<Orphan> orphans_;          // of connections that are gone
  Batch pieces_, sealed_, ready_data_;  // only inside a call; keep their memory
  ClientTokens tokens_;
  std::uint32_t next_own_ = 0, next_of_peer_ = 0, next_token_ = 1;
  unsigned invited_ = 0;         // tokens that were given and not used
  unsigned invited_lately_ = 0;  // in the second from here on
  TimePoint inviting_since_{}, invite_at_ = TimePoint::max();
  unsigned wishes_ = 0;         // lowers on their way
  unsigned wishes_failed_ = 0;  // in a row
  std::size_t usable_paths_ = 1;
  std::vector<std::string> interfaces_;  // that lead out, best first; empty: not told yet
  bool alone_ = false;                   // the application wants one connection at a time
  Connection migration_;                 // marks the wish of a migration
  Connection kept_;                      // marks the wish for a connection where a race was lost
  std::uint64_t losers_ = 0;             // of the race that we have won, where connections are to join
  std::size_t held_bytes_ = 0, waiting_bytes_ = 0;
  std::uint64_t sent_ = 0;          // bytes of all streams, and what each frame of them may cost the peer
  std::uint64_t acked_before_ = 0;  // all that was sent before this place is acknowledged
  std::size_t window_;
  Scheduler scheduler_;
  Duration keep_alive_ = Duration::max();
  Duration reconnect_;  // how long the session lives without a connection
  TimePoint handshake_by_ = TimePoint::max(), reconnect_by_ = TimePoint::max(), close_by_ = TimePoint::max(),
            goodbye_by_ = TimePoint::max(), wish_after_{};
  TimePoint acknowledged_{};  // when the peer last acknowledged something, on any connection
  TimePoint back_{};          // when it last did so after it had been silent on all of them
  Stage stage_ = Stage::handshake;
  bool server_ = false;
  bool plain_ = false;  // the peer has no TCPLS: TLS with one stream
  bool peer_ended_ = false, closing_ = false;
  bool spent_ = false;  // the key has protected nearly as much as it may
};

}  // namespace trellis::tcpls
