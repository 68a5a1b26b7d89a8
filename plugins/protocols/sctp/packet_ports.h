// packet_ports.h: the two ports at the front of every SCTP packet (RFC 9260 section 3.1). A raw socket brings the
// packets of all ports: those of other associations must not reach the library, which aborts what it does not know.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include "chunks.h"

namespace trellis::sctp {

struct PacketPorts {
  std::uint16_t from = 0;
  std::uint16_t to = 0;
  bool operator==(const PacketPorts&) const = default;
};

/// Of a packet; zeros when it is too short, which no association has.
constexpr PacketPorts ports_of(std::span<const std::byte> packet) noexcept {
  if (packet.size() < 4) return {};
  return {read_16(packet, 0), read_16(packet, 2)};
}

}  // namespace trellis::sctp
