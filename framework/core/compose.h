// compose.h: from a stack as written to a stack that can be opened, or to the reason why it cannot.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/option_values.h"
#include "core/registry.h"
#include "core/stack_spec.h"
#include "core/stack_traits.h"
#include "trellis/protocol.h"

namespace trellis {

class FramerProtocol;

/// A layer with its settings read.
struct ComposedLayer {
  std::string name;
  OptionValues options;                      ///< outlives the protocol, which may refer to its texts
  std::shared_ptr<const Protocol> protocol;  ///< framers are wrapped (core/framer_layer.h)
  LayerTraits traits;                        ///< for the face that it offers in this stack
  const FramerProtocol* framer = nullptr;    ///< the protocol, when it is one
};

/// A stack that fits together. Immutable; shared by all Connections that use it, on all loops.
struct ComposedStack {
  std::string name;
  std::string text;                   ///< "length-prefix/tcp"
  std::vector<ComposedLayer> layers;  ///< bottom first
  StackTraits traits;
  std::uint32_t headroom = 0;        ///< as in traits
  std::uint32_t tailroom = 0;        ///< as in traits
  int acceptor = -1;                 ///< index of the topmost layer that accepts; -1: the stack cannot listen
  int multiplexer = -1;              ///< index of the layer with streams; what is above it is made for each; -1: none
  bool proxied = false;              ///< some layer is a proxy's client
  std::vector<std::string> plugins;  ///< names of the plugins behind it, bottom first, each once
  Registry* registry = nullptr;      ///< it was composed from
};

/// Opens the plugins of a stack, reads their settings and fits the layers together so that the top offers `wanted`;
/// Face::none: the first of bytestream, message, datagram that works. Errors begin with file:line where there is one.
Result<std::shared_ptr<const ComposedStack>> compose(Registry& registry, const StackSpec& stack, Face wanted);

/// The same stack with other framers on top of it, as written: "line/length-prefix(bytes=2)"; empty: none. The layers
/// below are shared with `stack`, not configured anew. Precondition: its registry lives.
Result<std::shared_ptr<const ComposedStack>> with_framers(const std::shared_ptr<const ComposedStack>& stack,
                                                          std::string_view framers, Face wanted);

}  // namespace trellis
