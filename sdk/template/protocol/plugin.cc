// plugin.cc: what the plugin is called, what it can be told, and what it does to a stack.
#include "my_protocol_instance.h"
#include "trellis/plugin.h"

namespace {

constexpr trellis::OptionSpec kOptions[] = {{"chatty", false, "logs a line for each connection"}};

class MyProtocol final : public trellis::Protocol {
 public:
  explicit MyProtocol(bool chatty) : chatty_(chatty) {}
  static trellis::Result<std::unique_ptr<trellis::Protocol>> make(const trellis::Options& options) {
    return std::make_unique<MyProtocol>(options.flag("chatty"));
  }
  // A claim for everything that a stack gains or loses by this layer; the conformance kit tests them.
  trellis::LayerTraits traits(trellis::Face above) const noexcept override {
    if (above != trellis::Face::bytestream) return {.above = trellis::Face::none};
    return {.above = trellis::Face::bytestream, .below = trellis::Face::bytestream};
  }
  trellis::Result<std::unique_ptr<trellis::ProtocolInstance>> connect(
      const trellis::Seat& seat) const noexcept override {
    return std::make_unique<MyProtocolInstance>(seat, chatty_);
  }

 private:
  bool chatty_;
};

}  // namespace

TRELLIS_PLUGIN(.name = "my-protocol", .version = "0.1.0", .license = "Apache-2.0", .provides = "protocol:my-protocol",
               .summary = "Say in one line what it does") {
  registrar.add(trellis::kind<MyProtocol>("my-protocol", kOptions));
}
