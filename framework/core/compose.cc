#include "core/compose.h"

#include <algorithm>
#include <format>
#include <utility>

#include "core/framer_layer.h"
#include "core/layer_names.h"
#include "core/proxies.h"
#include "core/text.h"
#include "core/trait_words.h"

namespace trellis {
namespace {

/// A layer that is configured, before it is known what it shall offer.
struct Part {
  std::string name;
  std::string where;
  std::string plugin;
  OptionValues options;
  std::unique_ptr<const Protocol> protocol;
};

std::unexpected<Error> at(const std::string& where, Error error) {
  if (!where.empty()) error.detail = printable(where) + ": " + error.detail;
  return std::unexpected(std::move(error));
}

std::unexpected<Error> misfit(const std::string& where, std::string detail) {
  return at(where, {Reason::configuration, 0, kComposeLayer, std::move(detail)});
}

Result<Registry::LayerKind> find(Registry& registry, const LayerSpec& spec) {
  switch (spec.kind) {
    case LayerSpec::Kind::protocol:
      return registry.protocol(spec.name).transform([](const ProtocolKind* kind) { return Registry::LayerKind(kind); });
    case LayerSpec::Kind::framer:
      return registry.framer(spec.name).transform([](const FramerKind* kind) { return Registry::LayerKind(kind); });
    case LayerSpec::Kind::either: break;
  }
  return registry.layer(spec.name);
}

Result<std::unique_ptr<const Protocol>> configure(const ProtocolKind& kind, const std::string&,
                                                  const Options& options) {
  return kind.configure(options).transform(
      [](std::unique_ptr<Protocol> made) { return std::unique_ptr<const Protocol>(std::move(made)); });
}

Result<std::unique_ptr<const Protocol>> configure(const FramerKind& kind, const std::string& name,
                                                  const Options& options) {
  return kind.configure(options).transform([&](std::unique_ptr<Framing> framing) {
    return std::unique_ptr<const Protocol>(framing ? framer_protocol(name, std::move(framing)) : nullptr);
  });
}

template <class Kind>
Result<Part> make_part(Registry& registry, const LayerSpec& spec, const Kind& kind, PluginKind of) {
  const std::string owner = std::format("{} {}", to_string(of), spec.name);
  auto options = OptionValues::check(owner, kind.options(), spec.options);
  if (!options) return fail(std::move(options));
  Part part{spec.name, spec.where, registry.provider(of, spec.name), std::move(*options), nullptr};
  auto protocol = configure(kind, spec.name, part.options);
  if (!protocol) {
    protocol.error().detail.insert(0, owner + ": ");
    return at(spec.where, std::move(protocol.error()));
  }
  if (!*protocol) return misfit(spec.where, owner + ": its plugin configured nothing, and gave no reason");
  part.protocol = std::move(*protocol);
  return part;
}

Result<Part> make_part(Registry& registry, const LayerSpec& spec) {
  auto kind = find(registry, spec);
  if (!kind) return at(spec.where, std::move(kind.error()));
  if (const auto* const protocol = std::get_if<const ProtocolKind*>(&*kind)) {
    return make_part(registry, spec, **protocol, PluginKind::protocol);
  }
  return make_part(registry, spec, *std::get<const FramerKind*>(*kind), PluginKind::framer);
}

/// What the layers do when the topmost offers `face`: each says what it then wants from the one below.
Result<std::vector<LayerTraits>> ask(const std::vector<Part>& top_down, Face face) {
  std::vector<LayerTraits> traits;
  std::string_view above = "the application";
  for (const Part& part : top_down) {
    if (face == Face::none)
      return misfit(part.where, std::format("{} is a bottom layer and cannot stand on {}", above, part.name));
    traits.push_back(part.protocol->traits(face));
    if (traits.back().above != face) {
      return misfit(part.where, std::format("{} cannot offer {} the face {}", part.name, above, to_string(face)));
    }
    face = traits.back().below;
    above = part.name;
  }
  return traits;
}

Result<std::shared_ptr<ComposedStack>> fit(const StackSpec& spec, const std::vector<Part>& top_down, Face face) {
  auto asked = ask(top_down, face);
  if (!asked) return fail(std::move(asked));
  auto stack = std::make_shared<ComposedStack>();
  std::vector<NamedTraits> bottom_up;
  for (std::size_t i = top_down.size(); i-- > 0;) bottom_up.push_back({top_down[i].name, (*asked)[i]});
  auto traits = fold(bottom_up);
  if (!traits) return at(spec.where, std::move(traits.error()));
  stack->name = spec.name;
  stack->text = stack_text(spec);
  stack->traits = std::move(*traits);
  stack->headroom = stack->traits.headroom;
  stack->tailroom = stack->traits.tailroom;
  for (const auto& [name, layer] : bottom_up) {
    stack->layers.push_back({std::string(name), {}, nullptr, layer});
    const int index = static_cast<int>(stack->layers.size()) - 1;
    if (layer.accepts != Accepts::no) stack->acceptor = index;
    if (!layer.adds.has(Feature::multistreaming)) continue;
    if (stack->multiplexer >= 0) {
      return misfit(spec.where, std::format("{} and {} both have streams: a stack can have one such layer",
                                            stack->layers[static_cast<std::size_t>(stack->multiplexer)].name, name));
    }
    stack->multiplexer = index;
  }
  return stack;
}

/// The face that is wanted, or the first that works. Of several reasons why none does, that of the first face which
/// the topmost layer offers at all says most.
Result<std::shared_ptr<ComposedStack>> fit_any(const StackSpec& spec, const std::vector<Part>& top_down, Face wanted) {
  if (wanted != Face::none) return fit(spec, top_down, wanted);
  std::optional<Error> first;
  for (const Face face : {Face::bytestream, Face::message, Face::datagram}) {
    if (top_down.front().protocol->traits(face).above != face) continue;
    auto stack = fit(spec, top_down, face);
    if (stack) return stack;
    if (!first) first = std::move(stack.error());
  }
  if (first) return std::unexpected(std::move(*first));
  return misfit(spec.where, std::format("{} offers the application no face at all", top_down.front().name));
}

}  // namespace

Result<std::shared_ptr<const ComposedStack>> compose(Registry& registry, const StackSpec& spec, Face wanted) {
  if (spec.layers.empty() || spec.layers.size() > kLayersMax) {
    return misfit(spec.where, std::format("stack {}: found {} layers, expected 1 to {}", in_quotes(spec.name),
                                          spec.layers.size(), kLayersMax));
  }
  std::vector<Part> top_down;
  for (const LayerSpec& layer : spec.layers) {
    auto part = make_part(registry, layer);
    if (!part) return fail(std::move(part));
    top_down.push_back(std::move(*part));
  }
  auto stack = fit_any(spec, top_down, wanted);
  if (!stack) return fail(std::move(stack));
  for (std::size_t i = 0; i < top_down.size(); ++i) {
    Part& part = top_down[top_down.size() - 1 - i];
    ComposedLayer& layer = (*stack)->layers[i];
    layer.options = std::move(part.options);
    layer.protocol = std::move(part.protocol);
    if (!std::ranges::contains((*stack)->plugins, part.plugin)) (*stack)->plugins.push_back(std::move(part.plugin));
  }
  (*stack)->proxied = uses_proxy(**stack);
  return std::shared_ptr<const ComposedStack>(std::move(*stack));
}

}  // namespace trellis
