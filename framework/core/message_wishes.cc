#include "core/message_wishes.h"

#include <algorithm>
#include <iterator>

#include "core/text.h"

namespace trellis {

std::optional<CapacityProfile> capacity_profile_of(const PropertyValue& value) {
  const auto* word = std::get_if<std::string>(&value);
  const auto* const found = std::ranges::find_if(
      kCapacityProfileWords, [word](std::string_view known) { return word != nullptr && same_word(known, *word); });
  if (found == std::ranges::end(kCapacityProfileWords)) return std::nullopt;
  return static_cast<CapacityProfile>(found - std::ranges::begin(kCapacityProfileWords) + 1);
}

namespace {

/// Calls `use` with both members that the property is about; false: there is no such property. The lifetime has none
/// in MessageProperties.
template <class Use>
bool about(std::string_view name, const Use& use) {
  const auto is = [name](const auto& property) { return same_word(name, property.name); };
  if (is(kMsgPriority))
    use(&MessageWishes::priority, &MessageProperties::priority);
  else if (is(kMsgChecksumLen))
    use(&MessageWishes::checksum_length, &MessageProperties::checksum_length);
  else if (is(kMsgOrdered))
    use(&MessageWishes::ordered, &MessageProperties::ordered);
  else if (is(kMsgReliable))
    use(&MessageWishes::reliable, &MessageProperties::reliable);
  else if (is(kSafelyReplayable))
    use(&MessageWishes::replayable, &MessageProperties::replayable);
  else if (is(kNoFragmentation))
    use(&MessageWishes::no_fragmentation, &MessageProperties::no_fragmentation);
  else if (is(kNoSegmentation))
    use(&MessageWishes::no_segmentation, &MessageProperties::no_segmentation);
  else if (is(kMsgCapacityProfile))
    use(&MessageWishes::capacity_profile, &MessageProperties::capacity_profile);
  else
    return false;
  return true;
}

// From a value to a wish; otherwise what would have been right.

const char* read(const PropertyValue& value, std::optional<Duration>& into) {
  const auto* time = std::get_if<Duration>(&value);
  if (time == nullptr || *time <= Duration::zero()) return "a duration above 0";
  into = *time;
  return nullptr;
}
const char* read(const PropertyValue& value, std::optional<bool>& into) {
  const auto* flag = std::get_if<bool>(&value);
  if (flag == nullptr) return "true or false";
  into = *flag;
  return nullptr;
}
const char* read(const PropertyValue& value, std::optional<std::uint32_t>& into) {
  const auto* number = std::get_if<std::uint64_t>(&value);
  if (number == nullptr) return "a number";
  into = static_cast<std::uint32_t>(std::min<std::uint64_t>(*number, UINT32_MAX));
  return nullptr;
}
const char* read(const PropertyValue& value, std::optional<CapacityProfile>& into) {
  const auto profile = capacity_profile_of(value);
  if (!profile) return "the name of a capacity profile";
  into = profile;
  return nullptr;
}

PropertyValue value_of(bool flag) { return flag; }
PropertyValue value_of(std::uint32_t number) { return number == UINT32_MAX ? UINT64_MAX : std::uint64_t{number}; }
PropertyValue value_of(CapacityProfile profile) {
  const auto place = static_cast<std::size_t>(std::max(profile, CapacityProfile::best_effort)) - 1;
  return std::string(kCapacityProfileWords[place]);
}

}  // namespace

bool is_message_property(std::string_view name) noexcept {
  return same_word(name, kMsgLifetime.name) || about(name, [](auto, auto) {});
}

Result<void> set_message_property(MessageWishes& wishes, std::string_view name, const PropertyValue& value) {
  const char* expected = nullptr;
  if (same_word(name, kMsgLifetime.name))
    expected = read(value, wishes.lifetime);
  else if (!about(name, [&](auto wish, auto) { expected = read(value, wishes.*wish); }))
    return fail(Reason::unsupported, std::string(name) + " is no property of messages", 0, "core");
  if (expected == nullptr) return {};
  return fail(Reason::invalid_argument, std::string(name) + " must be " + expected, 0, "core");
}

Result<PropertyValue> message_property(const MessageProperties& properties, Duration lifetime, std::string_view name) {
  if (same_word(name, kMsgLifetime.name)) return lifetime;
  PropertyValue value;
  if (!about(name, [&](auto, auto property) { value = value_of(properties.*property); }))
    return fail(Reason::unsupported, std::string(name) + " is no property of messages", 0, "core");
  return value;
}

MessageProperties properties_of(const MessageWishes& own, const MessageWishes& connection, TimePoint now) noexcept {
  MessageProperties all;
  const auto take = [&](auto wish, auto& into) {
    if (const auto& asked = own.*wish ? own.*wish : connection.*wish) into = *asked;
  };
  Duration lifetime = Duration::max();
  take(&MessageWishes::lifetime, lifetime);
  if (lifetime < TimePoint::max() - now) all.expires = now + lifetime;
  take(&MessageWishes::priority, all.priority);
  take(&MessageWishes::checksum_length, all.checksum_length);
  take(&MessageWishes::label, all.label);
  take(&MessageWishes::ordered, all.ordered);
  take(&MessageWishes::reliable, all.reliable);
  take(&MessageWishes::replayable, all.replayable);
  take(&MessageWishes::no_fragmentation, all.no_fragmentation);
  take(&MessageWishes::no_segmentation, all.no_segmentation);
  take(&MessageWishes::capacity_profile, all.capacity_profile);
  return all;
}

}  // namespace trellis
