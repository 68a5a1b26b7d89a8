// state_command.cc: `trellis state`: what connections remember of earlier ones, and how to forget it.
#include <algorithm>
#include <filesystem>
#include <format>
#include <iostream>

#include "arguments.h"
#include "commands.h"
#include "core/history.h"
#include "core/option_values.h"
#include "core/plugin_path.h"
#include "core/registry.h"
#include "core/state_keeper.h"
#include "core/text.h"
#include "report.h"
#include "transport.h"
#include "trellis/address_text.h"

namespace trellis::tool {

namespace {

using std::chrono::system_clock;

constexpr std::string_view kActions[] = {"list", "clear", "where"};

Arguments state_arguments() {
  Arguments arguments(
      "state", "[list|clear|where]",
      "Shows what connections have left for later ones: session tickets, tokens, and how attempts went. "
      "\"clear\" forgets it all, \"where\" names the file.");
  Transport::declare_state(arguments);
  arguments.footer(
      "Values of tickets and tokens are secrets and not shown. Exits with 0 when done, 1 for a wrong command "
      "line, 3 when the file cannot be used, 5 when the plugin \"sqlite\" cannot.");
  return arguments;
}

std::string_view word_of(StateKind kind) {
  switch (kind) {
    case StateKind::session_ticket: return "session-ticket";
    case StateKind::address_token: return "address-token";
    case StateKind::performance: return "performance";
    case StateKind::support: return "support";
  }
  return "";
}

std::string span_text(std::chrono::seconds time) {
  const auto s = time.count();
  if (s < 120) return std::format("{} s", s);
  if (s < 7200) return std::format("{} min", s / 60);
  return std::format("{} h", s / 3600);
}

void print(const StateEntry& entry) {
  const auto left = std::chrono::duration_cast<std::chrono::seconds>(entry.expires - system_clock::now());
  const std::string where = entry.key.endpoint == kWholeNetwork ? "(whole network)" : printable(entry.key.endpoint);
  const std::string network = entry.key.network.empty() ? "" : " on " + printable(entry.key.network);
  std::cout << std::format("{:<14}  {}{}, {}: for {} more\n", word_of(entry.key.kind), where, network,
                           printable(entry.key.protocol), span_text(std::max(left, std::chrono::seconds(0))));
  if (entry.key.kind != StateKind::performance || entry.key.detail != kRaceDetail) return;
  constexpr TimePoint kNow{std::chrono::hours(24 * 365)};
  for (const Experience& e : decode(entry.value, system_clock::now(), kNow, std::chrono::hours(24 * 7))) {
    std::string address = to_text(e.where);
    if (address.ends_with(":0")) address.resize(address.size() - 2);
    std::cout << std::format("{:16}{}/{}: {}\n", "", address, e.bits, to_text(e, kNow));
  }
}

Result<std::unique_ptr<OpenStore>> open_file(Registry& registry, const std::string& file) {
  auto store = registry.store("sqlite");
  if (!store) return fail(std::move(store));
  auto options = OptionValues::check("store sqlite", (*store)->options(), std::vector<OptionText>{{"file", file, {}}});
  if (!options) return fail(std::move(options));
  return (*store)->open(*options);
}

int act(const std::string& action, OpenStore& store, const Report& report) {
  if (action == "clear") {
    const auto count = store.clear();
    if (!count) return report.error(count.error(), kBroken);
    std::cout << *count << " entries forgotten\n";
    return kDone;
  }
  const auto entries = store.list();
  if (!entries) return report.error(entries.error(), kBroken);
  for (const StateEntry& entry : *entries) print(entry);
  return kDone;
}

}  // namespace

int state(std::span<char* const> words) {
  Arguments arguments = state_arguments();
  if (const auto over = read_command_line(arguments, words)) return *over;
  const Report report("state", false);
  const std::string action = arguments.operands().empty() ? "list" : arguments.operands().front();
  if (arguments.operands().size() > 1 || !std::ranges::contains(kActions, action)) {
    return report.usage({Reason::invalid_argument, 0, "core",
                         "expected list, clear or where, found " + in_quotes(arguments.operands().back())});
  }
  const auto said = Transport::from(arguments, false);
  if (!said) return report.usage(said.error());
  if (action == "where") {
    std::cout << (said->state_file.empty() ? "none" : printable(said->state_file)) << '\n';
    return kDone;
  }
  std::error_code error;
  if (said->state_file.empty() || !std::filesystem::exists(said->state_file, error)) return kDone;  // nothing is kept
  Registry registry(plugin_directories({}, {}), {});
  const auto store = open_file(registry, said->state_file);
  if (!store) return report.error(store.error(), kRefused);
  const int code = act(action, **store, report);
  std::cout.flush();
  return std::cout ? code : report.error({Reason::exhausted, 0, "stdout", "cannot write standard output"}, kBroken);
}

}  // namespace trellis::tool
