// address.h: a resolved address as a flat value, cheap enough for every datagram. Names are Endpoints (path.h).
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>

namespace trellis {

/// An IP address with a port.
struct Address {
  enum class Family : std::uint8_t { none, ipv4, ipv6 };  ///< none: unset
  Family family = Family::none;                           ///< which of the two, or unset
  std::uint8_t hop_limit = 0;                             ///< TTL or hop limit to send with; 0: the system's default
  std::uint16_t port = 0;                                 ///< host byte order
  std::uint32_t scope = 0;                                ///< interface index of a link-local address
  std::array<std::uint8_t, 16> ip{};                      ///< network byte order; IPv4 in the first four
  bool operator==(const Address&) const = default;
  explicit operator bool() const noexcept { return family != Family::none; }  ///< true when set
};
static_assert(sizeof(Address) == 24, "part of the ABI");

/// Whether it is a group and no host: 224.0.0.0/4 or ff00::/8 (RFC 1112, RFC 4291 section 2.7).
constexpr bool is_multicast(const Address& address) noexcept {
  if (address.family == Address::Family::ipv6) return address.ip[0] == 0xff;
  return address.family == Address::Family::ipv4 && (address.ip[0] & 0xf0) == 0xe0;
}

}  // namespace trellis

/// Lets Address be a key of unordered containers.
template <>
struct std::hash<trellis::Address> {
  std::size_t operator()(const trellis::Address& a) const noexcept {
    std::uint64_t h = 0xcbf29ce484222325u ^ (std::uint64_t{a.port} << 32) ^ a.scope;
    for (const std::uint8_t byte : a.ip) h = (h ^ byte) * 0x100000001b3u;
    return static_cast<std::size_t>(h ^ (h >> 29));
  }
};
