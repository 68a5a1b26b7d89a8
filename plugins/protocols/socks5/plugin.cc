// plugin.cc: registers the protocol "socks5" and says what it does to a stack.
#include "trellis/plugin.h"

#include "proxy_instance.h"
#include "socks5.h"

namespace {
using namespace trellis;

constexpr std::uint16_t kUsualPort = 1080;  // RFC 1928 section 3
constexpr auto kOptions = proxy::proxy_options(kUsualPort);

constexpr proxy::ProxyInstance::Kind kKind{
    .layer = socks5::kLayer,
    .peer = "a SOCKS 5 proxy",
    .target = "socks5.target",
    .make = [](bool passive, const void* settings) -> std::unique_ptr<proxy::Handshake> {
      const auto& own = *static_cast<const proxy::ProxySettings*>(settings);
      if (passive) return std::make_unique<socks5::Server>(own);
      return std::make_unique<socks5::Client>(own);
    },
};

class Socks5 final : public Protocol {
 public:
  explicit Socks5(proxy::ProxySettings settings) : settings_(std::move(settings)) {}
  static Result<std::unique_ptr<Protocol>> make(const Options& options) {
    return proxy::ProxySettings::from(options, socks5::kLayer).transform([](proxy::ProxySettings settings) {
      return std::unique_ptr<Protocol>(std::make_unique<Socks5>(std::move(settings)));
    });
  }
  LayerTraits traits(Face above) const noexcept override {
    if (above != Face::bytestream) return {.above = Face::none};
    return {.above = Face::bytestream,
            .below = Face::bytestream,
            .needs = {Feature::reliability, Feature::ordering},
            .removes = {Feature::zero_rtt},
            .handshake_rtts = static_cast<std::uint8_t>(settings_.user.empty() ? 2 : 3)};
  }
  Endpoint remote_below(const Endpoint&, const Path& path) const override {
    return settings_.on(path, "socks5", kUsualPort);
  }
  Result<std::unique_ptr<ProtocolInstance>> connect(const Seat& seat) const noexcept override {
    return std::make_unique<proxy::ProxyInstance>(seat, kKind, &settings_, settings_.timeout);
  }

 private:
  proxy::ProxySettings settings_;
};

}  // namespace

TRELLIS_PLUGIN(.name = "socks5", .version = "0.1.0", .license = "Apache-2.0", .provides = "protocol:socks5",
               .summary = "through a SOCKS 5 proxy, or as one (RFC 1928, RFC 1929)", .maturity = Maturity::beta) {
  registrar.add(kind<Socks5>("socks5", kOptions));
}
