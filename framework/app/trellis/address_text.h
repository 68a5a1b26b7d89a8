// address_text.h: addresses as people write them.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "trellis/address.h"

namespace trellis {

/// "127.0.0.1:7000", "[::1]:7000", "[fe80::1%2]:7000"; "(no address)" when unset.
std::string to_text(const Address& address);
/// Reads an address literal, with or without brackets, with a numeric or named scope; none: it is a name.
std::optional<Address> parse_address(std::string_view literal, std::uint16_t port);

}  // namespace trellis
