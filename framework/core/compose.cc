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
  std::shared_ptr<const Protocol> protocol;
  const FramerProtocol* framer = nullptr;  // the protocol, when it is one
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

Result<void> configure(const ProtocolKind& kind, Part& part) {
  auto made = kind.configure(part.options);
  if (!made) return fail(std::move(made));
  part.protocol = std::move(*made);
  return {};
}

Result<void> configure(const FramerKind& kind, Part& part) {
  auto made = kind.configure(part.options);
  if (!made) return fail(std::move(made));
  if (!*made) return {};
  auto framer = std::make_shared<FramerProtocol>(part.name, std::move(*made));
  part.framer = framer.get();
  part.protocol = std::move(framer);
  return {};
}

template <class Kind>
Result<Part> make_part(Registry& registry, const LayerSpec& spec, const Kind& kind, PluginKind of) {
  const std::string owner = std::format("{} {}", to_string(of), spec.name);
  auto options = OptionValues::check(owner, kind.options(), spec.options);
  if (!options) return fail(std::move(options));
  Part part{spec.name, spec.where, registry.provider(of, spec.name), std::move(*options), nullptr};
  if (auto configured = configure(kind, part); !configured) {
    configured.error().detail.insert(0, owner + ": ");
    return at(spec.where, std::move(configured.error()));
  }
  if (!part.protocol) return misfit(spec.where, owner + ": its plugin configured nothing, and gave no reason");
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

/// A framer makes messages of a bytestream, and of messages only where there is none: above another framer (API-201).
bool stands_on_messages(const Part& part, Face above, const Protocol& below) {
  return part.framer != nullptr && above == Face::message && below.traits(Face::bytestream).above != Face::bytestream &&
         below.traits(Face::message).above == Face::message;
}

/// What the layers do when the topmost offers `face`: each says what it then wants from the one below.
Result<std::vector<LayerTraits>> ask(const std::vector<Part>& top_down, Face face) {
  std::vector<LayerTraits> traits;
  std::string_view above = "the application";
  for (std::size_t i = 0; i < top_down.size(); ++i) {
    const Part& part = top_down[i];
    if (face == Face::none)
      return misfit(part.where, std::format("{} is a bottom layer and cannot stand on {}", above, part.name));
    traits.push_back(part.protocol->traits(face));
    if (traits.back().above != face) {
      return misfit(part.where, std::format("{} cannot offer {} the face {}", part.name, above, to_string(face)));
    }
    if (i + 1 < top_down.size() && stands_on_messages(part, face, *top_down[i + 1].protocol))
      traits.back() = part.framer->over_messages();
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

/// Makes a stack of parts, top first, and gives it what they own.
Result<std::shared_ptr<const ComposedStack>> assemble(Registry& registry, const StackSpec& spec,
                                                      std::vector<Part> top_down, Face wanted) {
  auto stack = fit_any(spec, top_down, wanted);
  if (!stack) return fail(std::move(stack));
  for (std::size_t i = 0; i < top_down.size(); ++i) {
    Part& part = top_down[top_down.size() - 1 - i];
    ComposedLayer& layer = (*stack)->layers[i];
    layer.options = std::move(part.options);
    layer.protocol = std::move(part.protocol);
    layer.framer = part.framer;
    if (!std::ranges::contains((*stack)->plugins, part.plugin)) (*stack)->plugins.push_back(std::move(part.plugin));
  }
  (*stack)->proxied = uses_proxy(**stack);
  (*stack)->registry = &registry;
  return std::shared_ptr<const ComposedStack>(std::move(*stack));
}

std::unexpected<Error> wrong_depth(const StackSpec& spec) {
  return misfit(spec.where, std::format("stack {}: found {} layers, expected 1 to {}", in_quotes(spec.name),
                                        spec.layers.size(), kLayersMax));
}

}  // namespace

Result<std::shared_ptr<const ComposedStack>> compose(Registry& registry, const StackSpec& spec, Face wanted) {
  if (spec.layers.empty() || spec.layers.size() > kLayersMax) return wrong_depth(spec);
  std::vector<Part> top_down;
  for (const LayerSpec& layer : spec.layers) {
    auto part = make_part(registry, layer);
    if (!part) return fail(std::move(part));
    top_down.push_back(std::move(*part));
  }
  return assemble(registry, spec, std::move(top_down), wanted);
}

Result<std::shared_ptr<const ComposedStack>> with_framers(const std::shared_ptr<const ComposedStack>& stack,
                                                          std::string_view framers, Face wanted) {
  StackSpec spec{.name = std::string(framers), .layers = {}, .where = {}};
  if (!framers.empty()) {
    auto written = parse_stack(framers);
    if (!written) return fail(std::move(written));
    spec = std::move(*written);
  }
  std::vector<Part> top_down;
  for (LayerSpec& layer : spec.layers) {
    layer.kind = LayerSpec::Kind::framer;
    auto part = make_part(*stack->registry, layer);
    if (!part) return fail(std::move(part));
    top_down.push_back(std::move(*part));
  }
  std::size_t kept = stack->layers.size();
  while (stack->layers[kept - 1].framer != nullptr) --kept;  // the lowest layer of a stack is no framer
  while (kept-- > 0) {
    const ComposedLayer& layer = stack->layers[kept];
    spec.layers.push_back({.name = layer.name});
    const std::shared_ptr<const Protocol> shared(stack, layer.protocol.get());  // with the settings that it refers to
    const auto of = layer.framer != nullptr ? PluginKind::framer : PluginKind::protocol;
    top_down.push_back(
        {layer.name, {}, stack->registry->provider(of, layer.name), layer.options, shared, layer.framer});
  }
  if (spec.layers.size() > kLayersMax) return wrong_depth(spec);
  return assemble(*stack->registry, spec, std::move(top_down), wanted);
}

}  // namespace trellis
