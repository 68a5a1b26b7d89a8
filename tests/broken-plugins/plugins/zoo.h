// zoo.h: a framer and a protocol that do nothing, for plugins that are about everything else.
#pragma once
#include "trellis/framer.h"
#include "trellis/plugin.h"
#include "trellis/protocol.h"

namespace zoo {

class Nothing final : public trellis::Protocol {
 public:
  static trellis::Result<std::unique_ptr<trellis::Protocol>> make(const trellis::Options&) {
    return std::make_unique<Nothing>();
  }
  trellis::LayerTraits traits(trellis::Face above) const noexcept override { return {.above = above}; }
  trellis::Result<std::unique_ptr<trellis::ProtocolInstance>> connect(const trellis::Seat&) const noexcept override {
    return trellis::fail(trellis::Reason::unsupported);
  }
};

class NoFraming final : public trellis::FramerKind {
 public:
  explicit NoFraming(std::string_view name) : name_(name) {}
  std::string_view name() const noexcept override { return name_; }
  trellis::Result<std::unique_ptr<trellis::Framing>> configure(const trellis::Options&) const noexcept override {
    return trellis::fail(trellis::Reason::unsupported);
  }

 private:
  std::string_view name_;
};

inline constexpr trellis::OptionSpec kOptions[] = {{"size", std::int64_t{1}, "How much of nothing", 0, 9}};

inline std::unique_ptr<trellis::ProtocolKind> protocol(std::string_view name) {
  return trellis::kind<Nothing>(name, kOptions);
}
inline std::unique_ptr<trellis::FramerKind> framer(std::string_view name) { return std::make_unique<NoFraming>(name); }

}  // namespace zoo
