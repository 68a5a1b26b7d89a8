#include "core/security_mode.h"

#include <algorithm>

#include "core/layer_names.h"

namespace trellis {
namespace {

constexpr FeatureSet kSecurity = {Feature::confidentiality, Feature::peer_authentication};

/// The same stack as somebody would write it who does without security.
StackSpec without_security(StackSpec spec, const ComposedStack& stack) {
  std::vector<LayerSpec> kept;
  for (std::size_t i = 0; i < spec.layers.size(); ++i) {  // top first, and bottom first
    const LayerTraits& traits = stack.layers[stack.layers.size() - 1 - i].traits;
    if (traits.security.family.empty()) kept.push_back(std::move(spec.layers[i]));
  }
  spec.layers = std::move(kept);
  spec.name += " in clear";
  return spec;
}

}  // namespace

bool secures(const StackTraits& stack) noexcept { return stack.have.contains(kSecurity); }

Result<void> suits(const StackTraits& stack, const Security* parameters) {
  if (parameters == nullptr || parameters->mode == SecurityMode::opportunistic) return {};
  const bool wanted = parameters->mode != SecurityMode::disabled;
  if (secures(stack) == wanted) return {};
  return fail(Reason::unsupported,
              wanted ? "secures nothing, and there are security parameters that ask for it: take a secured stack, or "
                       "new_disabled_security_parameters()"
                     : "is secured, and the security parameters disable that",
              0, kComposeLayer);
}

StackList in_clear(Registry& registry, const Profile& profile, const Requirements& requirements) {
  StackList list;
  for (std::size_t i = 0; i < profile.stacks.size(); ++i) {
    auto stack = profile.stacks[i];
    if (secures(stack->traits)) {
      const StackSpec spec = without_security(profile.policy.stacks[i], *stack);
      auto composed = spec.layers.empty() ? fail(Reason::unsupported) : compose(registry, spec, stack->traits.face);
      if (!composed) continue;  // what was above the layer does not stand on what was below it
      stack = std::move(*composed);
    }
    const bool known = std::ranges::contains(list, stack->text, &ComposedStack::text);
    if (!known && !secures(stack->traits) && satisfies(stack->traits, requirements)) list.push_back(std::move(stack));
  }
  return list;
}

}  // namespace trellis
