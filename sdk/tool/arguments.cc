// arguments.cc: see arguments.h. Parsed by hand, because a command shall not wait for the loading of a library for it.
#include "arguments.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <ranges>
#include <utility>

#include "core/nearest.h"
#include "core/text.h"

namespace trellis::tool {

namespace {

constexpr std::size_t kHelpWidth = 110;
constexpr std::size_t kGap = 2;  // between the columns of the help

/// Appends text that begins at column `indent`, in lines of kHelpWidth.
void append_wrapped(std::string& out, std::string_view text, std::size_t indent) {
  const std::string next_line = "\n" + std::string(indent, ' ');
  std::string_view before;
  for (const auto line : std::views::split(text, '\n')) {
    out += std::exchange(before, next_line);
    std::size_t column = indent;
    for (const auto word : std::views::split(line, ' ')) {
      const std::size_t size = std::ranges::size(word);
      const bool fits = column + 1 + size <= kHelpWidth;
      if (column > indent) out += fits ? " " : next_line;
      column = (column == indent || !fits ? indent : column + 1) + size;
      out.append(word.begin(), word.end());
    }
  }
  out += '\n';
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

const Arguments::Option* Arguments::find(std::string_view word) const {
  const bool spelled = word.starts_with("--");
  const std::string_view name = word.substr(spelled ? 2 : 1);
  const auto found = std::ranges::find(options_, name, spelled ? &Option::name : &Option::letter);
  return found == options_.end() || name.empty() ? nullptr : &*found;
}

Result<void> Arguments::take(const Option& option, std::string_view value) {
  const bool contradicts = std::ranges::any_of(options_, [&](const Option& other) {
    const bool excludes = &other == &option ? !option.repeatable : !option.group.empty() && other.group == option.group;
    return excludes && has(other.name);
  });
  if (contradicts)
    return fail(Reason::invalid_argument, "--" + option.name + " contradicts or repeats an earlier option");
  given_[option.name].emplace_back(value);
  return {};
}

Result<void> Arguments::unknown(std::string_view word) const {
  std::vector<std::string_view> names;
  names.reserve(options_.size());
  for (const Option& option : options_) names.emplace_back(option.name);
  const std::string_view meant = nearest(word.substr(std::min<std::size_t>(2, word.size())), names);
  return fail(Reason::invalid_argument, "there is no option " + std::string(word) +
                                            (meant.empty() ? "" : ", did you mean --" + std::string(meant) + "?"));
}

Result<void> Arguments::parse(std::span<char* const> words) {
  bool only_operands = false;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string_view word = words[i];
    if (only_operands || !word.starts_with('-') || word == "-") {
      operands_.emplace_back(word);
      continue;
    }
    if (word == "--") {
      only_operands = true;
      continue;
    }
    const std::size_t sign = word.find('=');
    const std::string_view name = word.substr(0, sign);
    const Option* const option = find(name);
    if (option == nullptr) return unknown(name);
    const bool wants = !option->value.empty(), has_one = sign != std::string_view::npos;
    if (has_one && !wants) return fail(Reason::invalid_argument, std::string(name) + " takes no value");
    if (wants && !has_one && i + 1 == words.size())
      return fail(Reason::invalid_argument, std::string(name) + " needs a value");
    const std::string_view value = has_one ? word.substr(sign + 1) : wants ? words[++i] : std::string_view();
    if (auto taken = take(*option, value); !taken) return taken;
  }
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
  std::vector<std::string> names;
  std::size_t widest = 0;
  for (const Option& option : options_) {
    std::string& name = names.emplace_back(option.letter.empty() ? "" : "-" + option.letter + ", ");
    name += "--" + option.name;
    if (!option.value.empty()) name += "=" + option.value;
    widest = std::max(widest, name.size());
  }
  std::string out = "usage: trellis " + command_ + " [options] " + operand_names_ + "\n";
  append_wrapped(out, about_, 0);
  out += '\n';
  for (std::size_t i = 0; i < names.size(); ++i) {
    names[i].resize(widest + kGap, ' ');
    out += names[i];
    append_wrapped(out, options_[i].meaning, widest + kGap);
  }
  if (footer_.empty()) return out;
  out += '\n';
  append_wrapped(out, footer_, 0);
  return out;
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
