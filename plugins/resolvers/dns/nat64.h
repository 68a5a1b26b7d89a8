// nat64.h: IPv4 addresses inside IPv6 addresses (RFC 6052), and how a host learns the prefix of its network (RFC 7050).
#pragma once
#include <array>
#include <optional>
#include <span>
#include <vector>

#include "trellis/path.h"

namespace trellis::dns {

/// The name whose IPv4 addresses everybody knows: 192.0.0.170 and 192.0.0.171.
inline constexpr const char* kIpv4OnlyName = "ipv4only.arpa";

/// The IPv6 address for an IPv4 address; none: it must not be made, because no translator could reach it (loopback,
/// link-local, "this network", broadcast; behind the well-known prefix also private addresses: RFC 6052 section 3.1).
std::optional<Address> synthesize(const Nat64Prefix& prefix, const Address& ipv4) noexcept;
/// The IPv4 address inside an IPv6 address of the prefix; none: it is not of the prefix.
std::optional<Address> extract(const Nat64Prefix& prefix, const Address& ipv6) noexcept;
/// The IPv4 address inside an IPv6 address of one of the prefixes; none: it is of none of them.
std::optional<Address> original_of(std::span<const Nat64Prefix> prefixes, const Address& address) noexcept;
/// The prefixes behind the AAAA answers for kIpv4OnlyName, each once, in their order.
std::vector<Nat64Prefix> find_prefixes(std::span<const Address> answers);

}  // namespace trellis::dns
