// datagram_flight.h: the arrays of one sendmmsg() in the making.
#pragma once
#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "loop/socket_address.h"
#include "trellis/buffer.h"

namespace trellis {

/// Where and how one message goes; what is unset is left to the socket.
struct Course {
  Address remote{};            ///< unset: the connected peer
  Address local{};             ///< our address to send from
  std::uint8_t hop_limit = 0;  ///< 0: the socket's
  int traffic_class = -1;      ///< below 0: the socket's
  bool ipv6 = false;           ///< the socket's family
};

/// Messages for one system call, and how much of the batch each of them stands for. About 20 KB, for the stack; only
/// what is used is ever written.
class Flight {
 public:
  static constexpr std::size_t kMessages = 64;
  static constexpr std::size_t kVectors = 256;

  /// Room for one more message of `vectors` pieces of memory.
  bool fits(std::size_t vectors) const noexcept { return count_ < kMessages && used_ + vectors <= kVectors; }
  bool empty() const noexcept { return count_ == 0; }
  /// A message starts. Then come its pieces, then end_message().
  void begin_message(const Course& course) noexcept;
  void add_piece(std::span<const std::byte> bytes) noexcept {
    vectors_[used_++] = {const_cast<std::byte*>(bytes.data()), bytes.size()};
  }
  /// `segment`: the kernel shall cut it into datagrams of this size (GSO); 0: it is one datagram. Once it is sent,
  /// `chunks` chunks are done, or, if that is 0, the first `bytes` bytes of one.
  void end_message(std::uint16_t segment, std::uint32_t chunks, std::uint32_t bytes = 0) noexcept;

  /// One sendmmsg(); its result.
  int send(int descriptor) noexcept;
  /// The first n messages have been sent: takes them from the batch; returns their payload bytes.
  std::size_t settle(std::size_t n, Batch& from) const noexcept;
  /// What one message stands for.
  struct Part {
    std::uint32_t chunks;   ///< whole chunks, or their last bytes
    std::uint32_t bytes;    ///< when that is 0: the first bytes of a chunk
    std::uint16_t segment;  ///< the kernel cuts it into datagrams of this size; 0: it is one
  };
  const Part& first() const noexcept { return parts_[0]; }  ///< of the first message

 private:
  struct alignas(cmsghdr) Control {
    std::byte bytes[160];
  };
  template <class T>
  void note(int level, int type, const T& value) noexcept;
  void note_local(const Course& course) noexcept;

  std::size_t count_ = 0, used_ = 0;
  std::array<mmsghdr, kMessages> messages_;
  std::array<Part, kMessages> parts_;
  std::array<SocketAddress, kMessages> names_;
  std::array<iovec, kVectors> vectors_;
  std::array<Control, kMessages> controls_;
};

}  // namespace trellis
