// flight.h: what we have said last in the handshake, to be said again until it is answered (RFC 6347 section 4.2.4).
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "record_header.h"
#include "trellis/buffer.h"

namespace trellis::dtls {

class Flight {
 public:
  static constexpr std::size_t kLeast = 256;  ///< bytes of a datagram below which nothing is cut

  /// Takes records as the library has made them, in place of those of the flight before.
  void take(std::span<const std::byte> records);
  bool empty() const noexcept { return parts_.empty(); }  ///< nothing has been said
  void clear() noexcept { parts_.clear(); }
  /// All of it, in datagrams of at most `most` bytes. Records in clear get the numbers from `next` on, each time new
  /// ones; sealed ones stay as they are, so that nothing is sealed twice.
  std::vector<Slice> pack(BlockPool& pool, std::size_t most, std::uint64_t& next) const;
  /// The number behind the last record that the library has sealed.
  std::uint64_t next_sealed() const noexcept;

 private:
  struct Part {
    RecordHeader header;
    std::vector<std::byte> bytes;  // the content; of a sealed one the whole record
    bool sealed() const noexcept { return header.epoch() > 0; }
  };
  class Packer;
  std::vector<Part> parts_;
};

}  // namespace trellis::dtls
