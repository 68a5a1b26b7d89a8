// socket_address.h: between the contract's Address and the kernel's sockaddr, and addresses as text for messages.
#pragma once
#include <netinet/in.h>
#include <sys/socket.h>

#include <string>

#include "trellis/address.h"

namespace trellis {

/// Room for the address of either family; smaller than sockaddr_storage, because datagrams need one each.
union SocketAddress {
  sockaddr any;
  sockaddr_in ipv4;
  sockaddr_in6 ipv6;
};

/// Fills `out` and returns its length; 0 for an unset address.
socklen_t to_kernel(const Address& address, SocketAddress& out) noexcept;

/// The contract's form; unset when the family is neither IPv4 nor IPv6.
Address from_kernel(const SocketAddress& in) noexcept;

/// AF_INET or AF_INET6; AF_UNSPEC when unset.
int kernel_family(Address::Family family) noexcept;

/// True for 0.0.0.0 and ::, which stand for all addresses of the host.
bool is_wildcard(const Address& address) noexcept;

/// True for fe80::/10, where an address means something only together with an interface.
bool is_link_local(const Address& address) noexcept;

/// "192.0.2.1:443", "[2001:db8::1]:443", "[fe80::1%2]:443", or "no address".
std::string describe(const Address& address);

}  // namespace trellis
