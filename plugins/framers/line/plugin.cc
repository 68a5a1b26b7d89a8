// plugin.cc: registers the framer "line".
#include "trellis/plugin.h"

#include "line.h"

namespace {

class LineKind final : public trellis::FramerKind {
 public:
  std::string_view name() const noexcept override { return "line"; }
  std::span<const trellis::OptionSpec> options() const noexcept override { return trellis::line_options(); }
  trellis::Result<std::unique_ptr<trellis::Framing>> configure(
      const trellis::Options& options) const noexcept override {
    return trellis::LineFraming::make_from(options);
  }
};

}  // namespace

TRELLIS_PLUGIN(.name = "line", .version = "0.1.0", .license = "Apache-2.0", .provides = "framer:line",
               .summary = "Messages as lines of text, ended by LF or CRLF", .maturity = trellis::Maturity::beta) {
  registrar.add(std::make_unique<LineKind>());
}
