// local_interface.h: which interface has an address. Until path providers say it, this is asked when somebody wants to
// know.
#pragma once
#include <string>

#include "trellis/address.h"

namespace trellis {

/// Name of the interface with this address; empty: none has it.
std::string interface_of(const Address& address);

}  // namespace trellis
