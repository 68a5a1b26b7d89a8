// kernel_socket.h: what the plugins over kernel sockets share: names of properties, socket options, words for addresses,
// the DSCP of a capacity profile, and when to wait for input. Compiled into each of them.
#pragma once
#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "trellis/executor.h"
#include "trellis/property.h"

namespace trellis {

/// Names of properties are compared without case.
inline bool same_name(std::string_view a, std::string_view b) noexcept {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return std::ranges::equal(a, b, [lower](char x, char y) { return lower(x) == lower(y); });
}

/// "192.0.2.1:80" or "[2001:db8::1]:80".
inline std::string to_text(const Address& address) {
  if (!address) return "no address";
  const bool ipv6 = address.family == Address::Family::ipv6;
  std::array<char, INET6_ADDRSTRLEN> text{};
  inet_ntop(ipv6 ? AF_INET6 : AF_INET, address.ip.data(), text.data(), text.size());
  const std::string scope = address.scope != 0 ? "%" + std::to_string(address.scope) : "";
  const std::string host = ipv6 ? "[" + (text.data() + scope) + "]" : text.data();
  return host + ":" + std::to_string(address.port);
}

/// Says what was tried in front of what went wrong: "connect to 127.0.0.1:1: Connection refused".
inline Error trying(std::string_view what, Error error, const char* layer) {
  error.layer = layer;
  error.detail = std::string(what) + ": " + (error.detail.empty() ? std::string(to_string(error.reason)) : error.detail);
  return error;
}

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

/// A capacity profile and its code point (RFC 9622 section 8.1.6, RFC 4594, RFC 8622).
struct CapacityProfile {
  std::string_view name;
  std::uint8_t dscp;
};
inline constexpr CapacityProfile kCapacityProfiles[] = {
    {"Default", 0},                       // stands for what the policy says
    {"Scavenger", 1},                     // LE
    {"Low Latency/Interactive", 34},      // AF41
    {"Low Latency/Non-Interactive", 18},  // AF21
    {"Constant-Rate Streaming", 26},      // AF31
    {"Capacity-Seeking", 10},             // AF11
};

/// The profile that the value names; an Error says which there are.
inline Result<const CapacityProfile*> capacity_profile(const PropertyValue& value, const char* layer) {
  const std::string* word = std::get_if<std::string>(&value);
  std::string known;
  for (const CapacityProfile& profile : kCapacityProfiles) {
    if (word != nullptr && same_name(*word, profile.name)) return &profile;
    known += (known.empty() ? "\"" : ", \"") + std::string(profile.name) + "\"";
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
  return fail(Reason::invalid_argument, std::string(name) + " must be " + std::string(expected), 0, layer);
}

/// What a socket is watched for. Changing that costs a system call, so input stays watched while nobody wants it, until
/// some comes: a reader that asks anew for each message then costs nothing.
class SocketWatch {
 public:
  /// Whether to watch for input. `pending`: some is known to wait in the kernel, so no event is needed to learn it.
  bool input(bool wanted, bool pending) const noexcept {
    return any(now_, Ready::readable) ? wanted || !pending : wanted && !pending;
  }
  Ready now() const noexcept { return now_; }
  /// Watches for just that, and in any case for failures. No-op when it is so already.
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

}  // namespace trellis
