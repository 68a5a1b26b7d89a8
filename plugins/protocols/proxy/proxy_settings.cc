#include "proxy_settings.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstring>
#include <format>
#include <fstream>

#include "handshake.h"

namespace trellis::proxy {
namespace {

constexpr std::size_t kWordMost = 255;  // of a user name and of a password (RFC 1929 section 2)
constexpr std::size_t kShownMost = 60;
constexpr std::size_t kNameMost = 255;

std::unexpected<Error> refuse(const char* layer, std::string_view option, std::string_view value,
                              std::string_view why) {
  return fail(Reason::configuration, std::format("found {}='{}', {}", option, value, why), 0, layer);
}

// "socks5://host:port", the port may be missing. Nothing for other schemes and
// for what is no such URL.
Endpoint parse_url(std::string_view url, std::string_view scheme, std::uint16_t usual_port) {
  if (!url.starts_with(scheme) || !url.substr(scheme.size()).starts_with("://")) return {};
  url.remove_prefix(scheme.size() + 3);
  if (url.ends_with('/')) url.remove_suffix(1);
  std::size_t end = url.find(':');
  std::string_view host = url.substr(0, end);
  if (url.starts_with('[')) {
    const std::size_t bracket = url.find(']');
    if (bracket == std::string_view::npos) return {};
    host = url.substr(1, bracket - 1);
    end = bracket + 1;
  }
  Endpoint proxy{.host = std::string(host), .port = usual_port};
  const std::string_view rest = end < url.size() ? url.substr(end) : std::string_view();
  if (rest.empty()) return proxy;
  const auto [last, error] = std::from_chars(rest.data() + 1, rest.data() + rest.size(), proxy.port);
  const bool good = rest[0] == ':' && error == std::errc() && last == rest.data() + rest.size() && proxy.port != 0;
  return good && !host.empty() ? proxy : Endpoint{};
}

bool fits_in_a_name(char c) {
  return c > ' ' && c < '\x7f' && std::string_view("/?#@[]\\<>\"%,").find(c) == std::string_view::npos;
}

}  // namespace

Result<ProxySettings> ProxySettings::from(const Options& options, const char* layer) {
  ProxySettings settings;
  settings.proxy.host = options.text("host");
  if (!settings.proxy.host.empty()) settings.proxy.port = static_cast<std::uint16_t>(options.number("port"));
  settings.timeout = std::chrono::milliseconds(options.number("handshake-timeout-ms"));
  settings.user = options.text("user");
  const std::string file(options.text("password-file"));
  if (settings.user.empty() && file.empty()) return settings;
  if (settings.user.empty()) return refuse(layer, "password-file", file, "expected option user as well");
  if (file.empty()) return refuse(layer, "user", settings.user, "expected option password-file as well");
  if (settings.user.size() > kWordMost)
    return refuse(layer, "user", shown(settings.user), "expected 255 bytes at most");
  std::ifstream in(file);
  if (!in) return refuse(layer, "password-file", file, std::format("which cannot be opened: {}", std::strerror(errno)));
  std::getline(in, settings.password);
  if (settings.password.ends_with('\r')) settings.password.pop_back();
  if (settings.password.empty() || settings.password.size() > kWordMost)
    return refuse(layer, "password-file", file, "whose first line is no password of 1 to 255 bytes");
  return settings;
}

Endpoint ProxySettings::on(const Path& path, std::string_view scheme, std::uint16_t usual_port) const {
  if (!proxy.host.empty()) return proxy;
  for (const std::string& url : path.provisioned().proxies) {
    if (Endpoint found = parse_url(url, scheme, usual_port); !found.host.empty()) return found;
  }
  return {};
}

bool same_secret(std::string_view a, std::string_view b) noexcept {
  unsigned char differ = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < a.size() && !b.empty(); ++i)
    differ = static_cast<unsigned char>(
        differ | (static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i % b.size()])));
  return differ == 0;
}

std::string address_bytes(const Endpoint& target) {
  char bytes[16];
  if (target.host.empty()) {
    const std::size_t size = target.address.family == Address::Family::ipv4   ? 4
                             : target.address.family == Address::Family::ipv6 ? 16
                                                                              : 0;
    return std::string(reinterpret_cast<const char*>(target.address.ip.data()), size);
  }
  if (inet_pton(AF_INET, target.host.c_str(), bytes) == 1) return std::string(bytes, 4);
  if (inet_pton(AF_INET6, target.host.c_str(), bytes) == 1) return std::string(bytes, 16);
  return {};
}

Result<std::string> authority(const Endpoint& target, const char* layer) {
  const unsigned port = target.port != 0 ? target.port : target.address.port;
  const auto bad = [&](std::string_view what) {
    return fail(Reason::invalid_argument, std::format("found the remote endpoint '{}', {}", shown(target.host), what),
                0, layer);
  };
  if (port == 0) return bad("which has no port");
  if (const std::string bytes = address_bytes(target); !bytes.empty()) {
    char text[INET6_ADDRSTRLEN];
    const int family = bytes.size() == 4 ? AF_INET : AF_INET6;
    inet_ntop(family, bytes.data(), text, sizeof text);
    return family == AF_INET ? std::format("{}:{}", text, port) : std::format("[{}]:{}", text, port);
  }
  if (target.host.empty()) return bad("expected a name or an address");
  if (target.host.size() > kNameMost) return bad("expected a name of 255 bytes at most");
  if (!std::ranges::all_of(target.host, fits_in_a_name) || target.host.find(':') != std::string::npos)
    return bad("which has characters that no name has");
  return std::format("{}:{}", target.host, port);
}

std::string shown(std::string_view foreign) {
  std::string text;
  for (const char c : foreign.substr(0, kShownMost)) text += c >= ' ' && c < '\x7f' && c != '\'' ? c : '?';
  return foreign.size() > kShownMost ? text + "…" : text;
}

}  // namespace trellis::proxy
