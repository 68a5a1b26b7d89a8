#include "trellis/plugin.h"
#include "redis_store.h"

TRELLIS_PLUGIN(.name = "redis", .version = "0.1.0", .license = "Apache-2.0", .provides = "store:redis",
               .summary = "Tickets and history on a Redis server, shared by a fleet",
               .maturity = trellis::Maturity::experimental) {
  registrar.add(std::make_unique<trellis::redis::RedisStore>());
}
