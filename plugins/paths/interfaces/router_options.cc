#include "router_options.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace trellis {
namespace {

using Bytes = std::span<const std::byte>;

constexpr std::uint8_t kDnsServers = 25, kSearchDomains = 31, kPref64 = 38;
constexpr std::size_t kUnit = 8;  // bytes, that lengths count in
constexpr std::size_t kRouterServersMost = 16, kRouterDomainsMost = 8;
constexpr std::size_t kDomainBytesMost = 253, kLabelMost = 63;

unsigned byte_at(Bytes bytes, std::size_t at) { return std::to_integer<unsigned>(bytes[at]); }
std::uint32_t seconds_at(Bytes bytes, std::size_t at) {
  return byte_at(bytes, at) << 24 | byte_at(bytes, at + 1) << 16 | byte_at(bytes, at + 2) << 8 | byte_at(bytes, at + 3);
}

// RFC 8781 section 4: 13 bits of lifetime in units of 8 seconds, 3 bits for the length of the prefix, and its highest
// 96 bits (RACE-163).
std::optional<RouterOption> read_pref64(Bytes option) {
  constexpr std::array<std::uint8_t, 6> kBits{96, 64, 56, 48, 40, 32};
  if (option.size() != 2 * kUnit) return std::nullopt;
  const unsigned scaled = byte_at(option, 2) << 8 | byte_at(option, 3);
  const unsigned length = scaled & 7;
  if (length >= kBits.size()) return std::nullopt;
  Nat64Prefix prefix{.bits = kBits[length]};
  std::memcpy(prefix.prefix.data(), option.data() + 4, prefix.bits / 8u);
  return RouterOption{.seconds = (scaled >> 3) * 8, .nat64 = {prefix}};
}

// RFC 8106 section 5.1
std::optional<RouterOption> read_servers(Bytes option) {
  if (option.size() < 3 * kUnit || option.size() % (2 * kUnit) != kUnit) return std::nullopt;
  RouterOption servers{.seconds = seconds_at(option, 4)};
  for (std::size_t at = kUnit; at < option.size() && servers.dns_servers.size() < kRouterServersMost; at += 2 * kUnit) {
    Address& server = servers.dns_servers.emplace_back(Address{.family = Address::Family::ipv6});
    std::memcpy(server.ip.data(), option.data() + at, server.ip.size());
  }
  return servers;
}

// Labels behind each other, a name ends with an empty one (RFC 1035 section 3.1); what is left is filled with zeros.
std::optional<std::string> take_name(Bytes& rest) {
  std::string name;
  while (!rest.empty()) {
    const std::size_t label = byte_at(rest, 0);
    rest = rest.subspan(1);
    if (label == 0) return name;
    if (label > kLabelMost || label > rest.size()) return std::nullopt;
    if (!name.empty()) name += '.';
    for (const std::byte b : rest.first(label)) {
      const char c = static_cast<char>(b);
      const bool fits =
          (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
      if (!fits) return std::nullopt;
      name += c;
    }
    if (name.size() > kDomainBytesMost) return std::nullopt;
    rest = rest.subspan(label);
  }
  return std::nullopt;
}

// RFC 8106 section 5.2
std::optional<RouterOption> read_domains(Bytes option) {
  if (option.size() < 2 * kUnit) return std::nullopt;
  RouterOption domains{.seconds = seconds_at(option, 4)};
  Bytes rest = option.subspan(kUnit);
  while (!rest.empty() && domains.search_domains.size() < kRouterDomainsMost) {
    auto name = take_name(rest);
    if (!name) return std::nullopt;
    if (name->empty()) break;
    domains.search_domains.push_back(std::move(*name));
  }
  if (domains.search_domains.empty()) return std::nullopt;
  return domains;
}

}  // namespace

std::optional<std::vector<RouterOption>> read_router_options(Bytes options) {
  std::vector<RouterOption> found;
  while (!options.empty()) {
    const std::size_t size = options.size() < 2 ? 0 : byte_at(options, 1) * kUnit;
    if (size == 0 || size > options.size()) return std::nullopt;
    const Bytes option = options.first(size);
    const unsigned type = byte_at(option, 0);
    auto read = type == kPref64          ? read_pref64(option)
                : type == kDnsServers    ? read_servers(option)
                : type == kSearchDomains ? read_domains(option)
                                         : std::nullopt;
    if (read) found.push_back(std::move(*read));
    options = options.subspan(size);
  }
  return found;
}

}  // namespace trellis
