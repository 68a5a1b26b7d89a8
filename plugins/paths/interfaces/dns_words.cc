#include "dns_words.h"

#include <arpa/inet.h>

#include <algorithm>

namespace trellis {
namespace {

constexpr std::size_t kNameMost = 253;  // letters of a domain name (RFC 1035)

}  // namespace

std::vector<std::string> words_of(std::string_view text) {
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

std::optional<Address> read_literal(const std::string& text) {
  Address found;
  if (inet_pton(AF_INET, text.c_str(), found.ip.data()) == 1)
    found.family = Address::Family::ipv4;
  else if (inet_pton(AF_INET6, text.c_str(), found.ip.data()) == 1)
    found.family = Address::Family::ipv6;
  else
    return {};
  return found;
}

std::optional<Address> read_dns_server(const std::string& text) {
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
  auto found = read_literal(ip);
  if (!found || !has_port) return found;
  const auto port = read_number<std::uint16_t>(std::string_view(text).substr(colon + 1), UINT16_MAX);
  if (!port || *port == 0) return {};
  found->port = *port;
  return found;
}

bool is_domain(std::string_view text) {
  return !text.empty() && text.size() <= kNameMost && text.front() != '.' && text.back() != '.' &&
         text.find("..") == std::string_view::npos && text.find_first_of("/:@%") == std::string_view::npos;
}

}  // namespace trellis
