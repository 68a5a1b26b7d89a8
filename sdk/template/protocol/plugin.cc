// plugin.cc: registers the protocol "example", reads its options and says what it does to a stack.
#include "trellis/plugin.h"

#include "example_instance.h"

namespace {
using namespace trellis;

constexpr OptionSpec kOptions[] = {
    {.name = "chunk-bytes",
     .fallback = std::int64_t{16'384},
     .meaning = "bytes to take from a chunk at once, on a bytestream",
     .least = 1,
     .most = 1 << 20},
};

class ExampleProtocol final : public Protocol {
 public:
  explicit ExampleProtocol(const Options& options)
      : settings_{.chunk_bytes = static_cast<std::uint32_t>(options.number("chunk-bytes"))} {}
  static Result<std::unique_ptr<Protocol>> make(const Options& options) {
    return std::make_unique<ExampleProtocol>(options);
  }

  // Claims: the conformance test provokes each of them. This layer wants below what it offers above, and adds nothing.
  LayerTraits traits(Face above) const noexcept override {
    if (above == Face::none) return {.above = Face::none};
    return {.above = above, .below = above};
  }
  Result<std::unique_ptr<ProtocolInstance>> connect(const Seat& seat) const noexcept override {
    return std::make_unique<example_plugin::ExampleInstance>(seat, settings_);
  }

 private:
  example_plugin::Settings settings_;
};

}  // namespace

TRELLIS_PLUGIN(.name = "example", .version = "0.1.0", .license = "Apache-2.0", .provides = "protocol:example",
               .summary = "Passes everything through, until it does something better") {
  registrar.add(kind<ExampleProtocol>("example", kOptions));
}
