#include "zoo.h"

TRELLIS_PLUGIN(.name = "adds-nothing", .version = "1.2.3", .license = "MIT",
               .provides = "protocol:missing framer:there", .summary = "Does not add all that it declares",
               .maturity = trellis::Maturity::beta) {
  registrar.add(zoo::framer("there"));
}
