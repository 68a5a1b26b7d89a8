// no_options.h: the options of a plugin that has none.
#pragma once
#include "trellis/option.h"

namespace trellis::tests {

struct NoOptions final : Options {
  std::int64_t number(std::string_view) const noexcept override { return 0; }
  bool flag(std::string_view) const noexcept override { return false; }
  std::string_view text(std::string_view) const noexcept override { return {}; }
};

}  // namespace trellis::tests
