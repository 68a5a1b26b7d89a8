// kernel_socket.h: what the plugins over kernel sockets share: socket options, the DSCP of a capacity profile,
// waiting and listening. Compiled into each of them.
#pragma once
#include <netinet/in.h>

#include <algorithm>
#include <format>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "property_name.h"
#include "trellis/executor.h"
#include "trellis/property.h"

namespace trellis {

/// setsockopt with a plain value.
template <class T>
Result<void> set_option(Socket& socket, int level, int option, const T& value) noexcept {
  return socket.set(level, option, std::as_bytes(std::span(&value, 1)));
}

/// getsockopt of a plain value; what the kernel does not write is zero.
template <class T>
Result<T> get_option(Socket& socket, int level, int option) noexcept {
  T value{};
  auto length = socket.get(level, option, std::as_writable_bytes(std::span(&value, 1)));
  if (!length) return fail(std::move(length));
  return value;
}

/// The code point of a profile (RFC 9622 section 8.1.6, RFC 4594, RFC 8622); `usual`: what the policy says.
inline std::uint8_t code_point(CapacityProfile profile, std::uint8_t usual) noexcept {
  switch (profile) {
    case CapacityProfile::of_connection:
    case CapacityProfile::best_effort: return usual;
    case CapacityProfile::scavenger: return 1;                     // LE
    case CapacityProfile::low_latency_interactive: return 34;      // AF41
    case CapacityProfile::low_latency_non_interactive: return 18;  // AF21
    case CapacityProfile::constant_rate_streaming: return 26;      // AF31
    case CapacityProfile::capacity_seeking: return 10;             // AF11
  }
  return usual;
}

/// The profile as the value of a property.
inline std::string word_of(CapacityProfile profile) {
  return std::string(kCapacityProfileWords[static_cast<std::size_t>(profile) - 1]);
}

/// The profile that the value names; an Error says which there are.
inline Result<CapacityProfile> capacity_profile(const PropertyValue& value, const char* layer) {
  const std::string* word = std::get_if<std::string>(&value);
  std::string known;
  for (std::size_t i = 0; i < std::size(kCapacityProfileWords); ++i) {
    const std::string_view name = kCapacityProfileWords[i];
    if (word != nullptr && same_name(*word, name)) return static_cast<CapacityProfile>(i + 1);
    known += (known.empty() ? "\"" : ", \"") + std::string(name) + "\"";
  }
  return fail(Reason::invalid_argument, "connCapacityProfile must be one of " + known, 0, layer);
}

/// Marks what a socket sends. The two low bits of the field are ECN's, which the kernel keeps for TCP.
inline Result<void> set_dscp(Socket& socket, Address::Family family, std::uint8_t dscp) noexcept {
  const int field = dscp << 2;
  if (family == Address::Family::ipv6) return set_option(socket, IPPROTO_IPV6, IPV6_TCLASS, field);
  return set_option(socket, IPPROTO_IP, IP_TOS, field);
}

/// What a property must be, when it was given something else.
inline std::unexpected<Error> wrong_value(std::string_view name, std::string_view expected, const char* layer) {
  return fail(Reason::invalid_argument, std::format("{} must be {}", name, expected), 0, layer);
}

/// What a socket is watched for; asks the socket only when that changes.
class SocketWatch {
 public:
  Result<void> set(Socket& socket, SocketEvents& who, Ready what) noexcept {
    if (begun_ && what == now_) return {};
    begun_ = true;
    now_ = what;
    return socket.watch(who, what);
  }
  /// Another socket is watched from now on.
  void forget() noexcept { *this = {}; }

 private:
  Ready now_ = Ready::none;
  bool begun_ = false;
};

/// Opens what a listener needs: one socket at the address that was asked for, or, where none was, one of each family at
/// the same port, IPv6 first. `open` makes a bound socket: Result<std::unique_ptr<Socket>>(const Address&).
template <class Open>
Result<std::vector<std::unique_ptr<Socket>>> open_listeners(const Address& asked, Open open) {
  std::vector<std::unique_ptr<Socket>> sockets;
  const auto add = [&](const Address& at) -> Result<void> {
    auto socket = open(at);
    if (!socket) return fail(std::move(socket));
    sockets.push_back(std::move(*socket));
    return {};
  };
  Result<void> done;
  if (asked) {
    done = add(asked);
    if (!done) return fail(std::move(done));
    return sockets;
  }
  // The port that the system has chosen for IPv6 may be taken for IPv4: then another one is tried.
  constexpr int kTries = 8;
  for (int i = 0; i < (asked.port == 0 ? kTries : 1); ++i) {
    sockets.clear();
    done = add({.family = Address::Family::ipv6, .port = asked.port});
    const bool no_ipv6 =
        !done && (done.error().reason == Reason::unsupported || done.error().reason == Reason::unreachable);
    if (!done && !no_ipv6) continue;
    const std::uint16_t port = no_ipv6 ? asked.port : sockets.front()->local().port;
    done = add({.family = Address::Family::ipv4, .port = port});
    if (done) return sockets;
  }
  return fail(std::move(done));
}

}  // namespace trellis
