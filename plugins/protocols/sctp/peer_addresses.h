// peer_addresses.h: the addresses of a host in its INIT or INIT ACK (RFC 9260 sections 3.3.2.1 and 5.1.2). usrsctp
// neither writes nor reads them: it knows peers by keys.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "offer.h"
#include "trellis/address.h"
#include "trellis/result.h"

namespace trellis::sctp {

inline constexpr std::size_t kAddressesMost = 8;  // of each side; of a peer's more the first ones count
/// Bytes that the addresses add to a packet at most, with padding before them.
inline constexpr std::size_t kAddressRoom = 3 + kAddressesMost * 20;

/// The same host, whatever the port.
bool same_host(const Address& a, const Address& b) noexcept;
Address host_of(const Address& address) noexcept;  ///< without its port
bool has_host(std::span<const Address> all, const Address& one) noexcept;
std::string text_of(const Address& address);  ///< without its port
/// Whether a host may be told of this address by, or to, one that is spoken to at `known`: not of a loopback or private
/// one where that is public, and never of a group or a link-local one (RFC 9260 section 5.1.2).
bool may_be_told(const Address& address, const Address& known) noexcept;

/// The address in a parameter "IPv4 Address" or "IPv6 Address". Empty: it is none.
std::optional<Address> read_address(const Item& parameter) noexcept;
/// Such a parameter, behind what is there. An address that is unset is the wildcard of IPv4.
void append_address(std::vector<std::byte>& to, const Address& address);

/// "192.0.2.7 2001:db8::7", as in the option `addresses`. Errors: configuration.
Result<std::vector<Address>> read_addresses(std::string_view text);

/// Those in a packet with an INIT or INIT ACK from a host that is spoken to at `known`; their port is the same.
std::vector<Address> addresses_in(std::span<const std::byte> packet, const Address& known);
/// Appends addresses to a packet with an INIT or INIT ACK alone and seals it: the packet, in `room`. Empty: it is none,
/// or has no room.
std::span<std::byte> with_addresses(std::span<const std::byte> packet, std::span<const Address> addresses,
                                    std::span<std::byte> room) noexcept;

/// What a server learns again from the cookie that it once gave: nothing was kept of the INIT (section 5.1.3).
struct CookieFacts {
  std::uint32_t peer_tag = 0;               ///< that the peer wants to see; 0: there is nothing to be learned
  std::uint32_t peer_tsn = 0, own_tsn = 0;  ///< the first ones
  std::vector<Address> addresses = {};      ///< of the peer
  Offer offer = {};                         ///< of the peer
};
/// Of a packet with a COOKIE ECHO that usrsctp has taken, so that it is its own.
CookieFacts facts_in_cookie(std::span<const std::byte> packet, const Address& known);
/// The same of a packet with an INIT ACK, in which usrsctp gives the cookie away. The addresses are left out.
CookieFacts facts_in_answer(std::span<const std::byte> packet);

}  // namespace trellis::sctp
