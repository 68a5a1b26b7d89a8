#include "trellis/plugin.h"
#include "staggered.h"

TRELLIS_PLUGIN(.name = "staggered", .version = "0.1.0", .license = "Apache-2.0", .provides = "racing:staggered",
               .summary = "One candidate after another, a while apart: Happy Eyeballs",
               .maturity = trellis::Maturity::beta) {
  registrar.add(std::make_unique<trellis::Staggered>());
}
