#include "zoo.h"

TRELLIS_PLUGIN(.name = "bad-kind-name", .version = "1.2.3", .license = "MIT", .provides = "protocol:fine",
               .summary = "Adds a name that nobody could write", .maturity = trellis::Maturity::beta) {
  registrar.add(zoo::protocol("Not\nFine"));
}
