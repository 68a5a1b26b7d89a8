// plugin.cc: registers the path provider "interfaces".
#include "trellis/plugin.h"

#include "interfaces_provider.h"

TRELLIS_PLUGIN(.name = "interfaces", .version = "0.1.0", .license = "Apache-2.0", .provides = "paths:interfaces",
               .summary = "The interfaces and addresses of this host (rtnetlink)",
               .maturity = trellis::Maturity::beta) {
  registrar.add(std::make_unique<trellis::InterfacesProvider>());
}
