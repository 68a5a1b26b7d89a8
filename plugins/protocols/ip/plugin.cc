// plugin.cc: registers the protocol "ip".
#include <algorithm>

#include "datagram/datagram_protocol.h"
#include "trellis/plugin.h"

namespace {
using namespace trellis;

constexpr auto kOptions = datagram_options(
    {.name = "protocol",
     .fallback = std::int64_t{IPPROTO_SCTP},
     .meaning = "IP protocol number of what is carried (IANA: Assigned Internet Protocol Numbers); 132: SCTP",
     .least = 1,
     .most = 254});

/// What the kernel answers by itself, and what is no protocol but an extension header of IPv6 (RFC 8200 section 4).
constexpr int kRefused[] = {IPPROTO_TCP,      IPPROTO_UDP,  IPPROTO_UDPLITE, IPPROTO_ROUTING,
                            IPPROTO_FRAGMENT, IPPROTO_NONE, IPPROTO_DSTOPTS};

class Ip final : public DatagramProtocol {
 public:
  explicit Ip(const DatagramSettings& settings) : DatagramProtocol(settings) {}
  static Result<std::unique_ptr<Protocol>> make(const Options& options) {
    DatagramSettings settings(options, "ip");
    settings.protocol = static_cast<int>(options.number("protocol"));
    if (std::ranges::contains(kRefused, settings.protocol))
      return fail(Reason::configuration,
                  "protocol=" + std::to_string(settings.protocol) +
                      " cannot be spoken from here: the kernel answers it itself (6, 17, 136: use the layers tcp and "
                      "udp), or it is an extension header of IPv6 (43, 44, 59, 60)",
                  0, "ip");
    return std::make_unique<Ip>(settings);
  }

  // No checksum of IP covers the payload. All raw sockets get all packets, so loops could not share them.
  LayerTraits traits(Face above) const noexcept override {
    if (above != Face::datagram) return {.above = Face::none};
    return {.above = Face::datagram,
            .below = Face::none,
            .adds = {Feature::boundaries, Feature::soft_errors},
            .accepts = Accepts::over_one_lower,
            .segments = true,
            .one_loop = true};
  }
};

}  // namespace

TRELLIS_PLUGIN(.name = "ip", .version = "0.1.0", .license = "Apache-2.0", .provides = "protocol:ip",
               .summary = "packets of one IP protocol on raw sockets (RFC 791, RFC 8200); takes CAP_NET_RAW",
               .maturity = Maturity::experimental) {
  registrar.add(kind<Ip>("ip", kOptions));
}
