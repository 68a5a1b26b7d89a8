#include <format>

#include "socks5.h"

namespace trellis::socks5 {
namespace {

constexpr std::size_t kAddressAt = 4;  // in a request

std::string reply(Reply code) {
  return byte(kVersion) + byte(code) + byte(0) + byte(AddressType::ipv4) + std::string(6, '\0');
}

proxy::Handshake::Step refuse(std::string answer, Reason reason, std::string detail) {
  return {.answer = std::move(answer), .refusal = Error{reason, 0, kLayer, std::move(detail)}};
}

// Of a whole request. Empty: a name that is none.
std::string target_of(std::string_view request) {
  Endpoint target;
  const std::string_view address = request.substr(kAddressAt, request.size() - kAddressAt - 2);
  if (static_cast<AddressType>(octet(request, 3)) == AddressType::domain) {
    target.host = address.substr(1);
    if (target.host.empty() || !proxy::address_bytes(target).empty()) return {};
  } else {
    target.address.family = address.size() == 4 ? Address::Family::ipv4 : Address::Family::ipv6;
    for (std::size_t i = 0; i < address.size(); ++i) target.address.ip[i] = octet(address, i);
  }
  const std::size_t port = request.size() - 2;
  target.port = static_cast<std::uint16_t>(octet(request, port) << 8 | octet(request, port + 1));
  return proxy::authority(target, kLayer).value_or("");
}

}  // namespace

Result<proxy::Handshake::Step> Server::read(std::string_view received) {
  switch (stage_) {
    case Stage::method: return read_methods(received);
    case Stage::user: return read_user(received);
    case Stage::request: break;
  }
  return read_request(received);
}

Result<proxy::Handshake::Step> Server::read_methods(std::string_view received) {
  if (!received.empty() && received[0] != kVersion)
    return violation(std::format("found version {}, expected 5: it is no SOCKS 5 client", octet(received, 0)));
  if (received.size() < 2 || received.size() < 2u + octet(received, 1)) return Step{};
  const std::string_view offered = received.substr(2, octet(received, 1));
  const Method wanted = settings_.user.empty() ? Method::none : Method::user_password;
  if (offered.find(byte(wanted)) == std::string_view::npos)
    return refuse(byte(kVersion) + byte(Method::no_acceptable), Reason::authentication,
                  std::format("the client does not offer authentication method {}", static_cast<unsigned>(wanted)));
  stage_ = wanted == Method::none ? Stage::request : Stage::user;
  return Step{.consumed = 2 + offered.size(),
              .answer = byte(kVersion) + byte(wanted),
              .rtts_left = wanted == Method::none ? 1u : 2u};
}

Result<proxy::Handshake::Step> Server::read_user(std::string_view received) {
  if (!received.empty() && received[0] != kUserVersion)
    return violation(std::format("found version {} of the authentication, expected 1", octet(received, 0)));
  if (received.size() < 2) return Step{};
  const std::size_t password_at = 3u + octet(received, 1);
  if (received.size() < password_at) return Step{};
  const std::size_t end = password_at + octet(received, password_at - 1);
  if (received.size() < end) return Step{};
  const std::string_view user = received.substr(2, octet(received, 1));
  const std::string_view password = received.substr(password_at, end - password_at);
  const bool known = proxy::same_secret(user, settings_.user);
  if (!proxy::same_secret(password, settings_.password) || !known)
    return refuse(byte(kUserVersion) + byte(1), Reason::authentication,
                  std::format("user '{}' is unknown, or the password is wrong", proxy::shown(user)));
  stage_ = Stage::request;
  return Step{.consumed = end, .answer = byte(kUserVersion) + byte(0), .rtts_left = 1};
}

Result<proxy::Handshake::Step> Server::read_request(std::string_view received) {
  if (!received.empty() && received[0] != kVersion)
    return violation(std::format("found a request of version {}, expected 5", octet(received, 0)));
  auto size = message_size(received);
  if (!size) return refuse(reply(Reply::address_type_not_supported), size.error().reason, size.error().detail);
  if (*size == 0 || received.size() < *size) return Step{};
  if (received[1] != kConnect)
    return refuse(reply(Reply::command_not_supported), Reason::unsupported,
                  std::format("found command {}, expected CONNECT", octet(received, 1)));
  target_ = target_of(received.substr(0, *size));
  if (target_.empty())
    return refuse(reply(Reply::general_failure), Reason::protocol_violation,
                  "the client asks for no name and no address");
  return Step{.consumed = *size, .answer = reply(Reply::succeeded), .done = true};
}

}  // namespace trellis::socks5
