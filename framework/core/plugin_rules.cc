#include "core/plugin_rules.h"

#include <algorithm>
#include <format>

#include "core/layer_names.h"
#include "core/text.h"

namespace trellis {
namespace {

bool allows(const PluginRules& set, std::string_view plugin) {
  return set.allow.empty() || std::ranges::any_of(set.allow, [&](const AllowRule& rule) {
           return rule.plugin == "*" || rule.plugin == plugin;
         });
}

/// The pins of one set for this plugin.
std::vector<std::string_view> pins(const PluginRules& set, std::string_view plugin) {
  std::vector<std::string_view> found;
  for (const AllowRule& rule : set.allow) {
    if (rule.plugin == plugin && !rule.sha256.empty()) found.push_back(rule.sha256);
  }
  return found;
}

}  // namespace

Result<void> check_allowed(std::span<const PluginRules> rules, std::string_view plugin) {
  if (rules.empty()) return {};
  if (std::ranges::any_of(rules, [&](const PluginRules& set) { return allows(set, plugin); })) return {};
  return fail(Reason::prohibited,
              std::format("found plugin {}, expected one that {} allows: add <allow plugin={}/> there if you want it",
                          in_quotes(plugin), printable(rules.front().policy), in_quotes(plugin)),
              0, kLoaderLayer);
}

bool is_pinned(std::span<const PluginRules> rules, std::string_view plugin) {
  return std::ranges::any_of(rules, [&](const PluginRules& set) { return !pins(set, plugin).empty(); });
}

Result<void> check_pins(std::span<const PluginRules> rules, std::string_view plugin, std::string_view sha256) {
  for (const PluginRules& set : rules) {
    const auto pinned = pins(set, plugin);
    if (pinned.empty() || std::ranges::contains(pinned, sha256)) continue;
    return fail(Reason::prohibited,
                std::format("found sha256 {}, expected {} as {} pins it: install the pinned file, or pin this one",
                            sha256, pinned.front(), printable(set.policy)),
                0, kLoaderLayer);
  }
  return {};
}

}  // namespace trellis
