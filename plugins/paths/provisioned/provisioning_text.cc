#include "provisioning_text.h"

#include <optional>

#include "dns_words.h"

namespace trellis {
namespace {

// "socks5://host:port", "http://host:port"
bool is_proxy(std::string_view text) {
  for (const std::string_view scheme : {"socks5://", "http://"}) {
    if (!text.starts_with(scheme)) continue;
    text.remove_prefix(scheme.size());
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos || colon == 0) return false;
    const auto port = read_number<std::uint16_t>(text.substr(colon + 1), UINT16_MAX);
    const std::string_view host = text.substr(0, colon);
    const bool literal = host.starts_with('[') && host.ends_with(']') && host.size() > 2 &&
                         read_literal(std::string(host.substr(1, host.size() - 2)));
    return port && *port != 0 && (literal || is_domain(host));
  }
  return false;
}

std::optional<LocalPrefix> prefix(const std::string& text) {
  const std::size_t slash = text.find('/');
  const auto first = read_literal(text.substr(0, slash));
  if (!first) return {};
  LocalPrefix found{*first, first->family == Address::Family::ipv4 ? 32u : 128u};
  if (slash != std::string::npos) {
    const auto bits = read_number<unsigned>(std::string_view(text).substr(slash + 1), found.bits);
    if (!bits) return {};
    found.bits = *bits;
  }
  return found;
}

// RFC 6052 section 2.2
std::optional<Nat64Prefix> nat64_prefix(const std::string& text) {
  const auto found = prefix(text);
  if (!found || found->first.family != Address::Family::ipv6) return {};
  for (const unsigned bits : {32u, 40u, 48u, 56u, 64u, 96u}) {
    if (found->bits != bits) continue;
    Nat64Prefix nat64{.prefix = found->first.ip, .bits = static_cast<std::uint8_t>(bits)};
    for (std::size_t i = bits / 8; i < nat64.prefix.size(); ++i) nat64.prefix[i] = 0;
    return nat64;
  }
  return {};
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
  for (const std::string& word : words_of(options.text("dns-servers"))) {
    const auto found = read_dns_server(word);
    if (!found) return wrong(word, "dns-servers", "an address, with a port or without: 192.0.2.53 [2001:db8::53]:5353");
    domain.provisioning.dns_servers.push_back(*found);
  }
  for (std::string& word : words_of(options.text("search-domains"))) {
    if (word.ends_with('.')) word.pop_back();
    if (!is_domain(word)) return wrong(word, "search-domains", "the name of a domain");
    domain.provisioning.search_domains.push_back(std::move(word));
  }
  for (std::string& word : words_of(options.text("proxies"))) {
    if (!is_proxy(word)) return wrong(word, "proxies", "socks5://HOST:PORT or http://HOST:PORT");
    domain.provisioning.proxies.push_back(std::move(word));
  }
  if (const std::string given(options.text("nat64-prefix")); !given.empty()) {
    const auto found = nat64_prefix(given);
    if (!found) return wrong(given, "nat64-prefix", "a prefix of 32, 40, 48, 56, 64 or 96 bits, like 64:ff9b::/96");
    domain.provisioning.nat64 = {*found};
  }
  domain.expected_rtt = std::chrono::milliseconds(options.number("expected-rtt-ms"));
  domain.metered = options.flag("metered");
  return domain;
}

}  // namespace trellis
