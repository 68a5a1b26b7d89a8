// plugin.cc: registers the protocol "http-connect" and says what it does to a
// stack.
#include "trellis/plugin.h"

#include "http_connect.h"
#include "proxy_instance.h"

namespace {
using namespace trellis;

constexpr std::uint16_t kUsualPort = 8080;  // no standard, but the custom
constexpr std::uint16_t kHttpPort = 80;     // of a URL without one
constexpr auto kOptions = proxy::proxy_options(kUsualPort);

constexpr proxy::ProxyInstance::Kind kKind{
    .layer = http_connect::kLayer,
    .peer = "an HTTP proxy",
    .target = "http-connect.target",
    .make = [](bool passive, const void* settings) -> std::unique_ptr<proxy::Handshake> {
      const auto& own = *static_cast<const proxy::ProxySettings*>(settings);
      if (passive) return std::make_unique<http_connect::Server>(own);
      return std::make_unique<http_connect::Client>(own);
    },
};

class HttpConnect final : public Protocol {
 public:
  explicit HttpConnect(proxy::ProxySettings settings) : settings_(std::move(settings)) {}
  static Result<std::unique_ptr<Protocol>> make(const Options& options) {
    return proxy::ProxySettings::from(options, http_connect::kLayer).transform([](proxy::ProxySettings settings) {
      return std::unique_ptr<Protocol>(std::make_unique<HttpConnect>(std::move(settings)));
    });
  }
  LayerTraits traits(Face above) const noexcept override {
    if (above != Face::bytestream) return {.above = Face::none};
    return {.above = Face::bytestream,
            .below = Face::bytestream,
            .needs = {Feature::reliability, Feature::ordering},
            .removes = {Feature::zero_rtt},
            .handshake_rtts = 1};
  }
  Endpoint remote_below(const Endpoint&, const Path& path) const override {
    return settings_.on(path, "http", kHttpPort);
  }
  Result<std::unique_ptr<ProtocolInstance>> connect(const Seat& seat) const noexcept override {
    return std::make_unique<proxy::ProxyInstance>(seat, kKind, &settings_, settings_.timeout);
  }

 private:
  proxy::ProxySettings settings_;
};

}  // namespace

TRELLIS_PLUGIN(.name = "http-connect", .version = "0.1.0", .license = "Apache-2.0", .provides = "protocol:http-connect",
               .summary = "through an HTTP proxy by CONNECT, or as one (RFC 9110)", .maturity = Maturity::beta) {
  registrar.add(kind<HttpConnect>("http-connect", kOptions));
}
