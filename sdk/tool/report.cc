#include "report.h"

#include <format>

#include "core/text.h"
#include "race_json.h"
#include "trellis/address_text.h"

namespace trellis::tool {

namespace {

void put_line(std::FILE* to, const std::string& line) {
  std::fprintf(to, "%s\n", line.c_str());
  std::fflush(to);
}

std::string to_text(const Report::Value& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return text->empty() ? "-" : *text;
  if (const auto* number = std::get_if<double>(&value)) return std::format("{:.1f}", *number);
  return std::to_string(std::get<std::int64_t>(value));
}

json::object fields_json(const Report::Fields& fields) {
  json::object object;
  for (const auto& [name, value] : fields) std::visit([&](const auto& v) { object[name] = v; }, value);
  return object;
}

std::string sentence(const Error& error) {
  const std::string text = error.detail.empty() ? std::string(to_string(error.reason)) : error.detail;
  const bool said = std::string_view(error.layer) == "core" || text.starts_with(std::string(error.layer) + ":");
  return said ? text : std::string(error.layer) + ": " + text;
}

}  // namespace

std::string attempts_text(const RaceReport& race) {
  std::string all;
  for (const RaceNode& node : race.nodes) {
    const bool told = node.attempt || (node.failure && !node.branch);
    if (!told) continue;
    std::string line = std::format("  {:<9} {}  ", node.id, printable(node.text()));
    if (node.started_at == TimePoint{}) {
      line += "not started: " + node.ended_why;
    } else {
      line += std::format("started at {:.1f} ms ({})", milliseconds(node.started_at - race.begun_at), node.started_why);
      if (node.ended_at != TimePoint{})
        line += std::format(", {} at {:.1f} ms", to_string(node.state), milliseconds(node.ended_at - race.begun_at));
      if (node.failure)
        line += ": " + printable(sentence(*node.failure));
      else if (!node.ended_why.empty())
        line += ": " + node.ended_why;
    }
    all += line + "\n";
  }
  return all;
}

void Report::race(const RaceReport& race) const {
  if (json_) {
    json::object object;
    object["event"] = "race";
    object["race"] = to_json(race);
    return put_line(stderr, to_line(object));
  }
  std::fputs(attempts_text(race).c_str(), stderr);
}

void Report::event(std::FILE* to, std::string_view name, const Fields& fields) const {
  if (json_) {
    Fields all{{"event", std::string(name)}};
    all.insert(all.end(), fields.begin(), fields.end());
    return put_line(to, to_line(fields_json(all)));
  }
  std::string line(name);
  for (const auto& [key, value] : fields) line += ' ' + key + '=' + to_text(value);
  put_line(to, line);
}

Report::Fields Report::describe(const Connection& connection) {
  Fields fields{{"stack", std::string(connection.stack())},
                {"remote", trellis::to_text(connection.remote())},
                {"local", trellis::to_text(connection.local())},
                {"path", std::string(connection.interface_name())},
                {"node", std::string(connection.node())}};
  const auto resumed = connection.get("tls.resumed");
  if (resumed && *resumed == PropertyValue(true)) fields.emplace_back("resumed", "yes");
  return fields;
}

ExitCode Report::error(const Error& error, ExitCode otherwise) const {
  const ExitCode code = exit_code(error, otherwise);
  if (!json_) {
    put_line(stderr, "trellis " + command_ + ": " + sentence(error));
    return code;
  }
  event(stderr, "error",
        {{"reason", std::string(to_string(error.reason))},
         {"layer", std::string(error.layer)},
         {"code", static_cast<std::int64_t>(error.code)},
         {"detail", sentence(error)},
         {"exit", static_cast<std::int64_t>(code)}});
  return code;
}

ExitCode Report::usage(const Error& error) const {
  this->error(error, kUsage);
  if (!json_) put_line(stderr, "See: trellis " + command_ + " --help");
  return kUsage;
}

void Report::warning(std::string_view who, std::string_view text) const {
  if (json_) return event(stderr, "notice", {{"layer", std::string(who)}, {"detail", std::string(text)}});
  put_line(stderr, "trellis " + command_ + ": " + std::string(who) + ": " + std::string(text));
}

std::optional<ExitCode> read_command_line(Arguments& arguments, std::span<char* const> words) {
  const auto parsed = arguments.parse(words);
  if (!parsed) return Report(arguments.command(), arguments.has("json")).usage(parsed.error());
  if (!arguments.has("help")) return std::nullopt;
  return std::fputs(arguments.help().c_str(), stdout) < 0 ? kBroken : kDone;
}

}  // namespace trellis::tool
