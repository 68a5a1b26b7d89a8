// source_address.h: where a way out leads to, and which of its addresses speaks to which destination (RFC 6724), by the
// rules of destination_order.h.
#pragma once
#include <span>

#include "core/destination_order.h"
#include "trellis/path.h"

namespace trellis {

/// The most specific route of the path to the address; null: none. A path without known routes leads everywhere: an
/// empty default route is returned for it.
const PathRoute* route_to(const Path& path, const Address& destination) noexcept;
/// The route that the host prefers among those that lead everywhere, by metric; null: there is none.
const PathRoute* default_route(const Path& path) noexcept;

/// The path, of those of one way out, whose address the destination is spoken to from (RFC 6724 section 5); null: none
/// of them can reach it.
const Path* source_for(std::span<const Path> paths, const Address& destination,
                       const AddressSelection& rules = AddressSelection()) noexcept;

}  // namespace trellis
