// plugin.cc: registers the protocol "tls" and says what it does to a stack.
#include "trellis/plugin.h"

#include "../property_name.h"
#include "record/record.h"
#include "tls_instance.h"

namespace {
using namespace trellis;

class Tls final : public Protocol {
 public:
  explicit Tls(tls::Settings settings) : shared_(std::move(settings)) {}
  static Result<std::unique_ptr<Protocol>> make(const Options& options) {
    auto settings = tls::Settings::from(options);
    if (!settings) return std::unexpected(std::move(settings.error()));
    return std::make_unique<Tls>(std::move(*settings));
  }

  // No zero_rtt: the library has no early data, so no policy can count on it. No half_close where the peer may speak
  // TLS 1.2, in which one end is the end of both (RFC 5246 section 7.2.1).
  LayerTraits traits(Face above) const noexcept override {
    if (above != Face::bytestream) return {.above = Face::none};
    FeatureSet removes = {Feature::zero_rtt};
    if (shared_.settings.version_floor < 0x0304) removes = removes | FeatureSet{Feature::half_close};
    return {.above = Face::bytestream,
            .below = Face::bytestream,
            .needs = {Feature::reliability, Feature::ordering},
            .adds = {Feature::confidentiality, Feature::peer_authentication, Feature::forward_secrecy,
                     Feature::full_integrity_check},
            .removes = removes,
            .security = {"tls", shared_.settings.version_floor, shared_.settings.anchors_name},
            .headroom = tls::kHeadroom,
            .tailroom = tls::kTailroom,
            .handshake_rtts = 1};
  }
  Reach reach(std::string_view name) const noexcept override {
    return same_name(name, tls::kKeyUpdateProperty) ? Reach::once : Reach::group;
  }
  Result<std::unique_ptr<ProtocolInstance>> connect(const Seat& seat) const noexcept override {
    return std::make_unique<tls::TlsInstance>(seat, shared_);
  }

 private:
  tls::Shared shared_;
};

}  // namespace

TRELLIS_PLUGIN(.name = "tls", .version = "0.1.0", .license = "Apache-2.0", .provides = "protocol:tls",
               .summary = "TLS 1.3 over any bytestream (RFC 8446)", .maturity = Maturity::beta) {
  registrar.add(kind<Tls>("tls", tls::tls_options()));
}
