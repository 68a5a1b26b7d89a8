// framer.h: messages over a bytestream, or within messages and datagrams (RFC 9622 section 9.1.2, RFC 9623 section 6).
// The small case of a protocol: two functions, and two more for who talks before or after the application.
#pragma once
#include <memory>
#include <span>
#include <string_view>

#include "trellis/buffer.h"
#include "trellis/option.h"

namespace trellis {

class Framing;
struct OpenArgs;  // protocol.h

/// What a framer may do besides framing. Valid as long as the framer. Called on its loop, within start(), stop(),
/// frame() and parse() only; every call returns at once and calls nothing back. To fail the Connection (IMPL-74,
/// FailConnection) start(), parse() and stop() return an Error.
class FramerHost {
 public:
  /// Bytes of the framer itself for the peer, behind what was framed before (IMPL-70, IMPL-71). Over messages and
  /// datagrams: one of them. A Connection fails on which more than kFramerOwnMost bytes of them wait for the peer.
  virtual void send(Chunk&& own) noexcept = 0;
  /// A message, or a part of one, of the framer itself for the application, before what the piece delivers that parse()
  /// returns (IMPL-83, Deliver). Before ready() it waits, kFramerOwnMost bytes at most.
  virtual void deliver(Chunk&& own) noexcept = 0;
  /// Adds a value, under the framer's name, to what is delivered next; it comes with the first part of the message that
  /// the application receives (API-204, FramerMetadata).
  virtual void annotate(std::string_view key, PropertyValue value) noexcept = 0;
  /// Set-up is done: the layer above may open (IMPL-72, MakeConnectionReady).
  virtual void ready() noexcept = 0;
  /// After stop(): nothing more is to be said or awaited (IMPL-73, MakeConnectionClosed).
  virtual void closed() noexcept = 0;
  /// The framer is not asked any more, and what is sent and received passes as it is: to the peer from the next message
  /// on, from the peer behind the piece that parse() returns (IMPL-76, StartPassthrough). A framing that makes messages
  /// of a bytestream then gives out what remains of it as one message.
  virtual void pass_through() noexcept = 0;
  /// Puts another framing above this one, between it and what is above it already, before ready() (IMPL-75,
  /// PrependFramer). It opens when this one is ready. `name` is what errors and metadata call it; `other` outlives the
  /// Connection: usually it belongs to this framer's own Framing. Errors: after ready(), a second time, or where the
  /// faces of both differ (Framing::above).
  virtual Result<void> prepend(std::string_view name, const Framing& other) noexcept = 0;

 protected:
  ~FramerHost() = default;
};

/// Bytes of a framer itself that may wait, in each direction.
inline constexpr std::size_t kFramerOwnMost = 65536;

/// The framing of one connection: its two directions are independent of each other, unless it makes them meet.
class Framer {
 public:
  virtual ~Framer() = default;
  /// Called for each part of a message that is sent, in order. `first`: a message begins; `size`: the whole message's
  /// bytes, 0 while unknown (never unknown when Framing::needs_size()). Appends what goes down to `out`; prefers
  /// part.data.prepend() over a new chunk and keeps part.info on all chunks. An Error refuses the message, which then
  /// fails alone; only a `first` part may be refused, or any part when Framing::needs_size(). What the sender wants to
  /// tell this framer is in part.info->metadata.
  virtual Result<void> frame(Chunk part, bool first, std::size_t size, Batch& out) noexcept = 0;

  /// What to do with the bytes at the front: drop `skip`, then deliver `deliver` bytes, which need not have arrived
  /// yet, so that a message larger than any window flows; `end`: the message ends behind them.
  struct Piece {
    std::size_t skip = 0;     ///< bytes to drop
    std::size_t deliver = 0;  ///< bytes of the message behind them
    bool end = false;         ///< the message ends behind those
  };
  /// Called at every piece's end with what has arrived, at least 1 byte; after "need more" again when more came, up to
  /// kFramerLookahead. All zero and not end: need more. An Error ends the connection (protocol_violation).
  ///
  /// Before ready() what it delivers waits, so a handshake consists of pieces that only skip. Over messages and
  /// datagrams it sees one of them at a time, which may hold several messages: one that is not complete at its end is
  /// an error, and of a datagram the rest is dropped then (soft_error). Between stop() and closed() the application has
  /// gone: what is delivered is dropped.
  virtual Result<Piece> parse(std::span<const std::byte> front) noexcept = 0;

  /// The connection below can be used (IMPL-70, Start): talks to the peer before the application does, or says that it
  /// is ready. Called once, for each candidate of a race anew, on both sides (`args.passive`). A framer that waits for
  /// an answer keeps `host` and says ready() from parse(). An Error refuses this candidate; the race goes on.
  virtual Result<void> start(FramerHost& host, const OpenArgs& /*args*/) noexcept {
    host.ready();
    return {};
  }
  /// The application sends nothing more (IMPL-71, Stop): before the end, or before the half-close, of the layer below.
  /// Called once, after the last message was framed, unless the Connection is aborted, fails or passes through. Who
  /// waits for an answer says closed() from parse(); without it closing goes on after kFramerStopPatience, or when the
  /// peer ends.
  virtual Result<void> stop(FramerHost& host) noexcept {
    host.closed();
    return {};
  }
};

/// Bytes that a framer may ask to see at once, at most; its headers and delimiter searches must fit.
inline constexpr std::size_t kFramerLookahead = 65536;
/// How long a peer that connected to us is waited for between Framer::start() and FramerHost::ready(); who connects has
/// the timeout of the Connection.
inline constexpr Duration kFramerStartPatience = std::chrono::seconds(10);
/// How long a peer is waited for between Framer::stop() and FramerHost::closed().
inline constexpr Duration kFramerStopPatience = std::chrono::seconds(5);

/// A framer as one layer of one policy, options already read. Immutable, shared by all loops.
class Framing {
 public:
  virtual ~Framing() = default;
  virtual std::uint16_t headroom() const noexcept { return 0; }      ///< bytes that frame() prepends at most
  virtual std::uint16_t tailroom() const noexcept { return 0; }      ///< bytes that frame() appends at most
  virtual bool needs_size() const noexcept { return false; }         ///< frame() must know the size with the first part
  virtual std::size_t largest() const noexcept { return SIZE_MAX; }  ///< bytes of a message, sent or received, at most
  /// What it offers: messages, or, when it only talks before or after the application or recodes bytes, the bytestream
  /// that it stands on: then the whole direction is one message without an end.
  virtual Face above() const noexcept { return Face::message; }
  /// What must hold below it on messages and datagrams; a bytestream has reliability and ordering always.
  virtual FeatureSet needs() const noexcept { return {}; }
  virtual std::uint8_t handshake_rtts() const noexcept { return 0; }    ///< round trips from start() to ready()
  virtual std::unique_ptr<Framer> make(BlockPool&) const noexcept = 0;  ///< for one connection, on its loop
};

/// What a framer plugin registers.
class FramerKind {
 public:
  virtual ~FramerKind() = default;
  virtual std::string_view name() const noexcept = 0;                          ///< as in provides and policies
  virtual std::span<const OptionSpec> options() const noexcept { return {}; }  ///< its settings
  /// Called once per policy layer at load.
  virtual Result<std::unique_ptr<Framing>> configure(const Options&) const noexcept = 0;
};

}  // namespace trellis
