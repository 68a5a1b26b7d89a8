#include "zoo.h"

TRELLIS_PLUGIN(.name = "never-opened", .version = "1.2.3", .license = "MIT", .provides = "protocol:never-opened",
               .summary = "Ends the process when it is opened", .maturity = trellis::Maturity::beta) {
  registrar.add(zoo::protocol("never-opened"));
}

// Scanning a directory runs no code of what lies in it.
[[gnu::constructor]] static void opened() { __builtin_trap(); }
