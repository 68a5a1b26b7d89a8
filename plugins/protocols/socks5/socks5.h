// socks5.h: the handshake of SOCKS 5 (RFC 1928) with user name and password
// (RFC 1929), for both roles.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "handshake.h"
#include "proxy_settings.h"

namespace trellis::socks5 {

inline constexpr const char* kLayer = "socks5";

inline constexpr char kVersion = 5;               // RFC 1928 section 3
inline constexpr char kUserVersion = 1;           // RFC 1929 section 2
inline constexpr char kConnect = 1;               // the command
inline constexpr std::size_t kMessageMost = 513;  // a user name and a password of 255 bytes each; nothing is longer

/// Authentication methods (RFC 1928 section 3).
enum class Method : std::uint8_t { none = 0, user_password = 2, no_acceptable = 0xff };
/// How an address is said (section 5).
enum class AddressType : std::uint8_t { ipv4 = 1, domain = 3, ipv6 = 4 };
/// What a proxy answers a request with (section 6).
enum class Reply : std::uint8_t {
  succeeded = 0,
  general_failure = 1,
  not_allowed = 2,
  network_unreachable = 3,
  host_unreachable = 4,
  connection_refused = 5,
  ttl_expired = 6,
  command_not_supported = 7,
  address_type_not_supported = 8,
};

/// What a client says and understands.
class Client final : public proxy::Handshake {
 public:
  /// `settings` outlives it.
  explicit Client(const proxy::ProxySettings& settings) : settings_(settings) {}
  Result<std::string> begin(const Endpoint& target) override;
  Result<Step> read(std::string_view received) override;
  std::size_t received_most() const noexcept override { return kMessageMost; }

 private:
  enum class Stage : std::uint8_t { method, user, request };
  Result<Step> read_method(std::string_view received);
  Result<Step> read_user(std::string_view received);
  Result<Step> read_reply(std::string_view received) const;
  const proxy::ProxySettings& settings_;
  std::string request_;  // made first, so that a target that cannot be said
                         // fails at once
  Stage stage_ = Stage::method;
};

/// What a proxy says and understands: it takes any target, and leaves it to the
/// application above to reach it.
class Server final : public proxy::Handshake {
 public:
  /// `settings` outlives it: whom it lets in.
  explicit Server(const proxy::ProxySettings& settings) : settings_(settings) {}
  Result<std::string> begin(const Endpoint&) override { return std::string(); }
  Result<Step> read(std::string_view received) override;
  std::size_t received_most() const noexcept override { return kMessageMost; }
  std::string target() const override { return target_; }

 private:
  enum class Stage : std::uint8_t { method, user, request };
  Result<Step> read_methods(std::string_view received);
  Result<Step> read_user(std::string_view received);
  Result<Step> read_request(std::string_view received);
  const proxy::ProxySettings& settings_;
  std::string target_;
  Stage stage_ = Stage::method;
};

/// The size of a request or reply, which begins with the bytes received: 4 and
/// the address and the port. 0: more must come before that is known. Errors:
/// protocol_violation, for an unknown type of address.
Result<std::size_t> message_size(std::string_view received);

/// One byte of a message.
inline std::string byte(auto value) { return std::string(1, static_cast<char>(value)); }
inline std::uint8_t octet(std::string_view bytes, std::size_t at) { return static_cast<std::uint8_t>(bytes[at]); }
/// The error that the peer has broken the protocol.
std::unexpected<Error> violation(std::string detail);

}  // namespace trellis::socks5
