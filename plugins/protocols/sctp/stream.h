// stream.h: one stream in both directions: the pair of SCTP streams with the same number.
#pragma once
#include "receive_queue.h"
#include "trellis/streams.h"

namespace trellis::sctp {

struct Stream {
  UpperPort port{};  ///< empty: nobody takes what comes
  std::uint16_t id = 0;
  std::uint64_t priority = 100;  ///< lower goes first
  ReceiveQueue in{};
  std::uint32_t context = 0;       ///< of the message that is being sent
  bool in_message = false;         ///< a part of a message has been sent, and not its end
  bool skipping = false;           ///< the rest of a message that is not sent
  bool finish = false;             ///< nothing will be sent any more
  bool out_asked = false;          ///< the library was asked to reset the outgoing direction
  bool out_done = false;           ///< the outgoing direction has ended on the wire
  bool in_asked = false;           ///< the peer was asked to end its direction
  std::uint8_t resets_failed = 0;  ///< requests of either kind for which the peer had no time
  bool in_wanted = false;          ///< it shall be asked as soon as possible
  bool in_done = false;            ///< nothing more will come
  bool told_finished = false;      ///< and the layer above knows
  bool deaf = false;               ///< nobody reads
};

}  // namespace trellis::sctp
