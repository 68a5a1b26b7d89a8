#include "zoo.h"

TRELLIS_PLUGIN(.name = "adds-null", .version = "1.2.3", .license = "MIT", .provides = "protocol:null",
               .summary = "Adds a null pointer", .maturity = trellis::Maturity::beta) {
  registrar.add(std::unique_ptr<trellis::ProtocolKind>());
}
