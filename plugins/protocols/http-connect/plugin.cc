// plugin.cc: registers the protocol "http-connect" and says what it does to a stack.
#include "trellis/plugin.h"

#include "http_connect.h"
#include "proxy_protocol.h"

namespace {
using namespace trellis;

constexpr std::uint16_t kUsualPort = 8080;  // no standard, but the custom
constexpr auto kOptions = proxy::proxy_options(kUsualPort);
constexpr proxy::ProxyFacts kFacts{.layer = http_connect::kLayer,
                                   .peer = "an HTTP proxy",
                                   .target = "http-connect.target",
                                   .scheme = "http",
                                   .port = 80,
                                   .rtts = 1,
                                   .rtts_by_user = 1};
using HttpConnect = proxy::ProxyProtocol<http_connect::Client, http_connect::Server, kFacts>;

}  // namespace

TRELLIS_PLUGIN(.name = "http-connect", .version = "0.1.0", .license = "Apache-2.0", .provides = "protocol:http-connect",
               .summary = "through an HTTP proxy by CONNECT, or as one (RFC 9110)", .maturity = Maturity::beta) {
  registrar.add(kind<HttpConnect>("http-connect", kOptions));
}
