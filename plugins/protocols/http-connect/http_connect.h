// http_connect.h: the handshake of CONNECT over HTTP/1.1 (RFC 9110
// section 9.3.6), for both roles.
#pragma once
#include <string>
#include <string_view>

#include "handshake.h"
#include "http_head.h"
#include "proxy_settings.h"

namespace trellis::http_connect {

/// What a client says and understands.
class Client final : public proxy::Handshake {
 public:
  /// `settings` outlives it.
  explicit Client(const proxy::ProxySettings& settings) : settings_(settings) {}
  Result<std::string> begin(const Endpoint& target) override;
  Result<Step> read(std::string_view received) override;
  std::size_t received_most() const noexcept override { return kHeadMost; }

 private:
  std::unexpected<Error> refused(unsigned status, const Head& head) const;
  const proxy::ProxySettings& settings_;
  std::size_t interim_ = 0;  // bytes of interim responses (1xx)
};

/// What a proxy says and understands: it takes any target, and leaves it to the
/// application above to reach it.
class Server final : public proxy::Handshake {
 public:
  /// `settings` outlives it: whom it lets in.
  explicit Server(const proxy::ProxySettings& settings) : settings_(settings) {}
  Result<std::string> begin(const Endpoint&) override { return std::string(); }
  Result<Step> read(std::string_view received) override;
  std::size_t received_most() const noexcept override { return kHeadMost; }
  std::string target() const override { return target_; }

 private:
  const proxy::ProxySettings& settings_;
  std::string target_;
};

}  // namespace trellis::http_connect
