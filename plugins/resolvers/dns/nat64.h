// nat64.h: IPv4 addresses inside IPv6 addresses (RFC 6052), and how a host learns the prefix of its network (RFC 7050).
#pragma once
#include <array>
#include <optional>
#include <span>
#include <vector>

#include "trellis/address.h"

namespace trellis::dns {

/// The prefix of a network's NAT64.
struct Nat64Prefix {
  std::array<std::uint8_t, 16> prefix{};  ///< behind `bits` all are zero
  std::uint8_t bits = 96;                 ///< 32, 40, 48, 56, 64 or 96
  bool operator==(const Nat64Prefix&) const = default;
};

/// The name whose IPv4 addresses everybody knows: 192.0.0.170 and 192.0.0.171.
inline constexpr const char* kIpv4OnlyName = "ipv4only.arpa";

/// The IPv6 address for an IPv4 address; none: it must not be made, because no translator could reach it (loopback,
/// link-local, "this network", broadcast; behind the well-known prefix also private addresses: RFC 6052 section 3.1).
std::optional<Address> synthesize(const Nat64Prefix& prefix, const Address& ipv4) noexcept;
/// The IPv4 address inside an IPv6 address of the prefix; none: it is not of the prefix.
std::optional<Address> extract(const Nat64Prefix& prefix, const Address& ipv6) noexcept;
/// The prefixes behind the AAAA answers for kIpv4OnlyName, each once, in their order.
std::vector<Nat64Prefix> find_prefixes(std::span<const Address> answers);

}  // namespace trellis::dns
