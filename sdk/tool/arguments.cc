// arguments.cc: see arguments.h. Poco parses and formats; its exceptions end here.
#include "arguments.h"

#include <Poco/Util/HelpFormatter.h>
#include <Poco/Util/OptionException.h>
#include <Poco/Util/OptionProcessor.h>
#include <Poco/Util/OptionSet.h>

#include <charconv>
#include <cmath>
#include <sstream>

#include "core/text.h"

namespace trellis::tool {

namespace {

constexpr int kHelpWidth = 110;

template <class Options>
Poco::Util::OptionSet to_poco(const Options& options) {
  Poco::Util::OptionSet set;
  for (const auto& option : options) {
    Poco::Util::Option made(option.name, option.letter, option.meaning);
    if (!option.value.empty()) made.argument(option.value);
    if (!option.group.empty()) made.group(option.group);
    made.repeatable(option.repeatable);
    set.addOption(made);
  }
  return set;
}

}  // namespace

Arguments::Arguments(std::string_view command, std::string_view operands, std::string_view about)
    : command_(command), operand_names_(operands), about_(about) {
  flag("help", "h", "print this and end");
}

Arguments& Arguments::flag(std::string_view name, std::string_view letter, std::string_view meaning,
                           std::string_view group) {
  options_.push_back({std::string(name), std::string(letter), std::string(meaning), {}, std::string(group)});
  return *this;
}

Arguments& Arguments::value(std::string_view name, std::string_view value, std::string_view meaning,
                            std::string_view group) {
  options_.push_back({std::string(name), {}, std::string(meaning), std::string(value), std::string(group)});
  return *this;
}

Arguments& Arguments::list(std::string_view name, std::string_view value, std::string_view meaning) {
  options_.push_back({std::string(name), {}, std::string(meaning), std::string(value), {}, true});
  return *this;
}

Arguments& Arguments::footer(std::string_view text) {
  footer_ = text;
  return *this;
}

Result<void> Arguments::parse(std::span<char* const> words) {
  const Poco::Util::OptionSet set = to_poco(options_);
  Poco::Util::OptionProcessor processor(set);
  processor.setUnixStyle(true);
  std::string waiting;  // an option whose value is the next word
  for (const char* word : words) try {
      std::string name, value;
      const bool is_option = processor.process(word, name, value);
      waiting = is_option && name.empty() && std::string_view(word) != "--" ? word : "";
      if (!is_option)
        operands_.emplace_back(word);
      else if (!name.empty())
        given_[name].push_back(value);
    } catch (const Poco::Util::IncompatibleOptionsException& thrown) {
      return fail(Reason::invalid_argument, "--" + thrown.message() + " contradicts or repeats an earlier option");
    } catch (const Poco::Util::UnknownOptionException&) {
      return fail(Reason::invalid_argument, std::string("there is no option ") + word);
    } catch (const Poco::Exception& thrown) {
      return fail(Reason::invalid_argument, std::string(word) + ": " + thrown.displayText());
    }
  if (!waiting.empty()) return fail(Reason::invalid_argument, waiting + " needs a value");
  return {};
}

std::string Arguments::text(std::string_view name) const {
  const auto found = given_.find(name);
  return found == given_.end() ? std::string() : found->second.back();
}

const std::vector<std::string>& Arguments::texts(std::string_view name) const {
  static const std::vector<std::string> kNone;
  const auto found = given_.find(name);
  return found == given_.end() ? kNone : found->second;
}

std::string Arguments::help() const {
  const Poco::Util::OptionSet set = to_poco(options_);
  Poco::Util::HelpFormatter formatter(set);
  formatter.setUnixStyle(true);
  formatter.setWidth(kHelpWidth);
  formatter.setAutoIndent();
  formatter.setCommand("trellis " + command_);
  formatter.setUsage("[options] " + operand_names_);
  formatter.setHeader(about_);
  formatter.setFooter(footer_);
  std::ostringstream out;
  formatter.format(out);
  return out.str();
}

Result<double> parse_seconds(std::string_view option, std::string_view text) {
  constexpr double kMost = 1e6;
  double seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  const bool number = error == std::errc() && end == text.data() + text.size() && std::isfinite(seconds);
  if (number && seconds > 0 && seconds <= kMost) return seconds;
  return fail(Reason::invalid_argument,
              "--" + std::string(option) + " needs a number of seconds above 0 such as 2.5, not " + in_quotes(text));
}

Result<std::uint64_t> parse_count(std::string_view option, std::string_view text) {
  std::uint64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error == std::errc() && end == text.data() + text.size()) return count;
  return fail(Reason::invalid_argument, "--" + std::string(option) + " needs a whole number, not " + in_quotes(text));
}

}  // namespace trellis::tool
