// sim_tcp_receiver.h: the receiving half of a simulated TCP connection: puts the stream in order, says what is missing
// and how much more may come.
#pragma once
#include <cstdint>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "loop/byte_queue.h"

namespace trellis {

/// Receives a stream of bytes and its end.
class TcpReceiver {
 public:
  std::size_t capacity = 256 * 1024;  ///< bytes that may wait here for the application

  /// Bytes of a segment that begin at `seq`; `fin`: the stream ends behind them. What is beyond the window is dropped.
  void on_data(std::uint64_t seq, std::span<const std::byte> bytes, bool fin);
  std::span<const std::byte> front(std::size_t most) const noexcept;  ///< the next bytes for the application
  void consume(std::size_t n) { ready_.drop_front(n); }               ///< the application has taken them

  std::size_t available() const noexcept { return ready_.size(); }  ///< bytes for the application
  bool finished() const noexcept { return finished_; }              ///< all bytes and the FIN are here
  std::uint64_t next_seq() const noexcept { return next_; }         ///< to acknowledge: the next byte expected
  /// What to advertise; moves the window's end, in steps worth a segment (RFC 9293 section 3.8.6.2.2).
  std::uint64_t window(std::uint32_t mss) noexcept;
  /// The window has been opened so much by reading that the peer should hear of it.
  bool wants_update(std::uint32_t mss) const noexcept;
  /// Ranges [from, to) that came ahead of what is missing.
  std::vector<std::pair<std::uint64_t, std::uint64_t>> sacked() const;
  bool in_window(std::uint64_t seq) const noexcept { return seq >= next_ && seq <= limit_; }  ///< for RSTs

 private:
  std::uint64_t possible_limit() const noexcept;
  std::uint64_t step(std::uint32_t mss) const noexcept;
  void take_ahead();

  ByteQueue ready_;
  std::map<std::uint64_t, std::vector<std::byte>> ahead_;  // by their first byte
  std::uint64_t next_ = 1;
  std::uint64_t limit_ = 1;  // where the advertised window ends; never moves back
  std::uint64_t fin_at_ = UINT64_MAX;
  bool finished_ = false;
};

}  // namespace trellis
