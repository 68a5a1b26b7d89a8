// reassembly.h: handshake messages out of the pieces in which they come: in any order, more than once, or never
// (RFC 6347 section 4.2.3). The library would do it too, without a limit to what a stranger makes it remember.
#pragma once
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "record_header.h"

namespace trellis::dtls {

class Reassembly {
 public:
  static constexpr std::uint32_t kMessageMost = kFragmentMost - kMessageHeader;  ///< the library gets it in one record
  static constexpr std::size_t kBytesMost = 48 << 10;  ///< of messages that wait for those before them
  static constexpr std::uint16_t kAhead = 8;           ///< messages beyond the next one that may wait
  static constexpr std::size_t kPiecesMost = 64;       ///< of one message, with gaps between them

  /// What a record brought.
  enum class Heard : std::uint8_t { nothing, news, old };
  /// Takes the content of one record. `old`: its sender repeats itself, so it has not heard what we said since.
  Heard add(std::span<const std::byte> record);
  /// Takes the next message in one piece, header included. Empty: it is not complete.
  std::vector<std::byte> next();
  /// The messages before this one need not come any more.
  void begin_at(std::uint16_t sequence) noexcept { next_ = sequence; }

 private:
  /// A message that is not complete, or whose turn has not come.
  struct Partial {
    MessageHeader header;
    std::vector<std::byte> bytes;                   // header and body
    std::map<std::uint32_t, std::uint32_t> pieces;  // begin and end of what is there, apart from each other
    bool complete() const noexcept {
      return header.length == 0 ||
             (pieces.size() == 1 && pieces.begin()->second - pieces.begin()->first == header.length);
    }
  };
  Heard add_piece(const MessageHeader& header, std::span<const std::byte> bytes);
  Partial* partial_of(const MessageHeader& header);
  static bool note(Partial& partial, std::uint32_t begin, std::uint32_t end);

  std::map<std::uint16_t, Partial> partials_;
  std::size_t bytes_ = 0;
  std::uint16_t next_ = 0;
};

}  // namespace trellis::dtls
