#include "provisioning_text.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <vector>

namespace trellis {
namespace {

constexpr std::size_t kNameMost = 253;  // letters of a domain name (RFC 1035)

std::vector<std::string> words(std::string_view text) {
  std::vector<std::string> all;
  while (!text.empty()) {
    const std::size_t begin = text.find_first_not_of(" \t\n");
    if (begin == std::string_view::npos) break;
    const std::size_t end = std::min(text.find_first_of(" \t\n", begin), text.size());
    all.emplace_back(text.substr(begin, end - begin));
    text.remove_prefix(end);
  }
  return all;
}

template <class Number>
std::optional<Number> number(std::string_view digits, Number most) {
  Number value{};
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (digits.empty() || error != std::errc() || end != digits.data() + digits.size() || value > most) return {};
  return value;
}

std::optional<Address> address(const std::string& text) {
  Address found;
  if (inet_pton(AF_INET, text.c_str(), found.ip.data()) == 1)
    found.family = Address::Family::ipv4;
  else if (inet_pton(AF_INET6, text.c_str(), found.ip.data()) == 1)
    found.family = Address::Family::ipv6;
  else
    return {};
  return found;
}

// "192.0.2.53", "192.0.2.53:5353", "2001:db8::53", "[2001:db8::53]:5353"
std::optional<Address> server(const std::string& text) {
  const bool bracketed = text.starts_with('[');
  const std::size_t colon = text.rfind(':');
  const bool has_port =
      bracketed ? text.find("]:") != std::string::npos : colon != std::string::npos && text.find(':') == colon;
  std::string ip = has_port ? text.substr(0, colon) : text;
  if (bracketed) {
    if (!ip.ends_with(']')) return {};
    ip = ip.substr(1, ip.size() - 2);
    if (ip.find(':') == std::string::npos) return {};
  }
  auto found = address(ip);
  if (!found || !has_port) return found;
  const auto port = number<std::uint16_t>(std::string_view(text).substr(colon + 1), UINT16_MAX);
  if (!port || *port == 0) return {};
  found->port = *port;
  return found;
}

bool is_domain(std::string_view text) {
  return !text.empty() && text.size() <= kNameMost && text.front() != '.' && text.back() != '.' &&
         text.find("..") == std::string_view::npos && text.find_first_of("/:@%") == std::string_view::npos;
}

// "socks5://host:port", "http://host:port"
bool is_proxy(std::string_view text) {
  for (const std::string_view scheme : {"socks5://", "http://"}) {
    if (!text.starts_with(scheme)) continue;
    text.remove_prefix(scheme.size());
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos || colon == 0) return false;
    const auto port = number<std::uint16_t>(text.substr(colon + 1), UINT16_MAX);
    const std::string_view host = text.substr(0, colon);
    const bool literal = host.starts_with('[') && host.ends_with(']') && host.size() > 2 &&
                         address(std::string(host.substr(1, host.size() - 2)));
    return port && *port != 0 && (literal || is_domain(host));
  }
  return false;
}

std::optional<LocalPrefix> prefix(const std::string& text) {
  const std::size_t slash = text.find('/');
  const auto first = address(text.substr(0, slash));
  if (!first) return {};
  LocalPrefix found{*first, first->family == Address::Family::ipv4 ? 32u : 128u};
  if (slash != std::string::npos) {
    const auto bits = number<unsigned>(std::string_view(text).substr(slash + 1), found.bits);
    if (!bits) return {};
    found.bits = *bits;
  }
  return found;
}

std::unexpected<Error> wrong(const std::string& found, std::string_view option, std::string_view expected) {
  return fail(Reason::configuration,
              "found \"" + found + "\" in option " + std::string(option) + ", expected " + std::string(expected));
}

}  // namespace

bool LocalPrefix::contains(const Address& address) const noexcept {
  if (!first) return true;
  if (address.family != first.family) return false;
  for (unsigned i = 0; i < bits; ++i) {
    if (((address.ip[i / 8] ^ first.ip[i / 8]) & (0x80u >> i % 8)) != 0) return false;
  }
  return true;
}

Result<Domain> read_domain(const Options& options) {
  Domain domain;
  domain.name = options.text("domain");
  domain.interfaces = options.text("interface");
  if (!is_domain(domain.name)) return wrong(domain.name, "domain", "the name of the provisioning domain");
  if (const std::string given(options.text("addresses")); !given.empty()) {
    const auto found = prefix(given);
    if (!found) return wrong(given, "addresses", "a prefix like 10.0.0.0/8 or 2001:db8::/32");
    domain.addresses = *found;
  }
  for (const std::string& word : words(options.text("dns-servers"))) {
    const auto found = server(word);
    if (!found) return wrong(word, "dns-servers", "an address, with a port or without: 192.0.2.53 [2001:db8::53]:5353");
    domain.provisioning.dns_servers.push_back(*found);
  }
  for (std::string& word : words(options.text("search-domains"))) {
    if (word.ends_with('.')) word.pop_back();
    if (!is_domain(word)) return wrong(word, "search-domains", "the name of a domain");
    domain.provisioning.search_domains.push_back(std::move(word));
  }
  for (std::string& word : words(options.text("proxies"))) {
    if (!is_proxy(word)) return wrong(word, "proxies", "socks5://HOST:PORT or http://HOST:PORT");
    domain.provisioning.proxies.push_back(std::move(word));
  }
  domain.expected_rtt = std::chrono::milliseconds(options.number("expected-rtt-ms"));
  domain.metered = options.flag("metered");
  return domain;
}

}  // namespace trellis
