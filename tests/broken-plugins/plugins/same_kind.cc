#include "zoo.h"

TRELLIS_PLUGIN(.name = "same-kind", .version = "1.2.3", .license = "MIT", .provides = "protocol:good-framing",
               .summary = "Provides what another plugin has, as another kind of layer",
               .maturity = trellis::Maturity::beta) {
  registrar.add(zoo::protocol("good-framing"));
}
