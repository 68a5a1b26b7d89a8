#include "trellis/plugin.h"

#include "hosts_resolver.h"

TRELLIS_PLUGIN(.name = "hosts", .version = "0.1.0", .license = "Apache-2.0", .provides = "resolver:hosts",
               .summary = "Names from /etc/hosts or another file, read again when it changes",
               .maturity = trellis::Maturity::beta) {
  registrar.add(std::make_unique<trellis::hosts::HostsResolver>());
}
