#include "core/applies_to.h"

#include <algorithm>
#include <charconv>
#include <format>

#include "core/text.h"
#include "trellis/address_text.h"

namespace trellis {
namespace {

constexpr unsigned kMappedBits = 96;  // of ::ffff:0:0/96 (RFC 4291 section 2.5.5.2)

unsigned bits_of(Address::Family family) { return family == Address::Family::ipv4 ? 32 : 128; }

// An IPv4 address stays one when it is written as an IPv6 address.
Address unmapped(const Address& address) {
  constexpr std::uint8_t kMapped[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (address.family != Address::Family::ipv6 || !std::ranges::equal(std::span(address.ip).first<12>(), kMapped)) {
    return address;
  }
  Address inner{.family = Address::Family::ipv4};
  std::ranges::copy(std::span(address.ip).last<4>(), inner.ip.begin());
  return inner;
}

void clear_behind(Address& address, unsigned bits) {
  for (unsigned i = bits; i < bits_of(address.family); ++i) {
    address.ip[i / 8] = static_cast<std::uint8_t>(address.ip[i / 8] & ~(0x80u >> i % 8));
  }
}

std::string text_of(const Address& address, unsigned bits) {
  std::string text = to_text(address);  // "[::]:0"
  text.resize(text.rfind(':'));
  if (text.starts_with('[')) text = text.substr(1, text.size() - 2);
  return text + "/" + std::to_string(bits);
}

std::string lower(std::string_view name) {
  std::string text(name.ends_with('.') ? name.substr(0, name.size() - 1) : name);
  std::ranges::transform(text, text.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c; });
  return text;
}

bool any_matches(const std::vector<std::string>& patterns, std::string_view text) {
  return std::ranges::any_of(patterns, [&](const std::string& pattern) { return matches(pattern, text); });
}

}  // namespace

bool AddressPrefix::contains(const Address& address) const noexcept {
  Address other = unmapped(address);
  if (other.family != first.family || first.family == Address::Family::none) return false;
  clear_behind(other, bits);
  return other.ip == first.ip;
}

Result<AddressPrefix> parse_prefix(std::string_view text) {
  const auto refuse = [&](std::string_view expected) {
    return fail(Reason::configuration, std::format("found {}, expected {}", in_quotes(text), expected));
  };
  const std::size_t slash = text.find('/');
  const auto address = parse_address(text.substr(0, slash), 0);
  if (!address || text.starts_with('[') || text.contains('%')) {
    return refuse("an address like 192.0.2.1 or a prefix like 192.0.2.0/24 or 2001:db8::/32");
  }
  AddressPrefix prefix{.first = *address, .bits = bits_of(address->family)};
  if (slash != std::string_view::npos) {
    const std::string_view digits = text.substr(slash + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), prefix.bits);
    if (error != std::errc() || end != digits.data() + digits.size() || prefix.bits > bits_of(address->family)) {
      return refuse(std::format("a number of bits from 0 to {} behind the /", bits_of(address->family)));
    }
  }
  clear_behind(prefix.first, prefix.bits);
  if (prefix.first != *address) return refuse(text_of(prefix.first, prefix.bits) + ", whose last bits are zero");
  if (const Address inner = unmapped(*address); inner.family != address->family) {
    if (prefix.bits < kMappedBits) return refuse("an IPv4 prefix without ::ffff:");
    prefix = {.first = inner, .bits = prefix.bits - kMappedBits};
  }
  return prefix;
}

// Where the last "*" stood is all that has to be remembered: an earlier one can give its letters to the last.
bool matches(std::string_view pattern, std::string_view text) noexcept {
  std::size_t p = 0, t = 0, star = std::string_view::npos, from = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      from = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p, ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++from;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

bool EndpointRule::fits(const Endpoint& endpoint) const noexcept {
  const auto literal = parse_address(endpoint.host, 0);
  const Address& address = endpoint.address ? endpoint.address : literal.value_or(Address{});
  if (port != 0 && port != (endpoint.port != 0 ? endpoint.port : endpoint.address.port)) return false;
  if (!host.empty() && (literal || endpoint.host.empty() || !matches(host, lower(endpoint.host)))) return false;
  return !addresses.first || addresses.contains(address);
}

bool AppliesTo::empty() const noexcept {
  return endpoints.empty() && applications.empty() && interfaces.empty() && provisioning_domains.empty();
}

bool AppliesTo::fits(const Subject& subject) const {
  const Path& path = *subject.path;
  // Without other knowledge each interface is a provisioning domain of its own (RFC 7556 section 2.1).
  const std::string& domain = path.provisioning_domain.empty() ? path.interface_name : path.provisioning_domain;
  const auto fits_path = [](const std::vector<std::string>& patterns, const std::string& name) {
    return patterns.empty() || (!name.empty() && any_matches(patterns, name));
  };
  return (endpoints.empty() ||
          std::ranges::any_of(endpoints, [&](const EndpointRule& rule) { return rule.fits(*subject.endpoint); })) &&
         (applications.empty() || any_matches(applications, subject.application)) &&
         fits_path(interfaces, path.interface_name) && fits_path(provisioning_domains, domain);
}

}  // namespace trellis
