// plugin.cc: registers the protocol "udp".
#include "trellis/plugin.h"

#include "udp_acceptor.h"
#include "udp_instance.h"

namespace {
using namespace trellis;

class Udp final : public Protocol {
 public:
  explicit Udp(const Options& options) : settings_(options) {}
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
  Result<std::unique_ptr<ProtocolInstance>> connect(const Seat& seat) const noexcept override {
    return std::make_unique<UdpInstance>(seat, settings_);
  }
  Result<std::unique_ptr<Acceptor>> listen(AcceptHost& host, LowerPort) const noexcept override {
    return std::make_unique<UdpAcceptor>(host, settings_);
  }

 private:
  UdpLayerSettings settings_;
};

}  // namespace

TRELLIS_PLUGIN(.name = "udp", .version = "0.1.0", .license = "Apache-2.0", .provides = "protocol:udp",
               .summary = "UDP of the kernel: datagrams (RFC 768, RFC 8085)", .maturity = Maturity::beta) {
  registrar.add(kind<Udp>("udp", udp_options()));
}
