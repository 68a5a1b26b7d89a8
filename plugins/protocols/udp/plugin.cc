// plugin.cc: registers the protocol "udp".
#include "trellis/plugin.h"

#include "datagram/datagram_protocol.h"

namespace {
using namespace trellis;

constexpr auto kOptions =
    datagram_options({.name = "checksum",
                      .fallback = true,
                      .meaning = "protect what is sent by the UDP checksum; false is possible over IPv4 only"});

class Udp final : public DatagramProtocol {
 public:
  explicit Udp(const Options& options) : DatagramProtocol({options, "udp"}) {
    settings_.checksum = options.flag("checksum");
  }
  static Result<std::unique_ptr<Protocol>> make(const Options& options) { return std::make_unique<Udp>(options); }

  LayerTraits traits(Face above) const noexcept override {
    if (above != Face::datagram) return {.above = Face::none};
    FeatureSet adds = {Feature::boundaries, Feature::soft_errors};
    if (settings_.checksum) adds = adds | FeatureSet{Feature::full_integrity_check};
    return {.above = Face::datagram,
            .below = Face::none,
            .adds = adds,
            .accepts = Accepts::over_one_lower,
            .multicast = true,
            .segments = true};
  }
};

}  // namespace

TRELLIS_PLUGIN(.name = "udp", .version = "0.1.0", .license = "Apache-2.0", .provides = "protocol:udp",
               .summary = "UDP of the kernel: datagrams (RFC 768, RFC 8085)", .maturity = Maturity::beta) {
  registrar.add(kind<Udp>("udp", kOptions));
}
