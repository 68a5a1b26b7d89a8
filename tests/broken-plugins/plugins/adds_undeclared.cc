#include "zoo.h"

TRELLIS_PLUGIN(.name = "adds-undeclared", .version = "1.2.3", .license = "MIT", .provides = "protocol:declared",
               .summary = "Adds what it did not declare", .maturity = trellis::Maturity::beta) {
  registrar.add(zoo::protocol("declared"));
  registrar.add(zoo::protocol("surprise"));
}
