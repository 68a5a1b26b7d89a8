#include "zoo.h"

extern "C" void zoo_function_that_nobody_defines();

TRELLIS_PLUGIN(.name = "unresolved", .version = "1.2.3", .license = "MIT", .provides = "protocol:unresolved",
               .summary = "Calls a function that no library has", .maturity = trellis::Maturity::beta) {
  zoo_function_that_nobody_defines();
  registrar.add(zoo::protocol("unresolved"));
}
