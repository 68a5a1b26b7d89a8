// given.h: options as a policy gives them.
#pragma once
#include <cstdlib>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "trellis/option.h"

namespace trellis::test {

/// The options of a layer in a policy that gives some of them.
class Given final : public Options {
 public:
  Given(std::span<const OptionSpec> specs, std::map<std::string, OptionValue> values)
      : specs_(specs), values_(std::move(values)) {}
  bool flag(std::string_view name) const noexcept override { return std::get<bool>(value(name)); }
  std::int64_t number(std::string_view name) const noexcept override { return std::get<std::int64_t>(value(name)); }
  std::string_view text(std::string_view name) const noexcept override {
    return std::get<std::string_view>(value(name));
  }

 private:
  OptionValue value(std::string_view name) const {
    if (const auto found = values_.find(std::string(name)); found != values_.end()) return found->second;
    for (const OptionSpec& spec : specs_) {
      if (spec.name == name) return spec.fallback;
    }
    std::abort();
  }
  std::span<const OptionSpec> specs_;
  std::map<std::string, OptionValue> values_;
};

}  // namespace trellis::test
