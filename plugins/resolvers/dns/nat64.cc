#include "nat64.h"

#include <algorithm>

namespace trellis::dns {
namespace {

using Bytes = std::array<std::uint8_t, 16>;

constexpr std::uint8_t kLengths[] = {96, 64, 56, 48, 40, 32};  // the usual one first
constexpr Bytes kWellKnown{0x00, 0x64, 0xff, 0x9b};            // 64:ff9b::/96
constexpr std::size_t kReservedOctet = 8;                      // bits 64 to 71 are zero (RFC 6052 section 2.2)

/// Where the four bytes of the IPv4 address lie behind a prefix.
std::array<std::size_t, 4> places(unsigned bits) noexcept {
  std::array<std::size_t, 4> out{};
  std::size_t at = bits / 8;
  for (std::size_t& place : out) {
    if (at == kReservedOctet) ++at;
    place = at++;
  }
  return out;
}

bool translatable(const Nat64Prefix& prefix, const std::uint8_t* ip) noexcept {
  if (ip[0] == 0 || ip[0] == 127 || (ip[0] == 169 && ip[1] == 254) || ip[0] >= 224) return false;
  const bool is_private = ip[0] == 10 || (ip[0] == 172 && (ip[1] & 0xf0) == 16) || (ip[0] == 192 && ip[1] == 168);
  return !(is_private && prefix.bits == 96 && prefix.prefix == kWellKnown);
}

}  // namespace

std::optional<Address> synthesize(const Nat64Prefix& prefix, const Address& ipv4) noexcept {
  if (ipv4.family != Address::Family::ipv4 || !translatable(prefix, ipv4.ip.data())) return std::nullopt;
  Address address{.family = Address::Family::ipv6, .port = ipv4.port, .ip = prefix.prefix};
  const auto at = places(prefix.bits);
  for (std::size_t i = 0; i < at.size(); ++i) address.ip[at[i]] = ipv4.ip[i];
  return address;
}

std::optional<Address> extract(const Nat64Prefix& prefix, const Address& ipv6) noexcept {
  const std::size_t bytes = prefix.bits / 8u;
  if (ipv6.family != Address::Family::ipv6 ||
      !std::equal(prefix.prefix.begin(), prefix.prefix.begin() + static_cast<std::ptrdiff_t>(bytes), ipv6.ip.begin()))
    return std::nullopt;
  if (prefix.bits < 96 && ipv6.ip[kReservedOctet] != 0) return std::nullopt;
  Address address{.family = Address::Family::ipv4, .port = ipv6.port};
  const auto at = places(prefix.bits);
  for (std::size_t i = 0; i < at.size(); ++i) address.ip[i] = ipv6.ip[at[i]];
  return address;
}

std::optional<Address> original_of(std::span<const Nat64Prefix> prefixes, const Address& address) noexcept {
  for (const Nat64Prefix& prefix : prefixes) {
    if (const auto inside = extract(prefix, address)) return inside;
  }
  return std::nullopt;
}

std::vector<Nat64Prefix> find_prefixes(std::span<const Address> answers) {
  std::vector<Nat64Prefix> found;
  for (const Address& answer : answers) {
    if (answer.family != Address::Family::ipv6) continue;
    for (const std::uint8_t bits : kLengths) {
      Nat64Prefix prefix{.prefix = answer.ip, .bits = bits};
      std::fill(prefix.prefix.begin() + bits / 8, prefix.prefix.end(), std::uint8_t{0});
      const auto inside = extract(prefix, answer);
      const bool known = inside && inside->ip[0] == 192 && inside->ip[1] == 0 && inside->ip[2] == 0 &&
                         (inside->ip[3] == 170 || inside->ip[3] == 171);
      if (!known) continue;
      if (!std::ranges::contains(found, prefix)) found.push_back(prefix);
      break;
    }
  }
  return found;
}

}  // namespace trellis::dns
