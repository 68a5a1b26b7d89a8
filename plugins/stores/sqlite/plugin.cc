#include "trellis/plugin.h"

#include "sqlite_store.h"

TRELLIS_PLUGIN(.name = "sqlite", .version = "0.1.0", .license = "Apache-2.0", .provides = "store:sqlite",
               .summary = "Tickets and history in a file, shared by the processes of a user",
               .maturity = trellis::Maturity::beta) {
  registrar.add(std::make_unique<trellis::sqlite::SqliteStore>());
}
