#include <format>

#include "socks5.h"

namespace trellis::socks5 {
namespace {

constexpr std::size_t kHead = 4;  // of a request or reply: version, command or
                                  // reply, reserved, type of address

struct Meaning {
  Reason reason;
  const char* text;
};

Meaning meaning(std::uint8_t reply) {
  switch (static_cast<Reply>(reply)) {
    case Reply::succeeded: break;
    case Reply::general_failure: return {Reason::unreachable, "a general failure"};
    case Reply::not_allowed: return {Reason::prohibited, "that its rules do not allow it"};
    case Reply::network_unreachable: return {Reason::unreachable, "that the network is unreachable"};
    case Reply::host_unreachable: return {Reason::unreachable, "that the host is unreachable"};
    case Reply::connection_refused: return {Reason::unreachable, "that the connection was refused"};
    case Reply::ttl_expired: return {Reason::unreachable, "that the TTL has expired"};
    case Reply::command_not_supported: return {Reason::unsupported, "that it does not know CONNECT"};
    case Reply::address_type_not_supported: return {Reason::unsupported, "that it does not know this type of address"};
  }
  return {Reason::unreachable, "a code that RFC 1928 does not have"};
}

}  // namespace

std::unexpected<Error> violation(std::string detail) {
  return fail(Reason::protocol_violation, std::move(detail), 0, kLayer);
}

Result<std::size_t> message_size(std::string_view received) {
  if (received.size() <= kHead) return 0;
  constexpr std::size_t kPort = 2;
  switch (static_cast<AddressType>(octet(received, 3))) {
    case AddressType::ipv4: return kHead + 4 + kPort;
    case AddressType::ipv6: return kHead + 16 + kPort;
    case AddressType::domain: return kHead + 1 + octet(received, 4) + kPort;
  }
  return violation(std::format("found an address of type {}, expected 1, 3 or 4", octet(received, 3)));
}

Result<std::string> Client::begin(const Endpoint& target) {
  if (auto named = proxy::authority(target, kLayer); !named) return fail(std::move(named));
  request_ = {kVersion, kConnect, 0};
  const std::string address = proxy::address_bytes(target);
  if (address.empty())
    request_ += byte(AddressType::domain) + byte(target.host.size()) + target.host;
  else
    request_ += byte(address.size() == 4 ? AddressType::ipv4 : AddressType::ipv6) + address;
  const unsigned port = target.port != 0 ? target.port : target.address.port;
  request_ += byte(port >> 8) + byte(port & 0xff);
  if (settings_.user.empty()) return byte(kVersion) + byte(1) + byte(Method::none);
  return byte(kVersion) + byte(2) + byte(Method::none) + byte(Method::user_password);
}

Result<proxy::Handshake::Step> Client::read(std::string_view received) {
  switch (stage_) {
    case Stage::method: return read_method(received);
    case Stage::user: return read_user(received);
    case Stage::request: break;
  }
  return read_reply(received);
}

Result<proxy::Handshake::Step> Client::read_method(std::string_view received) {
  if (!received.empty() && received[0] != kVersion)
    return violation(std::format("found version {}, expected 5: it is no SOCKS 5 proxy", octet(received, 0)));
  if (received.size() < 2) return Step{};
  switch (static_cast<Method>(octet(received, 1))) {
    case Method::none: stage_ = Stage::request; return Step{.consumed = 2, .answer = request_, .rtts_left = 1};
    case Method::user_password:
      if (settings_.user.empty()) break;
      stage_ = Stage::user;
      return Step{.consumed = 2,
                  .answer = byte(kUserVersion) + byte(settings_.user.size()) + settings_.user +
                            byte(settings_.password.size()) + settings_.password,
                  .rtts_left = 2};
    case Method::no_acceptable:
      return fail(Reason::authentication,
                  settings_.user.empty() ? "the proxy demands authentication: options user and "
                                           "password-file give it"
                                         : "the proxy demands another authentication than user name "
                                           "and password",
                  octet(received, 1), kLayer);
  }
  return violation(std::format("found authentication method {}, which was not offered", octet(received, 1)));
}

Result<proxy::Handshake::Step> Client::read_user(std::string_view received) {
  if (!received.empty() && received[0] != kUserVersion)
    return violation(std::format("found version {} of the authentication, expected 1", octet(received, 0)));
  if (received.size() < 2) return Step{};
  if (received[1] != 0)
    return fail(Reason::authentication,
                std::format("the proxy refuses the password of user '{}'", proxy::shown(settings_.user)),
                octet(received, 1), kLayer);
  stage_ = Stage::request;
  return Step{.consumed = 2, .answer = request_, .rtts_left = 1};
}

Result<proxy::Handshake::Step> Client::read_reply(std::string_view received) const {
  if (!received.empty() && received[0] != kVersion)
    return violation(std::format("found a reply of version {}, expected 5", octet(received, 0)));
  // Some proxies end the connection right behind the code, so nothing more is
  // waited for when it is a refusal.
  if (received.size() >= 2 && received[1] != 0) {
    const auto [reason, text] = meaning(octet(received, 1));
    return fail(reason, std::string("the proxy answers ") + text, octet(received, 1), kLayer);
  }
  auto size = message_size(received);
  if (!size) return fail(std::move(size));
  if (*size == 0 || received.size() < *size) return Step{};
  return Step{.consumed = *size, .done = true};
}

}  // namespace trellis::socks5
