// sim_options.h: the socket options that a simulated kernel knows.
//
// Most are only remembered and given back. Those that change behaviour: SO_SNDBUF, SO_RCVBUF, SO_LINGER, SO_KEEPALIVE
// with TCP_KEEPIDLE, TCP_KEEPINTVL and TCP_KEEPCNT, TCP_NODELAY, TCP_USER_TIMEOUT, TCP_SYNCNT, TCP_MAXSEG,
// TCP_FASTOPEN, TCP_FASTOPEN_CONNECT, IP_TTL, IPV6_UNICAST_HOPS, IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS,
// IP_MTU_DISCOVER, IPV6_MTU_DISCOVER, IPV6_DONTFRAG, IP_RECVERR.
#pragma once
#include <map>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "trellis/address.h"
#include "trellis/clock.h"

namespace trellis {

/// The options of one simulated socket.
class SimOptions {
 public:
  /// What kind of socket they belong to: it decides which options there are.
  SimOptions(int protocol, Address::Family family) noexcept : protocol_(protocol), family_(family) {}

  /// setsockopt(2): 0, or ENOPROTOOPT for an unknown option, or EINVAL for a value of the wrong size.
  int set(int level, int option, std::span<const std::byte> value);
  /// getsockopt(2) of what was set, or of the default; nothing: unknown option.
  std::optional<std::vector<std::byte>> get(int level, int option) const;
  /// A remembered number, or the default.
  int number(int level, int option) const;
  /// A remembered number of this many units.
  template <class Unit>
  Duration span(int level, int option) const {
    return Unit(number(level, option));
  }

 private:
  struct Known;
  static const Known kKnown[];
  const Known* find(int level, int option) const noexcept;

  int protocol_;
  Address::Family family_;
  std::map<std::pair<int, int>, std::vector<std::byte>> values_;
};

/// An option's value from a number or a struct.
template <class T>
std::span<const std::byte> option_value(const T& value) noexcept {
  return std::as_bytes(std::span(&value, 1));
}

}  // namespace trellis
