// stream.h: one stream, or the datagrams of a connection, which look like one from above.
#pragma once
#include "receive_queue.h"
#include "send_queue.h"
#include "trellis/streams.h"

namespace trellis::quic {

inline constexpr std::int64_t kNoId = -1;
inline constexpr std::int64_t kByServer = 1, kUnidirectional = 2;  // bits of an id (RFC 9000 section 2.1). QUIC-35

struct Stream {
  UpperPort port{};  ///< empty: the peer opened it, and nobody was asked yet whether it is taken
  Face face = Face::bytestream;
  std::int64_t id = kNoId;  ///< kNoId: the peer does not allow it yet; datagrams: always
  SendQueue out{};
  ReceiveQueue in{};
  Batch datagrams{};             ///< to be sent
  std::size_t charge = 0;        ///< of `datagrams`
  std::uint64_t priority = 100;  ///< lower goes first
  std::uint64_t turn = 0;        ///< among those of one priority
  std::uint32_t place = 0;       ///< in the table of streams
  bool bidirectional = true;
  bool finish = false;         ///< nothing follows what is in `out`
  bool finish_sent = false;    ///< and the library knows
  bool stopped = false;        ///< nothing can be sent (any more)
  bool peer_finished = false;  ///< nothing follows what is in `in`
  bool told_finished = false;
  bool deaf = false;       ///< nothing is received (any more)
  bool gone = false;       ///< the library has forgotten it: both directions have ended on the wire
  bool announced = false;  ///< the peer has heard of it
  bool blocked = false;    ///< by the peer's window for it
  bool scheduled = false;  ///< in the schedule
  bool stirred = false;    ///< in the list of those with something for the layer above

  bool is_datagrams() const noexcept { return face == Face::datagram; }
  /// Something can be given to the library.
  bool wants_to_send() const noexcept {
    if (is_datagrams()) return !datagrams.empty();
    return id != kNoId && !stopped && !gone && (out.waiting() > 0 || (finish && !finish_sent) || !announced);
  }
  /// All that the layer above has given away has left, at least once.
  bool all_sent() const noexcept {
    return datagrams.empty() && (stopped || (out.waiting() == 0 && finish == finish_sent));
  }
};

}  // namespace trellis::quic
