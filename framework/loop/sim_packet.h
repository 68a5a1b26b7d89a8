// sim_packet.h: what crosses a simulated link: one IP packet with a UDP datagram, a TCP segment, an ICMP error or
// anything else in it.
//
// A TCP sequence number here is the 64-bit place in the stream: the SYN is 0, the first byte is 1, and it never wraps.
#pragma once
#include <netinet/in.h>

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "trellis/address.h"

namespace trellis {

/// The TCP header of a packet.
struct TcpHeader {
  /// What the segment says about TCP fast open (RFC 7413).
  enum class Cookie : std::uint8_t { none, requested, granted, shown };
  std::uint64_t seq = 0;     ///< place of the first byte, or of the SYN or FIN
  std::uint64_t ack = 0;     ///< the next byte expected; means something only with has_ack
  std::uint64_t window = 0;  ///< bytes beyond ack that may be sent
  std::uint32_t mss = 0;     ///< with syn: the largest segment its sender takes
  bool syn = false;
  bool has_ack = false;
  bool fin = false;
  bool rst = false;
  bool probe = false;            ///< asks for an acknowledgement, carries nothing (zero window, keep-alive)
  Cookie cookie = Cookie::none;  ///< with syn
  std::vector<std::pair<std::uint64_t, std::uint64_t>> sacked = {};  ///< ranges [from, to) received beyond ack
};

/// The ICMP error of a packet.
struct IcmpError {
  enum class Kind : std::uint8_t {
    refused,      ///< nobody listens on that port, or for that protocol
    unreachable,  ///< no way to that host
    too_big,      ///< `mtu` is the largest packet that passes
    expired,      ///< it went over too many hops
  };
  Kind kind = Kind::unreachable;
  std::uint32_t mtu = 0;  ///< bytes
  int protocol = 0;       ///< of the packet that was answered
  Address from{};         ///< of the packet that was answered
  Address to{};           ///< of the packet that was answered
};

/// One IP packet.
struct SimPacket {
  static constexpr std::uint8_t kHops = 64;  ///< what a packet starts with, unless its sender says otherwise

  int protocol = IPPROTO_UDP;  ///< IPPROTO_…
  Address from{};              ///< source address and port
  Address to{};                ///< destination address and port
  std::uint8_t hops = kHops;   ///< how many routers may still forward it
  std::uint8_t ecn = 0;        ///< the two ECN bits
  bool may_fragment = false;   ///< IPv4 without DF, or fragmented by its sender: no link is too small for it
  std::vector<std::byte> payload = {};
  TcpHeader tcp = {};   ///< of IPPROTO_TCP
  IcmpError icmp = {};  ///< of IPPROTO_ICMP

  /// Bytes on the wire: with IP and transport headers.
  std::size_t size() const noexcept { return header_size(protocol, from.family) + payload.size(); }
  /// What it is, in a word or two for event logs: "syn", "data", "udp", …
  std::string_view kind() const noexcept;
  /// Bytes that IP and transport headers take.
  static std::size_t header_size(int protocol, Address::Family) noexcept;
};

/// Neither TCP, UDP, UDP-Lite nor ICMP: its packets are for raw sockets, and their ports are 0.
bool has_no_ports(int protocol) noexcept;
/// An ICMP error about `packet`, sent back to where it came from by `reporter`.
SimPacket icmp_about(const SimPacket& packet, const Address& reporter, IcmpError::Kind, std::uint32_t mtu = 0);
/// The RST that answers a segment for which there is no connection (RFC 9293 section 3.5.2).
SimPacket reset_of(const SimPacket& segment);
/// The errno that a socket reports for an ICMP error.
int errno_of(IcmpError::Kind) noexcept;

}  // namespace trellis
