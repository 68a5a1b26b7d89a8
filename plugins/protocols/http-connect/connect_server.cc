#include <charconv>
#include <format>

#include "http_connect.h"

namespace trellis::http_connect {
namespace {

proxy::Handshake::Step refuse(std::string_view status, Reason reason, std::string detail) {
  const std::string challenge = reason == Reason::authentication ? "Proxy-Authenticate: Basic realm=\"proxy\"\r\n" : "";
  return {.answer = std::format("HTTP/1.1 {}\r\n{}Content-Length: 0\r\nConnection: close\r\n\r\n", status, challenge),
          .refusal = Error{reason, 0, kLayer, std::move(detail)}};
}

// "name:port" or "[address]:port" as authority() writes it; empty for anything
// else.
std::string read_target(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return {};
  Endpoint target{.host = std::string(text.substr(0, colon))};
  if (target.host.starts_with('[') && target.host.ends_with(']')) {
    target.host = target.host.substr(1, target.host.size() - 2);
    if (proxy::address_bytes(target).size() != 16) return {};
  } else if (target.host.empty() || proxy::address_bytes(target).size() == 16) {
    return {};
  }
  const std::string_view port = text.substr(colon + 1);
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), target.port);
  if (error != std::errc() || end != port.data() + port.size()) return {};
  return proxy::authority(target, kLayer).value_or("");
}

}  // namespace

Result<proxy::Handshake::Step> Server::read(std::string_view received) {
  const std::size_t size = head_size(received);
  if (size == 0) return Step{};
  const auto head = parse_head(received.substr(0, size));
  if (!head) return refuse("400 Bad Request", head.error().reason, head.error().detail);
  constexpr std::string_view kMethod = "CONNECT ", kVersion = " HTTP/1.1";
  const std::string_view line = head->first_line;
  if (!line.ends_with(kVersion) && !line.ends_with(" HTTP/1.0"))
    return refuse("400 Bad Request", Reason::protocol_violation,
                  std::format("found '{}', expected a request of HTTP/1.1", proxy::shown(line)));
  if (!line.starts_with(kMethod))
    return refuse("405 Method Not Allowed", Reason::unsupported,
                  std::format("found '{}', expected CONNECT", proxy::shown(line)));
  target_ = line.size() > kMethod.size() + kVersion.size()
                ? read_target(line.substr(kMethod.size(), line.size() - kMethod.size() - kVersion.size()))
                : std::string();
  if (target_.empty())
    return refuse("400 Bad Request", Reason::protocol_violation,
                  std::format("found '{}', expected CONNECT host:port", proxy::shown(line)));
  if (!settings_.user.empty()) {
    const auto given = head->values("proxy-authorization");
    const std::string wanted = basic_credentials(settings_.user, settings_.password);
    if (given.size() != 1 || !proxy::same_secret(given.front(), wanted))
      return refuse("407 Proxy Authentication Required", Reason::authentication,
                    "the client gives no credentials, or wrong ones");
  }
  return Step{.consumed = size, .answer = "HTTP/1.1 200 Connection established\r\n\r\n", .done = true};
}

}  // namespace trellis::http_connect
