#include "trellis/plugin.h"

#include "dns_resolver.h"

TRELLIS_PLUGIN(.name = "dns", .version = "0.1.0", .license = "Apache-2.0", .provides = "resolver:dns",
               .summary = "Names by DNS, each path by its own servers; HTTPS and SRV records",
               .maturity = trellis::Maturity::beta) {
  registrar.add(std::make_unique<trellis::dns::DnsResolver>());
}
