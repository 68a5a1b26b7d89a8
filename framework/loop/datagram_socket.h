// datagram_socket.h: UDP and what looks like it, also packets of another IP protocol.
#pragma once
#include <netinet/in.h>

#include "loop/peer_cache.h"
#include "loop/posix_sockets.h"

namespace trellis {

class Flight;
struct Course;

/// A SOCK_DGRAM or SOCK_RAW socket. Connected: its chunks carry no MessageInfo upwards and need none downwards.
/// Unconnected: every chunk that comes up has its addresses in a MessageInfo that all datagrams of that pair share and
/// nobody may edit.
class DatagramSocket final : public PosixSocket {
 public:
  /// While nothing is wanted it is registered for reading, edge-triggered: room to send would stir once per datagram
  /// that is sent; this stirs at most until the receive buffer is full.
  DatagramSocket(PosixSockets& owner, int descriptor, const SocketSpec& spec) noexcept;

  Result<void> listen(int backlog) noexcept override;
  Result<Accepted> accept() noexcept override;
  Result<Io> receive(Batch& into, std::size_t byte_budget, bool keep_segments) noexcept override;
  Result<Io> send(Batch& from) noexcept override;
  Result<void> finish() noexcept override;
  Result<void> set(int level, int option, std::span<const std::byte> value) noexcept override;
  Address local() const noexcept override;

 private:
  void set_number(int level, int option, int value) noexcept;
  int level() const noexcept { return ipv6_ ? IPPROTO_IPV6 : IPPROTO_IP; }
  // datagram_receive.cc
  void use_gro(bool on) noexcept;
  MessageRef info_of(const Address& remote, Address local);
  // datagram_send.cc
  void forbid_fragments(bool forbid) noexcept;
  Course course_of(const Chunk& chunk) const noexcept;
  void fill(Flight& flight, const Batch& from);
  Result<void> give_up_first(const Flight& flight, int error, Batch& from) noexcept;

  std::unique_ptr<PeerCache> peers_;   // unconnected sockets only
  Address bound_;                      // its port 0: not known yet, or there are none
  std::uint16_t typical_ = 0;          // largest datagram of the last receive()
  std::uint16_t largest_segment_ = 0;  // that the kernel may cut a large send into (GSO); 0: it cannot
  std::uint8_t traffic_class_ = 0;     // the six bits that are not ECN, as set by the layer
  const bool ipv6_;
  const bool raw_;  // there are no ports, and over IPv4 each packet comes with its IP header
  bool gro_ = false;
  bool gro_refused_ = false;
  enum class Fragments : std::uint8_t { allowed, forbidden, forbidden_by_layer };
  Fragments fragments_ = Fragments::allowed;
  int fragments_before_ = 0;  // the option's value before forbid_fragments() changed it
};

}  // namespace trellis
