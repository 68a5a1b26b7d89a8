// plugin.cc: registers the protocol "ping", reads its options and says what it does to a stack.
#include "trellis/plugin.h"

#include <chrono>

#include "ping_instance.h"

namespace {
using namespace trellis;

constexpr OptionSpec kOptions[] = {
    {.name = "probe-interval-ms",
     .fallback = std::int64_t{50},
     .meaning = "time between probes until the peer answers for the first time",
     .least = 1,
     .most = 60'000},
    {.name = "keep-alive-ms",
     .fallback = std::int64_t{15'000},
     .meaning = "silence after which the peer is probed; 0: never",
     .least = 0,
     .most = 3'600'000},
    {.name = "probes",
     .fallback = std::int64_t{3},
     .meaning = "probes in vain before the peer counts as gone",
     .least = 1,
     .most = 100},
};

class Ping final : public Protocol {
 public:
  explicit Ping(const Options& options)
      : settings_{.probe_interval = std::chrono::milliseconds(options.number("probe-interval-ms")),
                  .keep_alive = std::chrono::milliseconds(options.number("keep-alive-ms")),
                  .probes = options.number("probes")} {
    if (settings_.keep_alive == Duration::zero()) settings_.keep_alive = Duration::max();
  }
  static Result<std::unique_ptr<Protocol>> make(const Options& options) { return std::make_unique<Ping>(options); }

  LayerTraits traits(Face above) const noexcept override {
    if (above != Face::datagram) return {.above = Face::none};
    return {.above = Face::datagram,
            .below = Face::datagram,
            .adds = {Feature::keepalive},
            .switchable = {Feature::keepalive},
            .headroom = 1,
            .handshake_rtts = 1};
  }
  Result<std::unique_ptr<ProtocolInstance>> connect(const Seat& seat) const noexcept override {
    return std::make_unique<ping::PingInstance>(seat, settings_);
  }

 private:
  ping::Settings settings_;
};

}  // namespace

TRELLIS_PLUGIN(.name = "ping", .version = "0.1.0", .license = "Apache-2.0", .provides = "protocol:ping",
               .summary = "Datagrams behind a liveness probe", .maturity = Maturity::experimental) {
  registrar.add(kind<Ping>("ping", kOptions));
}
