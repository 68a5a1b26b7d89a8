// wire.h: SCTP packets on a simulated link: what passes is looked at, and others are put beside it.
#pragma once
#include <functional>
#include <optional>
#include <vector>

#include "loop/sim_network.h"
#include "sctp/crc32c.h"

namespace trellis::tests {

/// Types of chunks (RFC 9260 section 3.2).
enum ChunkType : std::uint8_t {
  kData = 0,
  kInit = 1,
  kInitAck = 2,
  kSack = 3,
  kAbort = 6,
  kShutdown = 7,
  kShutdownAck = 8,
  kCookieEcho = 10
};

using Octets = std::vector<std::uint8_t>;

class Wire {
 public:
  /// One direction of it.
  struct Way {
    explicit Way(SimLinkDirection& direction) : link(direction) {}
    SimLinkDirection& link;
    std::optional<SimPacket> first, last;
    std::uint32_t tag = 0;                      ///< that the side at the end of this way expects
    std::vector<int> types{};                   ///< of the first chunk of each packet
    std::function<void(SimPacket&)> look = {};  ///< may change the packet; seal() it again then
    std::function<void()> after = [] {};        ///< a packet has passed
  };
  explicit Wire(SimLink& link) : forth(link.forth()), back(link.back()) {
    forth.link.tap = [this](SimPacket& packet) { return note(forth, back, packet); };
    back.link.tap = [this](SimPacket& packet) { return note(back, forth, packet); };
  }
  ~Wire() {
    forth.link.tap = nullptr;
    back.link.tap = nullptr;
  }
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  /// A packet from the same addresses as others on this way.
  static SimPacket with(const Way& way, const Octets& chunks, std::uint32_t tag) {
    SimPacket packet = *way.last;
    packet.payload.resize(kHeader);
    for (unsigned i = 0; i < 4; ++i) packet.payload[4 + i] = static_cast<std::byte>(tag >> (24 - 8 * i));
    for (const std::uint8_t octet : chunks) packet.payload.push_back(static_cast<std::byte>(octet));
    seal(packet);
    return packet;
  }
  static void put(Way& way, const Octets& chunks) { way.link.inject(with(way, chunks, way.tag)); }
  static void seal(SimPacket& packet) { sctp::seal_packet(packet.payload); }
  static int type(const SimPacket& packet) {
    return packet.payload.size() > kHeader ? std::to_integer<int>(packet.payload[kHeader]) : -1;
  }
  /// An ABORT with a reason in words.
  static Octets abort(std::string_view why) {
    const auto length = static_cast<std::uint8_t>(4 + why.size());
    Octets chunk{kAbort, 0, 0, static_cast<std::uint8_t>(4 + length), 0, 12, 0, length};
    chunk.insert(chunk.end(), why.begin(), why.end());
    chunk.resize((chunk.size() + 3) / 4 * 4);
    return chunk;
  }

  Way forth, back;

 private:
  static constexpr std::size_t kHeader = 12, kTagOfInit = 16;
  static std::uint32_t word(const SimPacket& packet, std::size_t at) {
    std::uint32_t value = 0;
    for (std::size_t i = at; i < at + 4; ++i) value = value << 8 | std::to_integer<std::uint32_t>(packet.payload[i]);
    return value;
  }
  static Verdict note(Way& way, Way& other, SimPacket& packet) {
    if (packet.protocol == IPPROTO_ICMP) return Verdict::pass;
    if (!way.first) way.first = packet;
    way.last = packet;
    way.types.push_back(type(packet));
    if (type(packet) == kInit || type(packet) == kInitAck) other.tag = word(packet, kTagOfInit);
    if (way.look) way.look(packet);
    way.after();
    return Verdict::pass;
  }
};

}  // namespace trellis::tests
