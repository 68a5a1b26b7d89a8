// option_values.h: settings given as text, checked against a plugin's schema.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "trellis/option.h"
#include "trellis/result.h"

namespace trellis {

/// One setting as somebody wrote it.
struct OptionText {
  std::string name;
  std::string value;
  std::string where = {};  ///< "file:line" for messages; empty: not from a file
};

/// Settings that fit their schema; what was not given has its default.
class OptionValues final : public Options {
 public:
  /// `owner` is for messages: "protocol tcp". The schema must outlive the values (plugins are never unloaded).
  static Result<OptionValues> check(std::string_view owner, std::span<const OptionSpec> schema,
                                    std::span<const OptionText> given);
  bool flag(std::string_view name) const noexcept override;
  std::int64_t number(std::string_view name) const noexcept override;
  std::string_view text(std::string_view name) const noexcept override;

  /// One value as it would be written; for `explain`.
  struct Shown {
    std::string_view name;
    std::string value;
    bool given;
  };
  std::vector<Shown> show() const;

 private:
  using Value = std::variant<bool, std::int64_t, std::string>;
  struct Entry {
    const OptionSpec* spec;
    Value value;
    bool given;
  };
  template <class T>
  const T& get(std::string_view name) const noexcept;
  std::vector<Entry> entries_;  // in the order of the schema
};

}  // namespace trellis
