// plugin.cc: registers the protocol "sctp" and says what it does to a stack.
#include "trellis/plugin.h"

#include "../property_name.h"
#include "sctp_acceptor.h"
#include "sctp_instance.h"

namespace {
using namespace trellis;

class Sctp final : public Protocol {
 public:
  explicit Sctp(sctp::Settings settings) : settings_(std::move(settings)) {}
  static Result<std::unique_ptr<Protocol>> make(const Options& options) {
    auto settings = sctp::Settings::from(options);
    if (!settings) return std::unexpected(std::move(settings.error()));
    return std::make_unique<Sctp>(std::move(*settings));
  }

  // Neither secret nor authentic: `security` stays that of the layer below, so it races with its like only.
  LayerTraits traits(Face above) const noexcept override {
    if (above != settings_.face()) return {.above = Face::none};
    FeatureSet adds = {Feature::reliability,        Feature::ordering,     Feature::full_integrity_check,
                       Feature::congestion_control, Feature::flow_control, Feature::multistreaming,
                       Feature::keepalive,          Feature::half_close,   Feature::duplicate_protection};
    FeatureSet removes = {Feature::soft_errors};
    const FeatureSet several = {Feature::multipath, Feature::path_migration};
    if (settings_.multihoming) adds = adds | several;
    if (above == Face::message) {
      adds = adds | FeatureSet{Feature::boundaries, Feature::per_message_reliability, Feature::per_message_order,
                               Feature::partial_delivery};
    } else {
      removes = removes | FeatureSet{Feature::boundaries};
    }
    return {
        .above = above,
        .below = Face::datagram,
        .adds = adds,
        .removes = removes,
        .switchable = settings_.multihoming ? several | FeatureSet{Feature::keepalive} : FeatureSet{Feature::keepalive},
        .handshake_rtts = 2,
        .accepts = Accepts::over_one_lower,
        .segments = true,
        .one_loop = true};
  }
  Reach reach(std::string_view name) const noexcept override {
    if (same_name(name, sctp::kStreamPath)) return Reach::connection;
    const bool once =
        same_name(name, sctp::kPrimary) || same_name(name, sctp::kPath) || same_name(name, sctp::kPeerPrimary);
    return once ? Reach::once : Reach::group;
  }
  Result<std::unique_ptr<ProtocolInstance>> connect(const Seat& seat) const noexcept override {
    return std::make_unique<sctp::SctpInstance>(seat, settings_);
  }
  Result<std::unique_ptr<Acceptor>> listen(AcceptHost& host, LowerPort lower) const noexcept override {
    return std::make_unique<sctp::SctpAcceptor>(host, lower, settings_);
  }

 private:
  sctp::Settings settings_;
};

}  // namespace

TRELLIS_PLUGIN(.name = "sctp", .version = "0.1.0", .license = "Apache-2.0", .provides = "protocol:sctp",
               .summary =
                   "SCTP in user space: messages and streams (RFC 9260, 8260, 6525, 5061, 3758) over UDP (RFC 6951) "
                   "or IP",
               .maturity = Maturity::experimental) {
  registrar.add(kind<Sctp>("sctp", sctp::sctp_options()));
}
