// quic_instance.h: one QUIC connection as a layer over datagrams, with streams above it.
//
// Nothing is sent from within a visit: what is to be said is gathered, and flush() packs it, after all input of the
// turn was seen. The sources: quic_instance.cc life and end, callbacks.cc what the library tells, packets_out.cc
// packing, streams.cc the streams, paths.cc moving to another path, properties.cc.
#pragma once
#include <ngtcp2/ngtcp2.h>

#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "address_tokens.h"
#include "credentials.h"
#include "qlog.h"
#include "replay_guard.h"
#include "security/peer_question.h"
#include "send_schedule.h"
#include "stream.h"
#include "tls_session.h"
#include "trellis/lowers.h"
#include "trellis/protocol.h"
#include "trellis/streams.h"

namespace trellis::quic {

class QuicAcceptor;

/// What the instances of one layer of one policy share.
struct Shared {
  explicit Shared(Settings from_options)
      : settings(std::move(from_options)), credentials(settings), secrets(settings.ticket_key) {}
  const Settings settings;
  mutable CredentialsCache credentials;
  mutable ReplayGuard replays;
  const Secrets secrets;
  const std::string log_directory = Qlog::directory();
};

// Properties that are no state.
inline constexpr std::string_view kKeyUpdateProperty = "quic.keyUpdate", kPathProperty = "quic.path";

class QuicInstance final : public ProtocolInstance, private StreamLayer, private LowerUser {
 public:
  /// A client. `shared` outlives it.
  QuicInstance(const Seat& seat, const Shared& shared);
  /// A server, for what its acceptor has admitted. Its input comes by input().
  QuicInstance(const Seat& seat, const Shared& shared, QuicAcceptor& acceptor, const FirstFlight& first);
  ~QuicInstance() override;

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

  // For the acceptor.
  void input(Chunk&& chunk) noexcept;
  void room() noexcept { host_.wake(); }  ///< the shared port takes datagrams again
  bool waits_for_room = false;            ///< in the acceptor's list
  bool shakes_hands = false;              ///< counted by the acceptor
  std::vector<ConnectionId> ids;          ///< by which the acceptor finds it
  Slice last_words;                       ///< the packet that ended the connection, if we did
  Duration linger() const noexcept;       ///< how long the peer may not have heard them

 private:
  enum class Stage : std::uint8_t {
    handshake,
    asking,  // the application is asked about the peer
    open,
    closing,    // until all that was taken is acknowledged
    lingering,  // over on the wire; the layers above have not taken everything yet
    over,
  };
  friend struct Callbacks;

  // Life
  Result<void> make_connection(const OpenArgs& args);
  Result<void> make_client(const OpenArgs& args, ngtcp2_settings& settings, ngtcp2_transport_params& parameters);
  Result<void> make_server(ngtcp2_settings& settings, ngtcp2_transport_params& parameters);
  void offer_own_address(ngtcp2_transport_params& parameters) noexcept;
  void settle(ngtcp2_settings& settings, ngtcp2_transport_params& parameters) const noexcept;
  ngtcp2_cid new_id() noexcept;
  void write_reset_token(std::uint8_t* token, const ngtcp2_cid& id) noexcept;
  void enroll(const ngtcp2_cid& id);
  void add_first_stream();
  void offer_early() noexcept;
  void log_to(ngtcp2_settings& settings, const ngtcp2_cid& original) noexcept;
  bool begin_again() noexcept;
  void forget_names() noexcept;
  void give_token() noexcept;
  void established() noexcept;
  void ask() noexcept;
  void answered(const Result<void>& answer) noexcept;
  void unanswered() noexcept;
  void refuse_peer(Error error) noexcept;
  void become_ready() noexcept;
  ngtcp2_tstamp now() const noexcept { return nanoseconds(host_.executor().now()); }
  bool speaks() const noexcept { return stage_ != Stage::lingering && stage_ != Stage::over && connection_ != nullptr; }
  // The end
  void library_failed(int error) noexcept;
  void end(std::optional<Error> error) noexcept;
  void say_end() noexcept;
  void end_if_taken() noexcept;
  bool ended_well() const noexcept;
  bool say_goodbye(const ngtcp2_ccerr& why) noexcept;
  void try_goodbye() noexcept;
  void watch_time(ngtcp2_tstamp expiry) noexcept;
  // In
  void read(const Chunk& chunk, const Address& local, const Address& remote) noexcept;
  int stream_data(std::uint32_t flags, std::int64_t id, std::span<const std::uint8_t> bytes, Stream* stream) noexcept;
  int datagram_data(std::uint32_t flags, std::span<const std::uint8_t> bytes) noexcept;
  // Out
  bool write_burst(std::size_t& budget) noexcept;
  ngtcp2_ssize write_packet(std::span<std::uint8_t> out, ngtcp2_path& path, ngtcp2_pkt_info& info) noexcept;
  ngtcp2_ssize write_stream(Stream& s, std::span<std::uint8_t> out, ngtcp2_path& path, ngtcp2_pkt_info& info) noexcept;
  ngtcp2_ssize write_datagram(Stream& s, std::span<std::uint8_t> out, ngtcp2_path& path,
                              ngtcp2_pkt_info& info) noexcept;
  void push(Slice bytes, std::size_t segment, const ngtcp2_path& path, const ngtcp2_pkt_info& info) noexcept;
  const MessageRef& course(const ngtcp2_path& path) noexcept;
  Stream* next_to_send() noexcept;
  void schedule(Stream& s);
  // Paths
  void lower_ready(LowerPort) noexcept override;
  bool lower_failed(LowerPort, const Error&) noexcept override;
  void paths(std::span<const Path>) noexcept override;
  Result<void> may_move() const noexcept;
  Result<void> move_to(std::uint32_t path) noexcept;
  void watch_paths() noexcept;
  void go_where_asked() noexcept;
  void validate_next() noexcept;
  void path_judged(const ngtcp2_path& path, bool good) noexcept;
  void moved() noexcept;
  void stay(const std::string& why) noexcept;
  void peer_moved(const Address& remote) noexcept;
  LowerPort port_of(const ngtcp2_path& path) const noexcept;
  TimePoint path_work_at() const noexcept;
  // Streams
  Result<void> open_stream(UpperPort, const StreamArgs&) noexcept override;
  void abort_stream(UpperPort, Direction, std::uint64_t code) noexcept override;
  Stream& add_stream(UpperPort port, const StreamArgs& args);
  Stream& stream_of_peer(std::int64_t id);
  bool try_to_seat(Stream& s) noexcept;
  bool seat_stream(Stream& s) noexcept;
  void seat_waiting(bool last) noexcept;
  void refuse_stream(Stream& s) noexcept;
  void name_streams() noexcept;
  void stir(Stream& s);
  void hand_up_all() noexcept;
  void hand_up(Stream& s) noexcept;
  void refill(Stream& s) noexcept;
  void consumed(Stream& s, std::size_t bytes) noexcept;
  void forget_if_over(Stream& s) noexcept;
  void take_datagram(Stream& s, Chunk&& chunk);
  void forget(Stream& s) noexcept;
  void early_refused() noexcept;
  bool takes_data() const noexcept { return stage_ == Stage::open || stage_ == Stage::closing || early_; }
  std::size_t datagram_most() const noexcept;
  Duration effective_idle_timeout() const noexcept;

  /// A client's ways down besides the one in use. One after the other: wished, next, in use, last.
  struct Ways {
    LowerPort wish;                         // the engine looks for it
    LowerPort next;                         // it is there, and is tried before it is used
    LowerPort last;                         // was in use: what is on its way still comes
    TimePoint look_at = TimePoint::max();   // for another way
    TimePoint leave_at = TimePoint::max();  // the last one
    std::optional<bool> judged;             // what the library has found out about the next one
    Duration linger{};                      // how long the last one is kept
    unsigned failed = 0;                    // tries in a row
    bool known = false;                     // the engine has told paths before
    bool lost = false;                      // the path in use has gone
    bool trying = false;                    // the library tries the next one
    bool asked = false;                     // by the application, or by the server
    bool server_asks = false;               // to be spoken to elsewhere
  };

  LayerHost& host_;
  UpperPort first_;
  LowerPort lower_;  // in use
  Ways ways_;
  const Shared& shared_;
  QuicAcceptor* acceptor_ = nullptr;  // of a server
  std::optional<FirstFlight> first_flight_;
  std::optional<TlsSession> tls_;
  ngtcp2_conn* connection_ = nullptr;
  const OpenArgs* args_ = nullptr;
  std::optional<Qlog> qlog_;
  std::uint32_t offered_version_ = 0;   // the best one of those that a server has named to us
  std::uint32_t original_version_ = 0;  // with which we began, if we had to begin again
  std::vector<std::unique_ptr<Stream>> streams_;
  std::vector<Stream*> unnamed_;             // beyond the peer's limit, in the order of opening
  std::vector<Stream*> stirred_, stirring_;  // with something for the layer above
  Stream* datagrams_ = nullptr;
  Stream* last_fed_ = nullptr;  // to guess how much follows
  std::size_t input_left_ = 0;  // bytes of the chunk that is being read
  SendSchedule schedule_;
  std::unordered_map<std::uint64_t, MessageRef> tracked_;  // datagrams whose fate somebody waits for
  std::uint64_t datagram_id_ = 0;
  MessageRef course_;      // addresses of what is sent
  MessageRef early_info_;  // of what came as early data
  Batch held_;             // input that waits for open(), or for the application's answer
  security::PeerQuestion question_;
  std::optional<Error> end_error_;
  unsigned seat_rounds_ = 0;  // of a client: how often streams of the peer that nobody takes yet are offered again
  Stage stage_ = Stage::handshake;
  bool server_ = false;
  bool one_path_ = false;   // of a server: its application wants no other path
  bool early_ = false;      // data flows before the handshake is complete
  bool heard_ = false;      // the peer has answered
  bool confirmed_ = false;  // the handshake is (RFC 9001 section 4.1.2)
  bool due_ = false;        // a deadline has passed already: on_wake() sees to it
  bool lost_ = false;       // the peer knows nothing of it any more
  bool draining_ = false;   // the peer has ended it, or we have: nothing is sent any more
};

}  // namespace trellis::quic
