// option.h: a plugin's settings as a declared schema, so a policy file is refused with a line number
// before anything runs, and `trellis plugins` and `explain` can print every setting with its default.
#pragma once
#include <cstdint>
#include <span>
#include <string_view>
#include <variant>

namespace trellis {

/// Default of an option: a flag, a number or a text.
using OptionValue = std::variant<bool, std::int64_t, std::string_view>;

/// One setting of a plugin. Lies in the plugin's constants: everything here must live as long as the plugin.
struct OptionSpec {
  std::string_view name;           ///< kebab-case, with its unit ("idle-timeout-ms"), as in the XML
  OptionValue fallback;            ///< value when not given; also fixes the type
  std::string_view meaning;        ///< one line for a human
  std::int64_t least = INT64_MIN;  ///< numbers: smallest value allowed
  std::int64_t most = INT64_MAX;   ///< numbers: largest value allowed
  std::string_view words = {};     ///< texts: the words allowed, separated by spaces; empty: any text
};

/// The settings of one layer of one policy, validated against the schema: reading cannot fail. Asking for a name that
/// the schema does not have, or with another type, is a bug of the plugin and ends the process.
class Options {
 public:
  virtual bool flag(std::string_view name) const noexcept = 0;              ///< value of a flag
  virtual std::int64_t number(std::string_view name) const noexcept = 0;    ///< value of a number
  virtual std::string_view text(std::string_view name) const noexcept = 0;  ///< value of a text

 protected:
  ~Options() = default;
};

}  // namespace trellis
