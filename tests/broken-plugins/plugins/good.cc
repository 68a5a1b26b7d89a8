#include "zoo.h"

TRELLIS_PLUGIN(.name = "good", .version = "1.2.3", .license = "MIT", .provides = "protocol:good framer:good-framing",
               .summary = "Nothing is wrong with it", .maturity = trellis::Maturity::beta) {
  registrar.add(zoo::protocol("good"));
  registrar.add(zoo::framer("good-framing"));
}
