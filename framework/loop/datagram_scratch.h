// datagram_scratch.h: where one recvmmsg() puts its datagrams. One per loop and kind, shared by its sockets.
#pragma once
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <memory>

#include "loop/block_pool.h"
#include "loop/socket_address.h"

namespace trellis {

/// What the kernel says beside a datagram.
struct DatagramNotes {
  Address local{};                 ///< our address it was sent to, without port; unset unless asked for
  std::uint8_t ecn = 0;            ///< the two ECN bits
  std::uint16_t segment_size = 0;  ///< >0: several datagrams of this size, joined by GRO
};

/// The arrays of recvmmsg(), kept ready: after a call only the entries that were filled are renewed.
///
/// Without GRO nearly every datagram is smaller than a path's MTU, but any may have up to 65 535 bytes. So each entry
/// has a small block, which moves out when filled, and behind it an overflow of its own in address space of which the
/// kernel touches only what large datagrams need. Nothing is ever truncated, and small datagrams pay nothing for it.
class DatagramScratch {
 public:
  /// `segments`: for sockets with GRO, whose reads are large as a rule: fewer entries with large blocks.
  DatagramScratch(SizeClassPool& pool, bool segments);
  DatagramScratch(const DatagramScratch&) = delete;
  DatagramScratch& operator=(const DatagramScratch&) = delete;
  ~DatagramScratch();

  std::size_t capacity() const noexcept { return count_; }  ///< most messages of one call
  /// One recvmmsg() for at most `most` messages; its result, EINTR excepted.
  int receive(int descriptor, std::size_t most) noexcept;
  /// Of message i of the last receive(): its sender and what came beside it.
  Address sender(std::size_t i) const noexcept { return from_kernel(names_[i]); }
  DatagramNotes notes(std::size_t i) const noexcept;
  /// Of message i of the last receive(), once: its bytes. Renews the entry.
  Slice take(std::size_t i);

 private:
  static constexpr std::size_t kMost = 64;
  static constexpr std::size_t kControlBytes = 128;  // packet info, traffic class and segment size need less
  struct alignas(cmsghdr) Control {
    std::byte bytes[kControlBytes];
  };
  void renew(std::size_t i);

  SizeClassPool& pool_;
  const std::uint32_t block_size_;
  const std::uint32_t copied_;  // datagrams up to here leave their block and move out as a copy in a smaller one
  const std::size_t count_;
  std::byte* overflow_ = nullptr;
  std::array<mmsghdr, kMost> messages_;
  std::array<std::array<iovec, 2>, kMost> vectors_;
  std::array<SocketAddress, kMost> names_;
  std::array<Control, kMost> controls_;
  std::array<Slice, kMost> blocks_;
};

}  // namespace trellis
