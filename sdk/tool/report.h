// report.h: what a command says about itself, for people as text and for programs as JSON, one line each.
#pragma once
#include <cstdio>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "arguments.h"
#include "exit_code.h"
#include "trellis/connection.h"
#include "trellis/race_report.h"

namespace trellis::tool {

/// One row for each attempt: "1.1.2  tcp to 192.0.2.1:443  started at 250 ms: …; failed at 260 ms: …".
std::string attempts_text(const RaceReport& race);

/// Says what happened. Text goes out as "trellis COMMAND: …" or "EVENT key=value …", JSON as one object per line.
class Report {
 public:
  using Value = std::variant<std::string, double, std::int64_t>;
  using Fields = std::vector<std::pair<std::string, Value>>;

  Report(std::string_view command, bool json) : command_(command), json_(json) {}

  /// A line for scripts: `connected stack=tcp remote=…`, or {"event":"connected","stack":"tcp",…}.
  void event(std::FILE* to, std::string_view name, const Fields& fields) const;
  /// The stack and the addresses of a Connection, for event().
  static Fields describe(const Connection& connection);
  /// How a race went, on standard error: as text the attempts only, as JSON all of it.
  void race(const RaceReport& race) const;
  /// What failed, on standard error; returns what the process exits with.
  ExitCode error(const Error& error, ExitCode otherwise) const;
  /// A wrong command line, on standard error, and where to read on.
  ExitCode usage(const Error& error) const;
  /// Something that ends nothing, on standard error.
  void warning(std::string_view who, std::string_view text) const;

 private:
  std::string command_;
  bool json_;
};

/// How every command begins: reads its command line. A code: it ends there, since its help was wanted, or what is wrong
/// was said.
std::optional<ExitCode> read_command_line(Arguments& arguments, std::span<char* const> words);

}  // namespace trellis::tool
