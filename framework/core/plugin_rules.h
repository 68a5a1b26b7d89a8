// plugin_rules.h: which plugins may be opened, as the <plugins> element of a policy says.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "trellis/result.h"

namespace trellis {

/// One <allow>.
struct AllowRule {
  std::string plugin;  ///< a plugin's name, or "*" for all
  std::string sha256;  ///< 64 lower-case hexadecimal digits of the file; empty: any file
  bool operator==(const AllowRule&) const = default;
};

/// The <plugins> of one policy.
struct PluginRules {
  std::string policy;               ///< its file, for messages
  std::vector<std::string> search;  ///< directories, absolute
  std::vector<AllowRule> allow;     ///< empty: every plugin is allowed
  bool operator==(const PluginRules&) const = default;
};

/// Whether any of the rule sets allows a plugin of this name; no sets at all allow everything. An application that
/// loads several policies may use what any of them allows. Errors: "found X, expected Y: what to do".
Result<void> check_allowed(std::span<const PluginRules> rules, std::string_view plugin);

/// Whether a rule set pins this plugin's file.
bool is_pinned(std::span<const PluginRules> rules, std::string_view plugin);

/// Compares the file's hash with the pins. Pins of one set are alternatives (two versions); every set that has some
/// must agree, because one file serves all policies of an application.
Result<void> check_pins(std::span<const PluginRules> rules, std::string_view plugin, std::string_view sha256);

}  // namespace trellis
