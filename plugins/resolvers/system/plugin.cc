// plugin.cc: registers the resolver "system".
#include "trellis/plugin.h"

#include "system_resolver.h"

TRELLIS_PLUGIN(.name = "system", .version = "0.1.0", .license = "Apache-2.0", .provides = "resolver:system",
               .summary = "Names as the host resolves them (getaddrinfo)", .maturity = trellis::Maturity::beta) {
  registrar.add(std::make_unique<trellis::SystemResolver>());
}
