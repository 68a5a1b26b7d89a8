// plugin.cc: registers the protocol "tcp".
#include "trellis/plugin.h"

#include "tcp_acceptor.h"
#include "tcp_instance.h"

namespace {
using namespace trellis;

class Tcp final : public Protocol {
 public:
  explicit Tcp(const Options& options) : settings_(options) {}
  static Result<std::unique_ptr<Protocol>> make(const Options& options) { return std::make_unique<Tcp>(options); }

  LayerTraits traits(Face above) const noexcept override {
    if (above != Face::bytestream) return {.above = Face::none};
    FeatureSet adds = {
        Feature::reliability,  Feature::ordering,  Feature::full_integrity_check, Feature::congestion_control,
        Feature::flow_control, Feature::keepalive, Feature::half_close,           Feature::duplicate_protection};
    if (settings_.fast_open) adds = adds | FeatureSet{Feature::zero_rtt};
    return {.above = Face::bytestream,
            .below = Face::none,
            .adds = adds,
            .switchable = {Feature::keepalive},
            .handshake_rtts = 1,
            .accepts = Accepts::over_one_lower};
  }
  Result<std::unique_ptr<ProtocolInstance>> connect(const Seat& seat) const noexcept override {
    return std::make_unique<TcpInstance>(seat, settings_);
  }
  Result<std::unique_ptr<Acceptor>> listen(AcceptHost& host, LowerPort) const noexcept override {
    return std::make_unique<TcpAcceptor>(host, settings_);
  }

 private:
  TcpLayerSettings settings_;
};

}  // namespace

TRELLIS_PLUGIN(.name = "tcp", .version = "0.1.0", .license = "Apache-2.0", .provides = "protocol:tcp",
               .summary = "TCP of the kernel: a reliable bytestream (RFC 9293)", .maturity = Maturity::beta) {
  registrar.add(kind<Tcp>("tcp", tcp_options()));
}
