// sim_address.h: addresses of simulated hosts: written as literals, and compared.
#pragma once
#include <string_view>

#include "loop/socket_address.h"

namespace trellis {

/// The address of a literal, "10.0.0.1" or "2001:db8::1". Ends the process when it is none: tests write literals.
Address ip(std::string_view literal, std::uint16_t port = 0) noexcept;

/// The same host address, whatever the port, scope and hop limit.
bool same_ip(const Address&, const Address&) noexcept;
/// The same host address and port, whatever the scope and hop limit.
bool same_port(const Address&, const Address&) noexcept;
/// 127.0.0.0/8 or ::1.
bool is_loopback(const Address&) noexcept;
/// The same address with another port.
Address with_port(Address, std::uint16_t port) noexcept;

/// Orders addresses by family, bytes and port, for maps that are walked in a fixed order.
struct AddressLess {
  bool operator()(const Address&, const Address&) const noexcept;
};

}  // namespace trellis
