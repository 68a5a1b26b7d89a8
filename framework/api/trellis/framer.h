// framer.h: messages over a bytestream (RFC 9622 section 9.1.2). The small case of a protocol: two functions, no
// handshake.
#pragma once
#include <memory>
#include <span>
#include <string_view>

#include "trellis/buffer.h"
#include "trellis/option.h"

namespace trellis {

/// The framing of one connection: its two directions are independent of each other.
class Framer {
 public:
  virtual ~Framer() = default;
  /// Called for each part of a message that is sent, in order. `first`: a message begins; `size`: the whole message's
  /// bytes, 0 while unknown (never unknown when Framing::needs_size()). Appends what goes down to `out`; prefers
  /// part.data.prepend() over a new chunk and keeps part.info on all chunks. An Error refuses the message, which then
  /// fails alone; only a `first` part may be refused, or any part when Framing::needs_size().
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
  virtual Result<Piece> parse(std::span<const std::byte> front) noexcept = 0;
};

/// Bytes that a framer may ask to see at once, at most; its headers and delimiter searches must fit.
inline constexpr std::size_t kFramerLookahead = 65536;

/// A framer as one layer of one policy, options already read. Immutable, shared by all loops.
class Framing {
 public:
  virtual ~Framing() = default;
  virtual std::uint16_t headroom() const noexcept { return 0; }      ///< bytes that frame() prepends at most
  virtual std::uint16_t tailroom() const noexcept { return 0; }      ///< bytes that frame() appends at most
  virtual bool needs_size() const noexcept { return false; }         ///< frame() must know the size with the first part
  virtual std::size_t largest() const noexcept { return SIZE_MAX; }  ///< bytes of a message, sent or received, at most
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
