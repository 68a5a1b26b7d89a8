// proxy_protocol.h: a protocol whose layer is a proxy's client or a proxy, made of two handshakes.
#pragma once
#include <memory>

#include "proxy_instance.h"
#include "proxy_settings.h"
#include "trellis/protocol.h"

namespace trellis::proxy {

/// What tells one proxy protocol from another.
struct ProxyFacts {
  const char* layer;          ///< its name in policies and errors: "socks5"
  const char* peer;           ///< for errors: "a SOCKS 5 proxy"
  std::string_view target;    ///< the property that says whom a client wants: "socks5.target"
  std::string_view scheme;    ///< of a proxy's URL: "socks5"
  std::uint16_t port;         ///< of a URL without one
  std::uint8_t rtts;          ///< round trips of the handshake
  std::uint8_t rtts_by_user;  ///< with authentication
};

/// `Client` and `Server` are Handshakes that are made from ProxySettings.
template <class Client, class Server, const ProxyFacts& Facts>
class ProxyProtocol final : public Protocol {
 public:
  explicit ProxyProtocol(ProxySettings settings) : settings_(std::move(settings)) {}
  static Result<std::unique_ptr<Protocol>> make(const Options& options) {
    return ProxySettings::from(options, Facts.layer).transform([](ProxySettings settings) {
      return std::unique_ptr<Protocol>(std::make_unique<ProxyProtocol>(std::move(settings)));
    });
  }
  LayerTraits traits(Face above) const noexcept override {
    if (above != Face::bytestream) return {.above = Face::none};
    return {.above = Face::bytestream,
            .below = Face::bytestream,
            .needs = {Feature::reliability, Feature::ordering},
            .removes = {Feature::zero_rtt, Feature::half_close},  // many end both directions with the first
            .handshake_rtts = settings_.user.empty() ? Facts.rtts : Facts.rtts_by_user};
  }
  Endpoint remote_below(const Endpoint&, const Path& path) const override {
    return settings_.on(path, Facts.scheme, Facts.port);
  }
  Result<std::unique_ptr<ProtocolInstance>> connect(const Seat& seat) const noexcept override {
    return std::make_unique<ProxyInstance>(seat, kKind, &settings_, settings_.timeout);
  }

 private:
  static std::unique_ptr<Handshake> side(bool passive, const void* settings) {
    const auto& own = *static_cast<const ProxySettings*>(settings);
    if (passive) return std::make_unique<Server>(own);
    return std::make_unique<Client>(own);
  }
  static constexpr ProxyInstance::Kind kKind{
      .layer = Facts.layer, .peer = Facts.peer, .target = Facts.target, .make = side};

  ProxySettings settings_;
};

}  // namespace trellis::proxy
