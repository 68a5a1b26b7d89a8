// message_wishes.h: what senders wish of messages, by the names of RFC 9622 section 9.1.3, and what that comes to.
#pragma once
#include <string_view>

#include "trellis/connection.h"

namespace trellis {

/// The capacity profile that the value names; none: no such profile.
std::optional<CapacityProfile> capacity_profile_of(const PropertyValue& value);

/// Whether it is a property of messages ("msgPriority"), which no layer is asked for.
bool is_message_property(std::string_view name) noexcept;

/// Notes the wish. Errors: there is no such property, or it takes other values.
Result<void> set_message_property(MessageWishes& wishes, std::string_view name, const PropertyValue& value);

/// What the properties of a message come to, as values that set_message_property() takes. Errors: there is no such
/// property.
Result<PropertyValue> message_property(const MessageProperties& properties, Duration lifetime, std::string_view name);

/// What a message asks for: its own wishes, then those of its Connection, then the defaults of the RFC.
MessageProperties properties_of(const MessageWishes& own, const MessageWishes& connection, TimePoint now) noexcept;

}  // namespace trellis
