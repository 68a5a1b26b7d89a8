#include "zoo.h"

TRELLIS_PLUGIN(.name = "adds-twice", .version = "1.2.3", .license = "MIT", .provides = "protocol:twin",
               .summary = "Adds one name twice", .maturity = trellis::Maturity::beta) {
  registrar.add(zoo::protocol("twin"));
  registrar.add(zoo::protocol("twin"));
}
