#include "zoo.h"

TRELLIS_PLUGIN(.name = "good", .version = "1.2.3", .license = "MIT", .provides = "protocol:same-name",
               .summary = "Has the name of another plugin", .maturity = trellis::Maturity::beta) {
  registrar.add(zoo::protocol("same-name"));
}
