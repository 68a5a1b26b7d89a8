// streams.h: a layer with several ports above (QUIC, TCPLS, SCTP). Everything above is made per stream.
//
// Life of a stream: open_stream() or accept_stream() -> data both ways -> each direction ends by finish() or by an
// abort -> host.stream_closed(), after which the port is gone. A stream needs no ready(): while the peer's
// limit does not allow it yet, it has no credit.
//
// A layer that has streams says so by Feature::multistreaming in `adds`, whatever face it offers. It may be the topmost
// layer; a stack can have one of them.
#pragma once
#include "trellis/protocol.h"

namespace trellis {

/// What kind of stream.
struct StreamArgs {
  Face face = Face::bytestream;  ///< one connection may carry several faces: streams next to datagrams
  /// Opening: both, or sending, for which a layer without streams of one direction takes one of both. Accepting: what
  /// this host can do with it.
  Direction direction = Direction::both;
};

/// What the engine does for a multiplexer.
class StreamHost {
 public:
  /// The peer opened a stream: a port that becomes a Connection of the group. Empty: refused, reset it.
  virtual UpperPort accept_stream(const StreamArgs&) noexcept = 0;
  /// The peer ended a direction abruptly: receiving (RESET_STREAM), which fails the Connection, or sending
  /// (STOP_SENDING), after which it can still receive.
  virtual void stream_aborted(UpperPort, Direction, Error) noexcept = 0;
  /// What was pushed still goes up; no call for this port follows.
  virtual void stream_closed(UpperPort) noexcept = 0;

 protected:
  ~StreamHost() = default;
};

/// What a multiplexer does for the engine.
class StreamLayer {
 public:
  /// Opens a stream on a port that the engine made (Connection::clone()).
  virtual Result<void> open_stream(UpperPort, const StreamArgs&) noexcept = 0;
  /// Ends a direction abruptly; what was queued on it is gone already. Also how a Connection that is closed says that
  /// it reads no more (receiving). When both directions have ended, by whatever means, stream_closed() must follow.
  virtual void abort_stream(UpperPort, Direction, std::uint64_t code) noexcept = 0;

 protected:
  ~StreamLayer() = default;
};

}  // namespace trellis
