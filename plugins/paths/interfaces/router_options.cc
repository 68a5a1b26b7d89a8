#include "router_options.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <expected>
#include <format>
#include <optional>

namespace trellis {
namespace {

using Bytes = std::span<const std::byte>;

constexpr std::uint8_t kDnsServers = 25, kSearchDomains = 31, kPref64 = 38;
constexpr std::size_t kUnit = 8;  // bytes, that lengths count in
constexpr std::size_t kRouterServersMost = 16, kRouterDomainsMost = 8;
constexpr std::size_t kDomainBytesMost = 253, kLabelMost = 63;

using Read = std::expected<RouterOption, std::string>;  // or what is wrong with it

std::unexpected<std::string> wrong(const char* option, const std::string& found) {
  return std::unexpected(std::string(option) + ": found " + found);
}
std::string size_text(Bytes option) { return std::to_string(option.size()) + " bytes"; }

unsigned byte_at(Bytes bytes, std::size_t at) { return std::to_integer<unsigned>(bytes[at]); }
std::uint32_t seconds_at(Bytes bytes, std::size_t at) {
  return byte_at(bytes, at) << 24 | byte_at(bytes, at + 1) << 16 | byte_at(bytes, at + 2) << 8 | byte_at(bytes, at + 3);
}

// RFC 8781 section 4: 13 bits of lifetime in units of 8 seconds, 3 bits for the length of the prefix, and its highest
// 96 bits (RACE-163).
Read read_pref64(Bytes option) {
  constexpr std::array<std::uint8_t, 6> kBits{96, 64, 56, 48, 40, 32};
  if (option.size() != 2 * kUnit) return wrong("PREF64", size_text(option) + ", expected 16 (RFC 8781 section 4)");
  const unsigned scaled = byte_at(option, 2) << 8 | byte_at(option, 3);
  const unsigned length = scaled & 7;
  if (length >= kBits.size()) {
    return wrong("PREF64", "length code " + std::to_string(length) + ", expected 0 to 5 (RFC 8781 section 4)");
  }
  Nat64Prefix prefix{.bits = kBits[length]};
  std::memcpy(prefix.prefix.data(), option.data() + 4, prefix.bits / 8u);
  return RouterOption{.seconds = (scaled >> 3) * 8, .nat64 = {prefix}};
}

// RFC 8106 section 5.1
Read read_servers(Bytes option) {
  if (option.size() < 3 * kUnit || option.size() % (2 * kUnit) != kUnit)
    return wrong("RDNSS", size_text(option) + ", expected 8 and 16 for each server (RFC 8106 section 5.1)");
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
Read read_domains(Bytes option) {
  constexpr const char* kNames =
      ", expected names of labels with 1 to 63 letters, digits, - and _ (RFC 8106 section 5.2)";
  if (option.size() < 2 * kUnit) return wrong("DNSSL", size_text(option) + kNames);
  RouterOption domains{.seconds = seconds_at(option, 4)};
  Bytes rest = option.subspan(kUnit);
  while (!rest.empty() && domains.search_domains.size() < kRouterDomainsMost) {
    auto name = take_name(rest);
    if (!name) return wrong("DNSSL", std::string("something else") + kNames);
    if (name->empty()) break;
    domains.search_domains.push_back(std::move(*name));
  }
  if (domains.search_domains.empty()) return wrong("DNSSL", std::string("no name") + kNames);
  return domains;
}

}  // namespace

RouterOptions read_router_options(Bytes options) {
  RouterOptions found;
  while (!options.empty()) {
    const std::size_t size = options.size() < 2 ? 0 : byte_at(options, 1) * kUnit;
    if (size == 0 || size > options.size()) {
      add_fault(
          found.faults,
          std::format("found an option of {} bytes where {} are left, expected them to fit (RFC 4861 section 4.6)",
                      size, options.size()));
      break;
    }
    const Bytes option = options.first(size);
    options = options.subspan(size);
    const unsigned type = byte_at(option, 0);
    if (type != kPref64 && type != kDnsServers && type != kSearchDomains) continue;
    Read read = type == kPref64       ? read_pref64(option)
                : type == kDnsServers ? read_servers(option)
                                      : read_domains(option);
    if (read)
      found.options.push_back(std::move(*read));
    else
      add_fault(found.faults, std::move(read).error());
  }
  return found;
}

}  // namespace trellis
