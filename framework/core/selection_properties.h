// selection_properties.h: what a Connection's stack does, by the names of RFC 9622 section 6.2.
#pragma once
#include <optional>
#include <string_view>

#include "core/compose.h"

namespace trellis {

/// What the stack has for a Connection of this face: its streams are reliable, datagrams beside them are not.
FeatureSet features_of(const ComposedStack& stack, Face face);

/// The value that a selection property has once a Connection is established (API-111); none: no such property, or one
/// that is no yes or no. `face`: of the Connection, since the members of a group may differ in it.
std::optional<bool> selection_property(const ComposedStack& stack, Face face, std::string_view name);

/// The feature that a selection property is about; none: there is no such property. Both directions of fullChecksum are
/// one feature.
std::optional<Feature> selected_feature(std::string_view name);

/// The Direction that the value names; none: no such word (API-128).
std::optional<Direction> direction_of(const PropertyValue& value);
inline constexpr const char* kDirectionExpected =
    "direction is Bidirectional, Unidirectional Send or Unidirectional Receive";

/// Errors: a String that is not UTF-8 (API-3).
Result<void> check_text(std::string_view name, const PropertyValue& value);

/// Whether the property says only which paths suit a Connection, and no layer has anything to do with it.
bool is_hint(std::string_view name);

/// Whether the property belongs to one protocol ("tcp.userTimeoutValue"): it takes effect where that one was chosen
/// and says nothing about others (API-14, API-258). Names that begin with an underscore are ours.
bool is_specialized(std::string_view name);
bool is_of(std::string_view protocol, std::string_view name);  ///< whether it belongs to this one
/// Whether the stack has the protocol that the property belongs to.
bool has_protocol_of(const ComposedStack& stack, std::string_view name);

}  // namespace trellis
