#include "core/selection_properties.h"

#include <algorithm>

#include "core/text.h"

namespace trellis {
namespace {

struct Named {
  std::string_view name;
  Feature feature;
};
constexpr Named kNamed[] = {
    {"reliability", Feature::reliability},
    {"preserveMsgBoundaries", Feature::boundaries},
    {"perMsgReliability", Feature::per_message_reliability},
    {"preserveOrder", Feature::ordering},
    {"zeroRttMsg", Feature::zero_rtt},
    {"multistreaming", Feature::multistreaming},
    {"fullChecksumSend", Feature::full_integrity_check},
    {"fullChecksumRecv", Feature::full_integrity_check},
    {"congestionControl", Feature::congestion_control},
    {"keepAlive", Feature::keepalive},
    {"softErrorNotify", Feature::soft_errors},
};

}  // namespace

FeatureSet features_of(const ComposedStack& stack, Face face) {
  if (face == stack.traits.face) return stack.traits.have;
  std::vector<NamedTraits> layers;
  layers.reserve(stack.layers.size());
  for (const ComposedLayer& layer : stack.layers) layers.push_back({layer.name, layer.traits});
  layers.back().traits = stack.layers.back().protocol->traits(face);
  const auto folded = fold(layers);
  return folded ? folded->have : stack.traits.have;
}

std::optional<Feature> selected_feature(std::string_view name) {
  const auto* const known = std::ranges::find_if(kNamed, [&](const Named& n) { return same_word(n.name, name); });
  return known != std::ranges::end(kNamed) ? std::optional(known->feature) : std::nullopt;
}

std::optional<bool> selection_property(const ComposedStack& stack, Face face, std::string_view name) {
  const auto feature = selected_feature(name);
  return feature ? std::optional(features_of(stack, face).has(*feature)) : std::nullopt;
}

std::optional<Direction> direction_of(const PropertyValue& value) {
  const auto* const word = std::get_if<std::string>(&value);
  const auto* const known = word != nullptr ? std::ranges::find(kDirectionWords, *word) : std::end(kDirectionWords);
  if (known == std::end(kDirectionWords)) return std::nullopt;
  return static_cast<Direction>(known - kDirectionWords);
}

Result<void> check_text(std::string_view name, const PropertyValue& value) {
  const auto* const text = std::get_if<std::string>(&value);
  if (text == nullptr || find_bad_utf8(*text) == std::string_view::npos) return {};
  return fail(Reason::invalid_argument,
              std::string(name) + ": found bytes that are not UTF-8 at offset " + std::to_string(find_bad_utf8(*text)) +
                  ", expected UTF-8",
              0, "core");
}

bool is_hint(std::string_view name) { return same_word(name, kMinSendRate.name) || same_word(name, kMinRecvRate.name); }

bool is_specialized(std::string_view name) { return name.contains('.') && !name.starts_with('_'); }

bool is_of(std::string_view protocol, std::string_view name) {
  return same_word(protocol, name.substr(0, name.find('.')));
}

bool has_protocol_of(const ComposedStack& stack, std::string_view name) {
  return std::ranges::any_of(stack.layers, [&](const ComposedLayer& layer) { return is_of(layer.name, name); });
}

}  // namespace trellis
