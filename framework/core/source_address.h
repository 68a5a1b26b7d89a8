// source_address.h: which of our addresses speaks to which of theirs (RFC 6724): reachability, scopes, the policy table
// and the rules of source selection, on the addresses of one way out.
#pragma once
#include <cstdint>
#include <span>

#include "trellis/path.h"

namespace trellis {

/// RFC 6724 section 3.1: how far an address counts; 2 link-local, 5 site-local, 14 global. IPv4 included.
unsigned scope_of(const Address& address) noexcept;

/// What the policy table says of an address (RFC 6724 section 2.1).
struct AddressClass {
  std::uint8_t precedence;  // of destinations: higher goes first
  std::uint8_t label;       // source and destination should have the same
};
AddressClass class_of(const Address& address) noexcept;

bool is_loopback_address(const Address& address) noexcept;  // 127.0.0.0/8, ::1
/// Bits in which both begin alike, at most `most`.
unsigned common_prefix(const Address& a, const Address& b, unsigned most) noexcept;

/// The most specific route of the path to the address; null: none. A path without known routes leads everywhere: an
/// empty default route is returned for it.
const PathRoute* route_to(const Path& path, const Address& destination) noexcept;
/// The route that the host prefers among those that lead everywhere, by metric; null: there is none.
const PathRoute* default_route(const Path& path) noexcept;

/// The path, of those of one way out, whose address the destination is spoken to from (RFC 6724 section 5); null: none
/// of them can reach it.
const Path* source_for(std::span<const Path> paths, const Address& destination) noexcept;

}  // namespace trellis
