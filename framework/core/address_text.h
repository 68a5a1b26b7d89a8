// address_text.h: addresses as people write them, for the engine as for applications.
#pragma once
#include "trellis/address_text.h"  // IWYU pragma: export
