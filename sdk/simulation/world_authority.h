// world_authority.h: a throw-away authority, so that policies with TLS can be raced in a world: its server shows a
// certificate for every host of the world, and its client trusts who has signed it.
#pragma once
#include <memory>

#include "simulation/world_file.h"
#include "trellis/security.h"

namespace trellis::simulation {

struct WorldSecurity {
  std::shared_ptr<const Security> client, server;
};

/// Both name the application protocol "simulation", which QUIC asks for. The same world gives the same bytes, so that
/// races stay the same. Nobody outside of a simulation trusts these keys: everybody can make them.
WorldSecurity make_world_security(const WorldFile& world);

}  // namespace trellis::simulation
