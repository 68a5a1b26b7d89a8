// preferred_address.h: where a server would rather be spoken to, once it has let a client in (RFC 9000 section 9.6).
#pragma once
#include <ngtcp2/ngtcp2.h>

#include <span>
#include <string_view>
#include <vector>

#include "trellis/address.h"
#include "trellis/result.h"

namespace trellis::quic {

/// "192.0.2.7:443 [2001:db8::7]:443": one of each family at most. Errors: configuration.
Result<std::vector<Address>> read_preferred(std::string_view text);
/// Puts them into what a server tells; its id and token are for the caller to fill in.
void offer_preferred(std::span<const Address> addresses, ngtcp2_preferred_addr& to) noexcept;
/// What a server has told, of this family; empty: nothing.
Address preferred_of(const ngtcp2_preferred_addr& told, Address::Family family) noexcept;

}  // namespace trellis::quic
