// sim_packet.cc: sizes and names of packets, and the packets that answer others.
#include "loop/sim_packet.h"

#include <cerrno>

#include "loop/sim_address.h"

namespace trellis {

std::size_t SimPacket::header_size(int protocol, Address::Family family) noexcept {
  const std::size_t ip_header = family == Address::Family::ipv6 ? 40 : 20;
  if (has_no_ports(protocol)) return ip_header;
  return ip_header + (protocol == IPPROTO_TCP ? 20 : 8);
}

std::string_view SimPacket::kind() const noexcept {
  if (protocol == IPPROTO_ICMP) {
    switch (icmp.kind) {
      case IcmpError::Kind::refused: return "icmp refused";
      case IcmpError::Kind::unreachable: return "icmp unreachable";
      case IcmpError::Kind::too_big: return "icmp too big";
      case IcmpError::Kind::expired: return "icmp expired";
    }
  }
  if (protocol == IPPROTO_UDPLITE) return "udp-lite";
  if (has_no_ports(protocol)) return "ip";
  if (protocol != IPPROTO_TCP) return "udp";
  if (tcp.rst) return "rst";
  if (tcp.syn) return tcp.has_ack ? "syn-ack" : "syn";
  if (tcp.fin) return "fin";
  if (tcp.probe) return "probe";
  return payload.empty() ? "ack" : "data";
}

bool has_no_ports(int protocol) noexcept {
  return protocol != IPPROTO_TCP && protocol != IPPROTO_UDP && protocol != IPPROTO_UDPLITE && protocol != IPPROTO_ICMP;
}

SimPacket icmp_about(const SimPacket& packet, const Address& reporter, IcmpError::Kind kind, std::uint32_t mtu) {
  SimPacket answer;
  answer.protocol = IPPROTO_ICMP;
  answer.from = with_port(reporter, 0);
  answer.to = with_port(packet.from, 0);
  answer.icmp = {kind, mtu, packet.protocol, packet.from, packet.to};
  return answer;
}

SimPacket reset_of(const SimPacket& segment) {
  SimPacket answer;
  answer.protocol = IPPROTO_TCP;
  answer.from = segment.to;
  answer.to = segment.from;
  answer.tcp.rst = true;
  if (segment.tcp.has_ack) {
    answer.tcp.seq = segment.tcp.ack;
  } else {
    answer.tcp.has_ack = true;
    answer.tcp.ack = segment.tcp.seq + segment.payload.size() + (segment.tcp.syn ? 1 : 0) + (segment.tcp.fin ? 1 : 0);
  }
  return answer;
}

int errno_of(IcmpError::Kind kind) noexcept {
  switch (kind) {
    case IcmpError::Kind::refused: return ECONNREFUSED;
    case IcmpError::Kind::unreachable: return EHOSTUNREACH;
    case IcmpError::Kind::too_big: return EMSGSIZE;
    case IcmpError::Kind::expired: return EHOSTUNREACH;
  }
  return EHOSTUNREACH;
}

}  // namespace trellis
