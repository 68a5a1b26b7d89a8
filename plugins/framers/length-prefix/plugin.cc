// plugin.cc: registers the framer "length-prefix".
#include "trellis/plugin.h"

#include "length_prefix.h"

namespace {

class LengthPrefixKind final : public trellis::FramerKind {
 public:
  std::string_view name() const noexcept override { return "length-prefix"; }
  std::span<const trellis::OptionSpec> options() const noexcept override { return trellis::length_prefix_options(); }
  trellis::Result<std::unique_ptr<trellis::Framing>> configure(
      const trellis::Options& options) const noexcept override {
    return trellis::LengthPrefixFraming::make_from(options);
  }
};

}  // namespace

TRELLIS_PLUGIN(.name = "length-prefix", .version = "0.1.0", .license = "Apache-2.0", .provides = "framer:length-prefix",
               .summary = "Messages with their length in front, in 1, 2 or 4 bytes or as a QUIC varint",
               .maturity = trellis::Maturity::beta) {
  registrar.add(std::make_unique<LengthPrefixKind>());
}
