// plugin.cc: registers the protocol "tcpls" and says what it does to a stack.
#include "trellis/plugin.h"

#include "../property_name.h"
#include "acceptor.h"

namespace {
using namespace trellis;

class Tcpls final : public Protocol {
 public:
  explicit Tcpls(tcpls::Settings settings) : shared_(std::move(settings)) {}
  static Result<std::unique_ptr<Protocol>> make(const Options& options) {
    auto settings = tcpls::Settings::from(options);
    if (!settings) return std::unexpected(std::move(settings.error()));
    return std::make_unique<Tcpls>(std::move(*settings));
  }

  LayerTraits traits(Face above) const noexcept override {
    if (above != Face::bytestream) return {.above = Face::none};
    return {
        .above = Face::bytestream,
        .below = Face::bytestream,
        .needs = {Feature::reliability, Feature::ordering},
        .adds = {Feature::confidentiality, Feature::peer_authentication, Feature::forward_secrecy,
                 Feature::full_integrity_check, Feature::multistreaming, Feature::multipath, Feature::path_migration},
        .removes = {Feature::zero_rtt},
        .switchable = {Feature::multipath, Feature::path_migration},
        .security = {"tcpls", 0x0304, shared_.settings.tls.anchors_name},
        .handshake_rtts = 1,
        .accepts = Accepts::over_many_lowers};
  }
  Reach reach(std::string_view name) const noexcept override {
    if (same_name(name, tcpls::kStreamConnection)) return Reach::connection;
    return same_name(name, tcpls::kSessionPath) ? Reach::once : Reach::group;
  }
  Result<std::unique_ptr<ProtocolInstance>> connect(const Seat& seat) const noexcept override {
    return std::make_unique<tcpls::Session>(seat, shared_, nullptr);
  }
  Result<std::unique_ptr<Acceptor>> listen(AcceptHost& host, LowerPort) const noexcept override {
    return std::make_unique<tcpls::TcplsAcceptor>(host, shared_);
  }

 private:
  tcpls::Shared shared_;
};

}  // namespace

TRELLIS_PLUGIN(.name = "tcpls", .version = "0.1.0", .license = "Apache-2.0", .provides = "protocol:tcpls",
               .summary =
                   "TCPLS draft-00: streams and failover over several "
                   "TCP connections with one TLS 1.3 session",
               .maturity = Maturity::experimental) {
  registrar.add(kind<Tcpls>("tcpls", tcpls::tcpls_options()));
}
