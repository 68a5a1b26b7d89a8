// sim_tcp_connection.h: one TCP connection inside a simulated kernel: handshake, both halves, timers, the end.
//
// What an application can see of Linux is modelled. Simultaneous open, delayed acknowledgements, pacing and urgent data
// are not.
#pragma once
#include "loop/sim_tcp_receiver.h"
#include "loop/sim_tcp_sender.h"
#include "loop/virtual_world.h"

namespace trellis {

class SimInterface;
class SimTcp;
class TcpConnection;

/// Who looks at a connection from above: a socket, or the listener that it waits in.
class TcpUser {
 public:
  /// A passive connection's handshake is done. False: no room; the acknowledgement counts as lost.
  virtual bool admit(TcpConnection&) noexcept = 0;
  /// Something may have become readable, writable or failed. Must not destroy the connection.
  virtual void stirred(TcpConnection&) noexcept = 0;

 protected:
  ~TcpUser() = default;
};

/// What the options of a socket ask of its connection. Zero: the default, or off.
struct TcpSettings {
  std::uint32_t mss = 0;     ///< TCP_MAXSEG: at most this much in a segment
  unsigned syn_retries = 6;  ///< TCP_SYNCNT
  std::uint8_t hops = 0;     ///< IP_TTL
  Duration keep_idle{};      ///< TCP_KEEPIDLE when SO_KEEPALIVE is on; zero: off
  Duration keep_interval{};  ///< TCP_KEEPINTVL
  unsigned keep_count = 0;   ///< TCP_KEEPCNT
};

/// A connection. Whoever destroys it says nothing to the peer; abandon() does.
class TcpConnection {
 public:
  enum class State : std::uint8_t {
    deferred,      ///< fast open: the SYN goes with the first bytes
    syn_sent,      ///< active, unanswered
    syn_received,  ///< passive, our answer is unacknowledged
    open,          ///< data may flow in at least one direction
    time_wait,     ///< both ends have finished, we first
    closed,        ///< over, well or badly
  };
  static constexpr unsigned kSynAckRetries = 5;                                      ///< Linux's tcp_synack_retries
  static constexpr unsigned kOrphanRetries = 8;                                      ///< Linux's tcp_orphan_retries
  static constexpr std::chrono::seconds kFirstSynTimeout = std::chrono::seconds(1);  ///< doubles

  TcpConnection(SimTcp& tcp, const Address& local, const Address& remote, const SimInterface* bound);
  TcpConnection(const TcpConnection&) = delete;
  TcpConnection& operator=(const TcpConnection&) = delete;
  ~TcpConnection();

  TcpUser* user = nullptr;  ///< who looks; null: the application has gone
  TcpSettings settings;
  TcpSender sender;      ///< public for its settings, its facts and write()
  TcpReceiver receiver;  ///< public for its settings and facts; bytes come through read()

  /// Sends the SYN; with fast open and a cookie of this peer, together with the first bytes that are written.
  void connect(bool fast_open) noexcept;
  /// Answers a SYN. fast_open: the listener offers it.
  void answer(const SimPacket& syn, bool fast_open) noexcept;
  void push() noexcept;  ///< after sender.write(): sends what may be sent
  /// Copies the next bytes out, as many as there are.
  std::size_t read(std::span<std::byte> out) noexcept;
  void finish() noexcept;  ///< FIN after the last byte
  /// The application has gone: ends it well, if possible. Precondition: SimTcp keeps it.
  void abandon(bool abruptly) noexcept;
  void settings_changed() noexcept { rearm(); }  ///< after changes of `settings` or `sender`

  void on_segment(SimPacket&&) noexcept;  ///< a segment came for it
  void on_icmp(const IcmpError&) noexcept;

  State state() const noexcept { return state_; }
  bool established() const noexcept;                                ///< has been open and did not fail
  int failure() const noexcept { return failure_; }                 ///< the errno that ended it; 0: none
  bool finishing() const noexcept { return finishing_; }            ///< nothing more can be written
  bool early_accepted() const noexcept { return early_accepted_; }  ///< the peer took the bytes that our SYN carried
  const Address& local() const noexcept { return local_; }
  const Address& remote() const noexcept { return remote_; }

 private:
  struct Timer final : WorldEvent {
    Timer(VirtualWorld& world, TcpConnection& whose) : WorldEvent(world), connection(whose) {}
    void happen() noexcept override { connection.on_timer(); }
    TcpConnection& connection;
  };
  std::uint32_t path_mss() const noexcept;
  SimPacket segment() noexcept;
  int emit(SimPacket&&) noexcept;
  void emit_ack(bool probe = false) noexcept;
  void emit_syn() noexcept;
  bool output() noexcept;
  void in_syn_sent(const SimPacket&) noexcept;
  void on_reset(const SimPacket&) noexcept;
  bool acknowledged(const SimPacket&) noexcept;
  void open(TimePoint now, std::uint64_t ack, std::uint64_t window) noexcept;
  void settle() noexcept;
  void linger() noexcept;
  void close() noexcept;
  void fail(int error) noexcept;
  void send_reset() noexcept;
  void tell() noexcept;
  void on_timer() noexcept;
  void on_handshake_timeout() noexcept;
  void on_keepalive() noexcept;
  TimePoint handshake_deadline() const noexcept;
  TimePoint keepalive_deadline() const noexcept;
  void rearm() noexcept;

  SimTcp& tcp_;
  Address local_;
  Address remote_;
  const SimInterface* bound_;
  Timer timer_;
  State state_ = State::closed;
  int failure_ = 0;
  int soft_error_ = 0;  // an ICMP error that explains a later timeout
  bool finishing_ = false;
  bool finished_first_ = false;  // our FIN went out before the peer's came: TIME_WAIT is ours
  bool passive_ = false;         // it answered a SYN
  bool lingering_ = false;       // it waits for its end without a socket
  bool fast_open_ = false;       // a cookie was asked for, shown or granted
  bool early_accepted_ = false;
  std::uint32_t peer_mss_ = 536;
  TimePoint first_syn_{};
  TimePoint last_syn_{};
  unsigned syns_ = 0;    // SYNs or SYN-ACKs sent
  TimePoint heard_{};    // when the last segment came
  unsigned probes_ = 0;  // keep-alive probes since then
};

}  // namespace trellis
