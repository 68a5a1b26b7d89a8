// plugin.cc: registers the protocol "quic" and says what it does to a stack.
#include "trellis/plugin.h"

#include "../property_name.h"
#include "quic_acceptor.h"

namespace {
using namespace trellis;

class Quic final : public Protocol {
 public:
  explicit Quic(quic::Settings settings) : shared_(std::move(settings)) {}
  static Result<std::unique_ptr<Protocol>> make(const Options& options) {
    auto settings = quic::Settings::from(options);
    if (!settings) return std::unexpected(std::move(settings.error()));
    return std::make_unique<Quic>(std::move(*settings));
  }

  LayerTraits traits(Face above) const noexcept override {
    const bool offers = above == Face::bytestream || (above == Face::datagram && shared_.settings.datagrams);
    if (!offers) return {.above = Face::none};
    FeatureSet adds = {Feature::confidentiality,
                       Feature::peer_authentication,
                       Feature::forward_secrecy,
                       Feature::full_integrity_check,
                       Feature::congestion_control,
                       Feature::multistreaming,
                       Feature::zero_rtt,
                       Feature::keepalive,
                       Feature::duplicate_protection,
                       Feature::stream_abort};
    if (shared_.settings.migration) adds = adds | FeatureSet{Feature::path_migration};
    FeatureSet removes = {Feature::soft_errors};
    if (above == Face::bytestream) {
      adds = adds | FeatureSet{Feature::reliability, Feature::ordering, Feature::flow_control, Feature::half_close};
      removes = removes | FeatureSet{Feature::boundaries};
    } else {
      adds = adds | FeatureSet{Feature::boundaries};
    }
    return {.above = above,
            .below = Face::datagram,
            .adds = adds,
            .removes = removes,
            .switchable = {Feature::keepalive, Feature::zero_rtt, Feature::path_migration},
            .security = {"quic-tls", 0x0304, shared_.settings.anchors_name},
            .handshake_rtts = 1,
            .accepts = Accepts::over_one_lower,
            .segments = true};
  }
  Reach reach(std::string_view name) const noexcept override {
    return same_name(name, quic::kKeyUpdateProperty) || same_name(name, quic::kPathProperty) ? Reach::once
                                                                                             : Reach::group;
  }
  Result<std::unique_ptr<ProtocolInstance>> connect(const Seat& seat) const noexcept override {
    return std::make_unique<quic::QuicInstance>(seat, shared_);
  }
  Result<std::unique_ptr<Acceptor>> listen(AcceptHost& host, LowerPort lower) const noexcept override {
    return std::make_unique<quic::QuicAcceptor>(host, lower, shared_);
  }

 private:
  quic::Shared shared_;
};

}  // namespace

TRELLIS_PLUGIN(.name = "quic", .version = "0.1.0", .license = "Apache-2.0", .provides = "protocol:quic",
               .summary = "QUIC versions 1 and 2: streams and datagrams (RFC 9000, RFC 9221, RFC 9369)",
               .maturity = Maturity::experimental) {
  registrar.add(kind<Quic>("quic", quic::quic_options()));
}
