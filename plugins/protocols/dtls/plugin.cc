// plugin.cc: registers the protocol "dtls" and says what it does to a stack.
#include "trellis/plugin.h"

#include "dtls_acceptor.h"

namespace {
using namespace trellis;

class Dtls final : public Protocol {
 public:
  explicit Dtls(dtls::Settings settings) : shared_(std::move(settings)) {}
  static Result<std::unique_ptr<Protocol>> make(const Options& options) {
    auto settings = dtls::Settings::from(options);
    if (!settings) return std::unexpected(std::move(settings.error()));
    return std::make_unique<Dtls>(std::move(*settings));
  }

  // A family of its own: the suites are those of TLS 1.2, so it never stands for TLS 1.3 unless a policy says so.
  LayerTraits traits(Face above) const noexcept override {
    if (above != Face::datagram) return {.above = Face::none};
    return {.above = Face::datagram,
            .below = Face::datagram,
            .adds = {Feature::confidentiality, Feature::peer_authentication, Feature::forward_secrecy,
                     Feature::full_integrity_check, Feature::duplicate_protection},
            .removes = {Feature::zero_rtt, Feature::half_close},
            .security = {"dtls", shared_.settings.tls.version_floor, shared_.settings.tls.anchors_name},
            .headroom = dtls::kHeadroom,
            .tailroom = dtls::kTailroom,
            .handshake_rtts = 3,
            .accepts = Accepts::over_one_lower};
  }
  Result<std::unique_ptr<ProtocolInstance>> connect(const Seat& seat) const noexcept override {
    return std::make_unique<dtls::DtlsInstance>(seat, shared_);
  }
  Result<std::unique_ptr<Acceptor>> listen(AcceptHost& host, LowerPort lower) const noexcept override {
    return std::make_unique<dtls::DtlsAcceptor>(host, lower, shared_);
  }

 private:
  dtls::Shared shared_;
};

}  // namespace

TRELLIS_PLUGIN(.name = "dtls", .version = "0.1.0", .license = "Apache-2.0", .provides = "protocol:dtls",
               .summary = "DTLS 1.2 over any datagrams (RFC 6347)", .maturity = Maturity::experimental) {
  registrar.add(kind<Dtls>("dtls", dtls::dtls_options()));
}
