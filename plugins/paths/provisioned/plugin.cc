// plugin.cc: registers the path provider "provisioned".
#include "trellis/plugin.h"

#include "provisioned_provider.h"

TRELLIS_PLUGIN(.name = "provisioned", .version = "0.1.0", .license = "Apache-2.0", .provides = "paths:provisioned",
               .summary = "A provisioning domain that is written in the policy (RFC 7556)",
               .maturity = trellis::Maturity::beta) {
  registrar.add(std::make_unique<trellis::ProvisionedProvider>());
}
