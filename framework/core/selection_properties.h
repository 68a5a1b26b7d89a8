// selection_properties.h: what a Connection's stack does, by the names of RFC 9622 section 6.2.
#pragma once
#include <optional>
#include <string_view>

#include "core/compose.h"

namespace trellis {

/// The value that a selection property has once a Connection is established (API-111); none: no such property, or one
/// that is no yes or no. `face`: of the Connection, since the members of a group may differ in it.
std::optional<bool> selection_property(const ComposedStack& stack, Face face, std::string_view name);

}  // namespace trellis
