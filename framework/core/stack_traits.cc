#include "core/stack_traits.h"

#include <format>

#include "core/layer_names.h"
#include "core/trait_words.h"

namespace trellis {
namespace {

std::unexpected<Error> misfit(std::string detail) {
  return fail(Reason::configuration, std::move(detail), 0, kComposeLayer);
}

constexpr FeatureSet kProtection = {Feature::confidentiality, Feature::peer_authentication};

FeatureSet common(FeatureSet a, FeatureSet b) { return a - (a - b); }

/// Why a layer cannot stand where it stands.
std::string wrong_face(std::string_view name, Face wanted, Face offered, std::string_view below) {
  if (wanted == Face::none) return std::format("{} is a bottom layer and cannot stand on {}", name, below);
  if (below.empty()) {
    return std::format("{} needs a layer below it that offers the face {}: the stack ends with it", name,
                       to_string(wanted));
  }
  return std::format("{} does not fit on {}: wrong face, it needs {} and gets {}", name, below, to_string(wanted),
                     to_string(offered));
}

}  // namespace

Result<StackTraits> fold(std::span<const NamedTraits> bottom_up) {
  if (bottom_up.empty()) return misfit("a stack needs at least one layer");
  StackTraits stack;
  std::string_view below;
  for (const auto& [name, layer] : bottom_up) {
    if (layer.below != stack.face || (layer.below == Face::none && !below.empty())) {
      return misfit(wrong_face(name, layer.below, stack.face, below));
    }
    if (!stack.have.contains(layer.needs)) {
      return misfit(std::format("{} needs {}, which the layers below it do not provide", name,
                                to_string(layer.needs - stack.have)));
    }
    stack.have = (stack.have | layer.adds) - layer.removes;
    stack.switchable = (stack.switchable | layer.switchable) - layer.removes;
    if (!layer.security.family.empty()) stack.security = layer.security;
    stack.face = layer.above;
    stack.headroom += layer.headroom;
    stack.tailroom += layer.tailroom;
    stack.handshake_rtts += layer.handshake_rtts;
    stack.one_loop = stack.one_loop || layer.one_loop;
    // Nobody answers for a group: no handshake, no keys, and the bottom layer tells senders apart.
    const bool one_way = layer.handshake_rtts == 0 && layer.security.family.empty() && layer.accepts == Accepts::no &&
                         !layer.adds.has(Feature::reliability);
    stack.multicast = below.empty() ? layer.multicast : stack.multicast && one_way;
    below = name;
  }
  return stack;
}

Result<void> satisfies(const StackTraits& stack, const Requirements& requirements) {
  const auto lacks = [](std::string detail) { return fail(Reason::unsupported, std::move(detail), 0, kComposeLayer); };
  if (requirements.face != Face::none && stack.face != requirements.face) {
    return lacks(std::format("offers the face {}, the application uses {}", to_string(stack.face),
                             to_string(requirements.face)));
  }
  if (const FeatureSet missing = requirements.require - stack.have; !missing.empty()) {
    return lacks("lacks what is required: " + to_string(missing));
  }
  const FeatureSet fixed = stack.have - stack.switchable;
  if (fixed.intersects(requirements.prohibit)) {
    const FeatureSet allowed = fixed - requirements.prohibit;
    return lacks("has what is prohibited and cannot be turned off: " + to_string(fixed - allowed));
  }
  return {};
}

Result<void> carries(const StackTraits& stack, const Requirements& requirements) {
  if (requirements.replayable || stack.have.has(Feature::duplicate_protection)) return {};
  return fail(Reason::unsupported,
              "may deliver a message twice, and messages are not safelyReplayable: if they are, set that on the "
              "Preconnection, or safely-replayable in the policy",
              0, kComposeLayer);
}

Result<void> reaches_groups(const StackTraits& stack) {
  if (stack.multicast) return {};
  return fail(Reason::unsupported,
              "cannot be used with a multicast group: expected udp, without layers above it that shake hands", 0,
              kComposeLayer);
}

Result<void> equivalent(const StackTraits& a, const StackTraits& b, const Requirements& requirements,
                        bool security_declared_equal) {
  if (auto fits = satisfies(a, requirements); !fits) return fits;
  if (auto fits = satisfies(b, requirements); !fits) return fits;
  const auto differ = [](std::string detail) {
    return fail(Reason::authentication, std::move(detail), 0, kComposeLayer);
  };
  if (a.face != b.face) {
    return fail(Reason::unsupported,
                std::format("one offers the face {}, the other {}", to_string(a.face), to_string(b.face)), 0,
                kComposeLayer);
  }
  if (a.security.family.empty() != b.security.family.empty()) {
    return differ("one is secure and the other is not: never equivalent");
  }
  // What a layer does counts beside what it is called: a protocol with a null cipher is no stand-in for itself.
  if (const FeatureSet one = common(a.have, kProtection), other = common(b.have, kProtection); one != other) {
    return differ(std::format("only one has {}: never equivalent", to_string((one - other) | (other - one))));
  }
  const bool same =
      a.security == b.security && a.have.has(Feature::forward_secrecy) == b.have.has(Feature::forward_secrecy);
  if (!same && !security_declared_equal) {
    return differ("security differs and the policy does not declare it equal");
  }
  return {};
}

}  // namespace trellis
