// plugins.cc: `trellis plugins`: every file that could be a plugin, with what it says of itself or why it is refused.

#include <algorithm>
#include <array>
#include <cstdio>
#include <iostream>

#include "arguments.h"
#include "commands.h"
#include "core/plugin_path.h"
#include "core/policy.h"
#include "core/registry.h"
#include "core/text.h"
#include "json.h"
#include "report.h"

namespace trellis::tool {

namespace {

Arguments plugins_arguments() {
  Arguments arguments(
      "plugins", "",
      "Lists every file in the plugin directories: what it says of itself, or why it is refused. No code of a "
      "plugin is run.");
  arguments.value("policy", "FILE", "judge by the <plugins> element of this policy, and look where it says")
      .value("directory", "DIR", "look here first")
      .flag("json", "", "print one JSON object");
  arguments.footer(
      "Looked through, in this order: the policy's directories, --directory, TRELLIS_PLUGIN_PATH, and beside the "
      "program ../plugins and ../lib/trellis/plugins. The first of two plugins with one name wins.");
  return arguments;
}

std::string provides(const PluginInfo& info) {
  std::string text;
  for (const Provided& one : info.provides) text += (text.empty() ? "" : " ") + to_string(one);
  return text;
}

std::string_view state(const PluginEntry& entry) { return entry.refusal.empty() ? "usable" : "refused"; }

void print_text(const Registry& registry) {
  using Row = std::array<std::string, 6>;
  std::vector<Row> rows{{"NAME", "VERSION", "LICENCE", "MATURITY", "PROVIDES", "FILE"}};
  const std::vector<PluginEntry> files = registry.files();
  for (const PluginEntry& entry : files) {
    if (!entry.refusal.empty()) continue;
    const PluginInfo& info = entry.info;
    rows.push_back(
        {info.name, info.version, info.license, std::string(to_string(info.maturity)), provides(info), entry.file});
  }
  std::array<std::size_t, 6> widths{};
  for (const Row& row : rows) {
    for (std::size_t i = 0; i + 1 < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size() + 2);
  }
  if (rows.size() == 1) rows.clear();
  for (Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      row[i].resize(std::max(row[i].size(), widths[i]), ' ');
      std::cout << row[i];
    }
    std::cout << '\n';
  }
  for (const PluginEntry& entry : files) {
    if (!entry.refusal.empty()) std::cout << "refused: " << entry.refusal << '\n';
  }
}

json::object entry_json(const PluginEntry& entry) {
  json::object object;
  object["file"] = entry.file;
  object["state"] = std::string(state(entry));
  if (!entry.refusal.empty()) object["refusal"] = entry.refusal;
  if (!entry.described) return object;
  object["name"] = entry.info.name;
  object["version"] = entry.info.version;
  object["license"] = entry.info.license;
  object["maturity"] = std::string(to_string(entry.info.maturity));
  object["summary"] = entry.info.summary;
  json::array provided;
  for (const Provided& one : entry.info.provides) provided.emplace_back(to_string(one));
  object["provides"] = provided;
  return object;
}

void print_json(const Registry& registry) {
  json::object all;
  json::array files, directories;
  for (const PluginEntry& entry : registry.files()) files.emplace_back(entry_json(entry));
  for (const std::string& directory : registry.directories()) directories.emplace_back(directory);
  all["plugins"] = files;
  all["directories"] = directories;
  std::cout << to_lines(all) << '\n';
}

}  // namespace

int plugins(std::span<char* const> words) {
  Arguments arguments = plugins_arguments();
  if (const auto over = read_command_line(arguments, words)) return *over;
  const Report report("plugins", false);
  if (!arguments.operands().empty()) {
    const std::string found = in_quotes(arguments.operands().front());
    return report.usage({Reason::invalid_argument, 0, "core", "expected no operand, found " + found});
  }

  std::vector<PluginRules> rules;
  if (arguments.has("policy")) {
    auto policy = load_policy(arguments.text("policy"));
    if (!policy) return report.error(policy.error(), kRefused);
    rules.push_back(std::move(policy->plugins));
  }
  std::vector<std::string> own;
  if (arguments.has("directory")) own.push_back(arguments.text("directory"));
  const Registry registry(plugin_directories(rules, own), rules);
  if (arguments.has("json"))
    print_json(registry);
  else
    print_text(registry);
  if (registry.files().empty() && !arguments.has("json")) {
    std::string looked;
    for (const std::string& directory : registry.directories()) looked += (looked.empty() ? "" : ", ") + directory;
    std::cerr << "trellis plugins: there is no *.so in " << looked << '\n';
  }
  std::cout.flush();
  return std::cout ? kDone : report.error({Reason::exhausted, 0, "stdout", "cannot write standard output"}, kBroken);
}

}  // namespace trellis::tool
