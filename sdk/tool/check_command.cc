// check_command.cc: `trellis check`: holds a built plugin to its claims with the conformance kit.
#include <algorithm>
#include <cstdio>

#include "arguments.h"
#include "commands.h"
#include "conformance/report.h"
#include "core/plugin_loader.h"
#include "core/text.h"
#include "core/trait_words.h"
#include "report.h"

namespace trellis::tool {

namespace {

Arguments check_arguments() {
  Arguments arguments("check", "FILE.so",
                      "Holds a plugin's protocol or framer to its own claims and to the contract, in virtual time. "
                      "Each check runs in a "
                      "process of its own.");
  arguments.value("layer", "NAME", "which protocol or framer of the plugin; not needed when it has one")
      .value("below", "LAYERS", "what to put under it, top first: tcp, tls/tcp; framers stand on tcp by themselves")
      .value("options", "SETTINGS", "its settings: name=value,name=value")
      .value("face", "FACE", "which of its faces: bytestream, message or datagram")
      .flag("text", "", "it carries printable text without line ends only")
      .value("seeds", "N", "seeds to try; 20 when not given")
      .value("seed", "N", "this seed alone")
      .value("check", "ID", "this check or group of checks alone")
      .value("case", "CASE", "this case of the check alone, in this process")
      .flag("verbose", "v", "print what happens, event by event")
      .flag("list", "", "print the checks and end");
  arguments.footer("Exit status: 0 all passed, 5 some failed, 1 the command line is wrong.");
  return arguments;
}

/// The layer to examine: the one that was named, or the only one.
Result<Provided> choose_layer(const PluginInfo& info, const std::string& wanted) {
  std::vector<Provided> layers;
  std::string words;
  for (const Provided& one : info.provides) {
    if (one.kind != PluginKind::protocol && one.kind != PluginKind::framer) continue;
    if (one.name == wanted) return one;
    words += (words.empty() ? "" : ", ") + one.name;
    layers.push_back(one);
  }
  if (layers.empty())
    return std::unexpected(
        wrong_argument("the plugin " + info.name + " has no protocol and no framer: nothing else can be checked yet"));
  if (!wanted.empty())
    return std::unexpected(
        wrong_argument("the plugin " + info.name + " has no layer " + in_quotes(wanted) + ", it has: " + words));
  if (layers.size() > 1)
    return std::unexpected(
        wrong_argument("the plugin " + info.name + " has several layers, name one with --layer: " + words));
  return layers.front();
}

Result<conformance::Settings> read_settings(const Arguments& arguments) {
  conformance::Settings settings;
  if (arguments.has("seeds")) {
    const auto seeds = parse_count("seeds", arguments.text("seeds"));
    if (!seeds) return std::unexpected(seeds.error());
    settings.seeds = std::max<std::uint64_t>(1, *seeds);
  }
  if (arguments.has("seed")) {
    const auto seed = parse_count("seed", arguments.text("seed"));
    if (!seed) return std::unexpected(seed.error());
    settings.first_seed = std::max<std::uint64_t>(1, *seed);
    settings.seeds = 1;
  }
  if (arguments.has("check")) settings.checks = {arguments.text("check")};
  settings.only_case = arguments.text("case");
  settings.in_process = arguments.has("case");
  settings.verbose = arguments.has("verbose");
  return settings;
}

/// What to put before the flags that repeat a failure.
std::string command_of(const Arguments& arguments, const conformance::Subject& subject) {
  std::string command = "trellis check " + subject.plugin;
  for (const char* option : {"layer", "below", "options", "face"}) {
    if (arguments.has(option)) command += std::string(" --") + option + "='" + arguments.text(option) + "'";
  }
  return subject.text ? command + " --text" : command;
}

Result<conformance::Subject> read_subject(const Arguments& arguments) {
  if (arguments.operands().size() != 1) return std::unexpected(wrong_argument("expected the file of one plugin"));
  conformance::Subject subject{
      .plugin = arguments.operands().front(), .options = arguments.text("options"), .text = arguments.has("text")};
  const PluginInspection seen = inspect_plugin(subject.plugin, {});
  if (!seen.refusal.empty()) return trellis::fail(Reason::configuration, seen.refusal);
  const auto layer = choose_layer(seen.info, arguments.text("layer"));
  if (!layer) return std::unexpected(layer.error());
  subject.layer = layer->name;
  if (arguments.has("below"))
    subject.below = {arguments.text("below")};
  else if (layer->kind == PluginKind::framer)
    subject.below = {"tcp"};
  if (!arguments.has("face")) return subject;
  const auto face = face_of(arguments.text("face"));
  if (!face)
    return std::unexpected(
        wrong_argument("--face: expected bytestream, message or datagram, found " + in_quotes(arguments.text("face"))));
  subject.face = *face;
  return subject;
}

}  // namespace

int check(std::span<char* const> words) {
  Arguments arguments = check_arguments();
  if (const auto over = read_command_line(arguments, words)) return *over;
  const Report report("check", false);
  if (arguments.has("list")) return conformance::list_checks();
  const auto settings = read_settings(arguments);
  if (!settings) return report.usage(settings.error());
  if (const auto known = conformance::chosen_checks(*settings); !known) return report.usage(known.error());
  const auto subject = read_subject(arguments);
  if (!subject) {
    if (subject.error().reason == Reason::invalid_argument) return report.usage(subject.error());
    return report.error(subject.error(), kRefused);
  }
  return conformance::run_and_report(*subject, *settings, command_of(arguments, *subject)) == 0 ? kDone : kRefused;
}

}  // namespace trellis::tool
