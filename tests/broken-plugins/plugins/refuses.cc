#include "zoo.h"

TRELLIS_PLUGIN(.name = "refuses", .version = "1.2.3", .license = "MIT", .provides = "protocol:refuses",
               .summary = "Says itself that it cannot work here", .maturity = trellis::Maturity::beta) {
  registrar.add(zoo::protocol("refuses"));
  registrar.refuse("the kernel module sctp is not loaded");
}
