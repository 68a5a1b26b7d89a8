// arguments.h: the command line of one command: its options, its operands and its help.
#pragma once
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "trellis/result.h"

namespace trellis::tool {

/// What a command accepts, and after parse() what it was given.
class Arguments {
 public:
  /// `operands` names what follows the options ("HOST:PORT"); `about` explains the command in a sentence or more.
  Arguments(std::string_view command, std::string_view operands, std::string_view about);

  /// An option that is there or not. At most one option of a `group` may be given.
  Arguments& flag(std::string_view name, std::string_view letter, std::string_view meaning,
                  std::string_view group = {});
  /// An option with a value, called `value` in the help.
  Arguments& value(std::string_view name, std::string_view value, std::string_view meaning,
                   std::string_view group = {});
  /// The same for an option that may be given several times.
  Arguments& list(std::string_view name, std::string_view value, std::string_view meaning);
  /// What the help says below the options.
  Arguments& footer(std::string_view text);

  /// Reads the command line without program and command. Errors: invalid_argument, with what to do.
  Result<void> parse(std::span<char* const> words);

  bool has(std::string_view name) const { return given_.contains(name); }  ///< the option was given
  std::string text(std::string_view name) const;                           ///< its value; empty when not given
  const std::vector<std::string>& texts(std::string_view name) const;      ///< all its values, in their order
  const std::vector<std::string>& operands() const { return operands_; }   ///< what followed the options
  const std::string& command() const { return command_; }                  ///< "connect"
  std::string help() const;                                                ///< the text of --help

 private:
  struct Option {
    std::string name, letter, meaning, value, group;
    bool repeatable = false;
  };
  const Option* find(std::string_view word) const;  // "--json", "-v"; null: there is none
  Result<void> take(const Option& option, std::string_view value);
  Result<void> unknown(std::string_view word) const;
  std::string command_, operand_names_, about_, footer_;
  std::vector<Option> options_;
  std::map<std::string, std::vector<std::string>, std::less<>> given_;
  std::vector<std::string> operands_;
};

/// Reads a number of seconds such as "2" or "0.5"; it must be more than zero. Errors: invalid_argument.
Result<double> parse_seconds(std::string_view option, std::string_view text);
/// Reads a whole number. Errors: invalid_argument.
Result<std::uint64_t> parse_count(std::string_view option, std::string_view text);

/// An argument that parse() could not judge is wrong; `detail`: what was found, what was expected. For Report::usage().
inline Error wrong_argument(std::string detail) { return {Reason::invalid_argument, 0, "core", std::move(detail)}; }

}  // namespace trellis::tool
