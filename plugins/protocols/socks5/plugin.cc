// plugin.cc: registers the protocol "socks5" and says what it does to a stack.
#include "trellis/plugin.h"

#include "proxy_protocol.h"
#include "socks5.h"

namespace {
using namespace trellis;

constexpr std::uint16_t kUsualPort = 1080;  // RFC 1928 section 3
constexpr auto kOptions = proxy::proxy_options(kUsualPort);
constexpr proxy::ProxyFacts kFacts{.layer = socks5::kLayer,
                                   .peer = "a SOCKS 5 proxy",
                                   .target = "socks5.target",
                                   .scheme = "socks5",
                                   .port = kUsualPort,
                                   .rtts = 2,
                                   .rtts_by_user = 3};
using Socks5 = proxy::ProxyProtocol<socks5::Client, socks5::Server, kFacts>;

}  // namespace

TRELLIS_PLUGIN(.name = "socks5", .version = "0.1.0", .license = "Apache-2.0", .provides = "protocol:socks5",
               .summary = "through a SOCKS 5 proxy, or as one (RFC 1928, RFC 1929)", .maturity = Maturity::beta) {
  registrar.add(kind<Socks5>("socks5", kOptions));
}
