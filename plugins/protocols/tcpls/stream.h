// stream.h: one stream of a session: what waits to be sent, and what was
// received.
#pragma once
#include <optional>

#include "receive_order.h"
#include "trellis/port.h"

namespace trellis::tcpls {

struct Stream {
  UpperPort port;  ///< empty: nobody takes it; it is discarded
  std::uint32_t id = 0;
  // Sending
  Batch unsent;
  std::size_t unsent_bytes = 0;
  std::uint64_t offset = 0;                      ///< of the next byte to send
  bool fin_due = false;                          ///< the end follows what is unsent
  bool out_done = false;                         ///< the end was sent
  bool fin_acked = false;                        ///< and the peer has it
  std::uint64_t acked = 0;                       ///< bytes that the peer has
  bool queued = false;                           ///< waits for its turn to send
  bool hungry = false;                           ///< waits for its turn to take more from the application
  std::optional<std::uint32_t> connection = {};  ///< the only one that carries it, for as long as that works
  // Receiving
  ReceiveOrder order;
  Batch waiting;         ///< in order, and nobody has taken it yet
  bool in_done = false;  ///< its end was told, or nobody wants to hear of it
  bool discard = false;

  bool all_acked() const noexcept { return fin_acked && acked == offset; }
  bool has_something() const noexcept { return !unsent.empty() || (fin_due && !out_done); }
};

}  // namespace trellis::tcpls
