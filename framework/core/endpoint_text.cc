#include "trellis/endpoint_text.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "core/text.h"
#include "trellis/address_text.h"

namespace trellis {
namespace {

constexpr std::size_t kLabelMost = 63, kNameMost = 253;  // RFC 1035 section 2.3.4

std::unexpected<Error> malformed(std::string_view what, std::string_view text, std::string_view expected) {
  return fail(Reason::invalid_argument,
              "malformed " + std::string(what) + " " + in_quotes(text) + ": expected " + std::string(expected));
}

bool is_name(std::string_view host) {
  if (host.ends_with('.')) host.remove_suffix(1);
  if (host.empty() || host.size() > kNameMost) return false;
  std::size_t label = 0;
  for (const char c : host) {
    const bool letter =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    if (c == '.' ? label == 0 : !letter) return false;
    label = c == '.' ? 0 : label + 1;
    if (label > kLabelMost) return false;
  }
  return label > 0;
}

// A name's last label is never a number (RFC 3696 section 2), so this can only be meant as an IPv4 address.
bool looks_like_ipv4(std::string_view host) {
  const std::string_view last = host.substr(host.rfind('.') + 1);
  return !last.empty() && std::ranges::all_of(last, [](char c) { return c >= '0' && c <= '9'; });
}

Result<Endpoint> endpoint_of(std::string_view host, std::uint16_t port, bool ipv6) {
  Endpoint endpoint{.host = std::string(host), .port = port};
  const auto address = parse_address(host, port);
  if (address && (address->family == Address::Family::ipv6) == ipv6) {
    endpoint.address = *address;
    return endpoint;
  }
  if (ipv6 && host.contains('%')) return malformed("address", host, "an IPv6 address, % and an interface of this host");
  if (ipv6) return malformed("address", host, "an IPv6 address such as 2001:db8::1");
  if (looks_like_ipv4(host)) return malformed("address", host, "an IPv4 address such as 192.0.2.1");
  if (!is_name(host))
    return malformed("name", host, "letters, digits, hyphens and dots (other alphabets in their xn-- form)");
  return endpoint;
}

// RFC 3986: scheme, "://", host and port, then what is for the server alone.
Result<Endpoint> of_url(std::string_view url, std::size_t scheme_size) {
  const std::string_view scheme = url.substr(0, scheme_size);
  std::string_view authority = url.substr(scheme_size + 3);
  authority = authority.substr(0, authority.find_first_of("/?#"));
  if (authority.contains('@')) return malformed("URL", url, "no user in it: credentials are for the application");
  const bool has_port = authority.substr(authority.rfind(']') + 1).contains(':');
  const char* usual = same_word(scheme, "https") ? ":443" : same_word(scheme, "http") ? ":80" : nullptr;
  if (!has_port && usual == nullptr) return malformed("URL", url, "a port, for only those of http and https are known");
  auto endpoint = parse_remote(has_port ? std::string(authority) : std::string(authority) + usual);
  if (endpoint && same_word(scheme, "https")) endpoint->service = "https";
  return endpoint;
}

// ---- DNS-SD: INSTANCE._TYPE._tcp.DOMAIN

/// Where "._tcp." or "._udp." begins for the last time; none: it is no service.
std::size_t transport_in(std::string_view text) {
  const auto last = [&](std::string_view word) {
    for (std::size_t at = text.size(); at-- > 0;) {
      if (text.size() - at >= word.size() && same_word(text.substr(at, word.size()), word)) return at;
    }
    return std::string_view::npos;
  };
  const std::size_t tcp = last("._tcp."), udp = last("._udp.");
  return tcp == std::string_view::npos || (udp != std::string_view::npos && udp > tcp) ? udp : tcp;
}

/// A name of a service: letters, digits and hyphens, 15 at most (RFC 6335 section 5.1).
bool is_service_type(std::string_view type) {
  constexpr std::size_t kTypeMost = 15;
  return !type.empty() && type.size() <= kTypeMost && type.find_first_of("._") == std::string_view::npos &&
         is_name(type);
}

std::optional<std::string> without_escapes(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escaped = text[i] == '\\';
    if (escaped && ++i == text.size()) return std::nullopt;
    if (text[i] == '.' && !escaped) return std::nullopt;
    if (static_cast<unsigned char>(text[i]) < 0x20 || text[i] == 0x7f) return std::nullopt;
    plain += text[i];
  }
  if (plain.empty() || plain.size() > kLabelMost) return std::nullopt;
  return plain;
}

Result<Endpoint> of_service(std::string_view text, std::size_t transport) {
  constexpr std::string_view kForm =
      "INSTANCE._TYPE._tcp.DOMAIN as in Office printer._ipp._tcp.local, or * as INSTANCE";
  const std::string_view front = text.substr(0, transport);
  const std::size_t type = front.rfind("._");
  if (type == std::string_view::npos || !is_service_type(front.substr(type + 2)))
    return malformed("service", text, kForm);
  Endpoint endpoint{.host = std::string(text.substr(transport + 6)), .service = std::string(front.substr(type + 2))};
  const auto instance = without_escapes(front.substr(0, type));
  if (!instance || !is_name(endpoint.host)) return malformed("service", text, kForm);
  if (same_word(text.substr(transport, 6), "._udp.")) endpoint.service += "/udp";
  endpoint.instance = *instance;
  return endpoint;
}

}  // namespace

std::string to_text(const Endpoint& endpoint) {
  if (!endpoint.instance.empty()) {
    std::string text;
    for (const char c : endpoint.instance) text += c == '.' || c == '\\' ? std::string{'\\', c} : std::string{c};
    const std::size_t slash = endpoint.service.find('/');
    const std::string transport = slash == std::string::npos ? "tcp" : endpoint.service.substr(slash + 1);
    return text + "._" + endpoint.service.substr(0, slash) + "._" + transport + "." + endpoint.host;
  }
  if (endpoint.address) return to_text(endpoint.address);
  const std::string host = endpoint.host.contains(':') ? "[" + endpoint.host + "]" : endpoint.host;
  const std::string port = ":" + std::to_string(endpoint.port);
  if (endpoint.service.empty()) return host + port;
  return endpoint.service + "://" + host + (endpoint.service == "https" && endpoint.port == 443 ? "" : port);
}

Result<std::uint16_t> parse_port(std::string_view text, std::uint16_t least) {
  unsigned port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  const bool number = !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
  const std::string range = std::to_string(least) + " to 65535";
  if (!number) return malformed("port", text, "a number from " + range);
  if (error != std::errc() || port > UINT16_MAX || port < least)
    return fail(Reason::invalid_argument, "port " + std::string(text) + " is out of range: expected " + range);
  return static_cast<std::uint16_t>(port);
}

Result<Endpoint> parse_remote(std::string_view text) {
  if (const std::size_t scheme = text.find("://"); scheme != std::string_view::npos) return of_url(text, scheme);
  if (const std::size_t transport = transport_in(text); transport != std::string_view::npos)
    return of_service(text, transport);
  const bool bracketed = text.starts_with('[');
  const std::size_t bracket = bracketed ? text.find(']') : 0;
  const std::size_t colon = bracket == std::string_view::npos ? bracket : text.find(':', bracket);
  if (bracket == std::string_view::npos || (bracketed && colon != bracket + 1))
    return malformed("endpoint", text, "[ADDRESS]:PORT");
  if (colon == std::string_view::npos) return malformed("endpoint", text, "HOST:PORT");
  if (!bracketed && text.find(':', colon + 1) != std::string_view::npos)
    return malformed("endpoint", text, "HOST:PORT; an IPv6 address is written in brackets, as in [::1]:7000");
  if (!bracketed && colon == 0) return malformed("endpoint", text, "a host in front of the port, HOST:PORT");
  const auto port = parse_port(text.substr(colon + 1), 1);
  if (!port) return std::unexpected(port.error());
  return endpoint_of(bracketed ? text.substr(1, bracket - 1) : text.substr(0, colon), *port, bracketed);
}

Result<KnownHost> parse_known_host(std::string_view text) {
  constexpr std::string_view kForm = "HOST:PORT:ADDR[,ADDR...] as in example.net:443:192.0.2.1,[2001:db8::1]";
  const std::string_view whole = text;
  if (text.starts_with('+')) text.remove_prefix(1);  // curl: the entry may time out; ours live as long as the command
  const std::size_t first = text.find(':');
  const std::size_t second = first == std::string_view::npos ? first : text.find(':', first + 1);
  if (second == std::string_view::npos || first == 0) return malformed("--resolve", whole, kForm);
  const auto port = parse_port(text.substr(first + 1, second - first - 1), 1);
  if (!port) return std::unexpected(port.error());
  KnownHost known{.host = std::string(text.substr(0, first)), .port = *port, .addresses = {}};
  if (known.host != "*" && (!is_name(known.host) || looks_like_ipv4(known.host)))
    return malformed("name", known.host, "a host name or *");
  for (std::string_view rest = text.substr(second + 1);;) {
    const std::size_t comma = rest.find(',');
    const std::string_view one = rest.substr(0, comma);
    const auto address = parse_address(one, *port);
    if (!address || (address->family == Address::Family::ipv4 && one.starts_with('[')))
      return malformed("address", one, "an IP address such as 192.0.2.1 or [2001:db8::1]");
    known.addresses.push_back(*address);
    if (comma == std::string_view::npos) return known;
    rest.remove_prefix(comma + 1);
  }
}

Result<GroupToJoin> parse_group(std::string_view text) {
  constexpr std::string_view kForm = "GROUP or GROUP@SOURCE as in 239.1.2.3, 232.1.2.3@192.0.2.1 or ff3e::8000:1";
  const std::size_t at = text.find('@');
  const auto group = parse_address(text.substr(0, at), 0);
  if (!group || text.starts_with('[')) return malformed("multicast group", text, kForm);
  if (!is_multicast(*group))
    return malformed("multicast group", text.substr(0, at), "an address of 224.0.0.0/4 or ff00::/8");
  GroupToJoin found{.group = {.host = std::string(text.substr(0, at)), .address = *group}};
  if (at == std::string_view::npos) return found;
  const auto source = parse_address(text.substr(at + 1), 0);
  if (!source || text.substr(at + 1).starts_with('[')) return malformed("multicast group", text, kForm);
  found.source = *source;
  return found;
}

Result<Endpoint> parse_local(std::string_view text) {
  const bool bracketed = text.starts_with('[');
  const bool plain_ipv6 = !bracketed && std::ranges::count(text, ':') > 1;
  const std::size_t colon = plain_ipv6 ? std::string_view::npos : text.find(':', bracketed ? text.find(']') : 0);
  std::string_view host = text.substr(0, colon);
  std::uint16_t number = 0;
  if (colon != std::string_view::npos) {
    const auto port = parse_port(text.substr(colon + 1), 0);
    if (!port) return std::unexpected(port.error());
    number = *port;
  }
  if (bracketed) {
    if (!host.ends_with(']')) return malformed("address", text, "ADDRESS or [ADDRESS]:PORT");
    host = host.substr(1, host.size() - 2);
  }
  auto endpoint = endpoint_of(host, number, bracketed || plain_ipv6);
  if (endpoint && is_multicast(endpoint->address))
    return malformed("address", text, "an address of this host; this is a multicast group");
  if (endpoint && !endpoint->address)
    return malformed("address", text, "an address of this host such as 127.0.0.1 or ::1, not a name");
  return endpoint;
}

}  // namespace trellis
