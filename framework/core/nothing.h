// nothing.h: what a layer sees where there is nothing.
#pragma once
#include "trellis/security.h"
#include "trellis/state.h"

namespace trellis {

State& no_state() noexcept;              // remembers nothing
const Security& no_security() noexcept;  // no parameters were given

}  // namespace trellis
