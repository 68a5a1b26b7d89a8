#include <stdexcept>

#include "zoo.h"

TRELLIS_PLUGIN(.name = "throws", .version = "1.2.3", .license = "MIT", .provides = "protocol:throws",
               .summary = "Throws in its registration", .maturity = trellis::Maturity::beta) {
  registrar.add(zoo::protocol("throws"));
  throw std::runtime_error("no entropy");
}
