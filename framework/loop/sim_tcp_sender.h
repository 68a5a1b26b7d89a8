// sim_tcp_sender.h: the sending half of a simulated TCP connection: what to send next, and what got lost.
//
// It has no timer and no network: it is told the time, says when it wants to be asked again, and hands out pieces. It
// models what an application can see of a kernel: round-trip time and retransmission timer (RFC 6298 with Linux's
// constants), recovery by selective acknowledgements, slow start and halving on loss, Nagle, zero-window probes.
#pragma once
#include <cstdint>
#include <deque>
#include <optional>
#include <span>

#include "loop/byte_queue.h"
#include "loop/sim_packet.h"
#include "trellis/clock.h"

namespace trellis {

/// Sends a stream of bytes and its end.
class TcpSender {
 public:
  static constexpr Duration kFirstTimeout = std::chrono::seconds(1);             ///< before a round trip was measured
  static constexpr Duration kShortestVariance = std::chrono::milliseconds(200);  ///< Linux's TCP_RTO_MIN
  static constexpr Duration kLongestTimeout = std::chrono::seconds(120);         ///< Linux's TCP_RTO_MAX
  static constexpr unsigned kRetries = 15;                                       ///< Linux's tcp_retries2
  static constexpr std::uint64_t kInitialWindow = 10;                            ///< segments (RFC 6928)
  static constexpr std::uint64_t kReordering = 3;                                ///< later deliveries that mean a loss

  /// What may be sent now.
  struct Piece {
    std::uint64_t seq;
    std::span<const std::byte> bytes;  ///< valid until the next call
    bool fin;
  };
  /// What to do when the deadline has come.
  enum class Timeout : std::uint8_t { not_yet, retransmit, probe, give_up };

  std::size_t capacity = 256 * 1024;  ///< bytes that may wait here, sent or not
  bool no_delay = false;              ///< TCP_NODELAY: small pieces do not wait for acknowledgements
  Duration user_timeout{};            ///< TCP_USER_TIMEOUT; zero: kRetries decide
  unsigned retries = kRetries;        ///< fewer once the application has gone

  /// The application adds bytes; returns how many were taken.
  std::size_t write(std::span<const std::byte>) noexcept;
  void finish() noexcept { finishing_ = true; }  ///< FIN follows the last byte
  std::size_t room() const noexcept { return data_.size() < capacity ? capacity - data_.size() : 0; }  ///< for write()
  bool writable() const noexcept { return room() * 3 >= capacity; }  ///< as poll(2) sees it: a third is free

  /// The handshake is done: the peer expects byte `ack`, takes `window` more, in segments of at most `mss`.
  void start(TimePoint now, std::uint64_t ack, std::uint64_t window, std::uint32_t mss) noexcept;
  void set_mss(std::uint32_t mss) noexcept;     ///< a smaller one repeats what is too large for the path
  void measured(Duration round_trip) noexcept;  ///< a sample of the round-trip time
  /// The next piece; it counts as sent. Nothing: wait.
  std::optional<Piece> next(TimePoint now) noexcept;
  /// The bytes that a SYN carries (fast open); they do not count as sent.
  std::span<const std::byte> early(std::uint32_t mss) const noexcept;
  void on_ack(TimePoint now, const TcpHeader&) noexcept;  ///< an acknowledgement came
  TimePoint deadline() const noexcept;                    ///< when on_deadline() has something to do; max(): never
  Timeout on_deadline(TimePoint now) noexcept;            ///< after retransmit: ask next()

  std::uint64_t next_seq() const noexcept { return next_; }    ///< of the next new byte
  std::uint64_t unacked_seq() const noexcept { return una_; }  ///< of the first byte not acknowledged
  bool all_acked() const noexcept { return una_ == end(); }    ///< the peer has all bytes, and the FIN if asked
  bool fin_acked() const noexcept { return finishing_ && all_acked(); }
  bool outstanding() const noexcept { return !sent_.empty(); }  ///< something is on its way
  std::uint32_t mss() const noexcept { return mss_; }
  std::uint64_t window() const noexcept { return cwnd_; }          ///< congestion window, bytes
  std::uint64_t in_flight() const noexcept { return in_flight_; }  ///< bytes believed to be in the network
  std::uint64_t retransmissions() const noexcept { return retransmissions_; }
  Duration smoothed_rtt() const noexcept { return srtt_; }  ///< zero: not measured yet
  Duration rtt_variance() const noexcept { return rttvar_; }

 private:
  struct Sent {
    std::uint64_t seq;
    std::uint64_t end;    // includes the FIN
    TimePoint first_at;   // when it was sent for the first time
    TimePoint at;         // when it was sent last
    std::uint64_t order;  // counts transmissions
    bool retransmitted = false;
    bool sacked = false;
    bool lost = false;
  };
  std::uint64_t data_end() const noexcept { return una_data_ + data_.size(); }
  std::uint64_t end() const noexcept { return data_end() + (finishing_ ? 1 : 0); }
  Piece piece(const Sent&) const noexcept;
  std::optional<Piece> next_lost(TimePoint now) noexcept;
  std::optional<Piece> next_new(TimePoint now) noexcept;
  bool window_closed() const noexcept;
  bool user_timeout_over(TimePoint now) const noexcept;
  void take_ack(TimePoint now, std::uint64_t ack) noexcept;
  void delivered(TimePoint now, Sent&) noexcept;
  void find_losses() noexcept;
  void mark_lost(Sent&) noexcept;
  void grow(std::uint64_t acked) noexcept;
  Duration timeout() const noexcept;

  ByteQueue data_;              // from una_data_ on
  std::uint64_t una_data_ = 1;  // the first byte in data_
  std::uint64_t una_ = 1;       // the first byte, or the FIN, not acknowledged
  std::uint64_t next_ = 1;      // the next to be sent for the first time
  std::uint64_t limit_ = 1;     // where the peer's window ends
  bool started_ = false;
  bool finishing_ = false;
  std::deque<Sent> sent_;
  std::uint64_t in_flight_ = 0;
  std::uint64_t order_ = 0;
  std::uint64_t delivered_order_ = 0;  // the latest transmission that is known to have arrived
  std::uint64_t retransmissions_ = 0;
  std::uint32_t mss_ = 536;
  std::uint64_t cwnd_ = 0;
  std::uint64_t ssthresh_ = UINT64_MAX;
  std::uint64_t recover_ = 0;  // losses before this place have had their effect on cwnd_
  Duration srtt_{};
  Duration rttvar_{};
  TimePoint waiting_since_{};  // when the retransmission or probe timer was started
  TimePoint heard_{};          // when the last acknowledgement came
  bool probing_ = false;       // the peer's window is closed and there is more to send
  unsigned backoff_ = 0;       // doublings of the timer
  unsigned attempts_ = 0;      // timeouts since the last acknowledgement
};

}  // namespace trellis
