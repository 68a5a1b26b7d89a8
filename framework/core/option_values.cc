#include "core/option_values.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <format>
#include <optional>
#include <ranges>

#include "core/nearest.h"
#include "core/text.h"

namespace trellis {
namespace {

using Value = std::variant<bool, std::int64_t, std::string>;

std::vector<std::string_view> split(std::string_view words) {
  std::vector<std::string_view> list;
  for (const auto part : std::views::split(words, ' ')) {
    if (!part.empty()) list.emplace_back(part);
  }
  return list;
}

std::string expected_number(const OptionSpec& spec) {
  if (spec.least == INT64_MIN && spec.most == INT64_MAX) return "a whole number";
  if (spec.most == INT64_MAX) return std::format("a whole number of at least {}", spec.least);
  if (spec.least == INT64_MIN) return std::format("a whole number of at most {}", spec.most);
  return std::format("a whole number from {} to {}", spec.least, spec.most);
}

std::optional<std::int64_t> number_of(std::string_view text) {
  std::int64_t value = 0;
  const char* const begin = text.data();
  const char* const end = begin + text.size();
  const auto [stop, error] = std::from_chars(begin, end, value);
  if (error != std::errc() || stop != end) return std::nullopt;
  return value;
}

/// The value, or how the message goes on: "expected …".
std::expected<Value, std::string> value_of(const OptionSpec& spec, const std::string& text) {
  if (std::holds_alternative<bool>(spec.fallback)) {
    if (text == "true") return true;
    if (text == "false") return false;
    return std::unexpected("expected true or false");
  }
  if (std::holds_alternative<std::int64_t>(spec.fallback)) {
    const auto number = number_of(text);
    if (number && *number >= spec.least && *number <= spec.most) return *number;
    return std::unexpected("expected " + expected_number(spec));
  }
  const auto words = split(spec.words);
  if (words.empty() || std::ranges::contains(words, text)) return text;
  return std::unexpected(expected_one_of(text, words));
}

Value fallback_of(const OptionSpec& spec) {
  if (const auto* const text = std::get_if<std::string_view>(&spec.fallback)) return std::string(*text);
  if (const auto* const flag = std::get_if<bool>(&spec.fallback)) return *flag;
  return std::get<std::int64_t>(spec.fallback);
}

std::unexpected<Error> refuse(std::string_view owner, const OptionText& given, std::string_view detail) {
  const std::string where = given.where.empty() ? std::string() : printable(given.where) + ": ";
  return fail(Reason::configuration, std::format("{}{}: {}", where, owner, detail), 0, "options");
}

}  // namespace

Result<OptionValues> OptionValues::check(std::string_view owner, std::span<const OptionSpec> schema,
                                         std::span<const OptionText> given) {
  OptionValues values;
  std::vector<std::string_view> names;
  for (const OptionSpec& spec : schema) {
    values.entries_.push_back({&spec, fallback_of(spec), false});
    names.push_back(spec.name);
  }
  for (const OptionText& one : given) {
    const auto entry = std::ranges::find(values.entries_, one.name, [](const Entry& it) { return it.spec->name; });
    if (entry == values.entries_.end()) {
      const std::string expected =
          names.empty() ? "expected none: it has no options" : expected_one_of(one.name, names);
      return refuse(owner, one, std::format("found option {}, {}", in_quotes(one.name), expected));
    }
    if (entry->given) return refuse(owner, one, std::format("found option {} twice, expected it once", one.name));
    auto value = value_of(*entry->spec, one.value);
    if (!value)
      return refuse(owner, one, std::format("found {}={}, {}", one.name, in_quotes(one.value), value.error()));
    entry->value = std::move(*value);
    entry->given = true;
  }
  return values;
}

/// A plugin that asks for what its schema does not have would read garbage in production: better to end in its test.
template <class T>
const T& OptionValues::get(std::string_view name) const noexcept {
  // Mostly it is the very literal of the schema that is asked with, and racing asks for each Connection.
  const auto literal = [name](const Entry& it) {
    return it.spec->name.data() == name.data() && it.spec->name.size() == name.size();
  };
  auto entry = std::ranges::find_if(entries_, literal);
  if (entry == entries_.end()) entry = std::ranges::find(entries_, name, [](const Entry& it) { return it.spec->name; });
  const T* const value = entry == entries_.end() ? nullptr : std::get_if<T>(&entry->value);
  if (value == nullptr) {
    std::fprintf(stderr, "trellis: a plugin asked for option '%.*s', which its schema does not have with that type\n",
                 static_cast<int>(name.size()), name.data());
    std::abort();
  }
  return *value;
}

bool OptionValues::flag(std::string_view name) const noexcept { return get<bool>(name); }
std::int64_t OptionValues::number(std::string_view name) const noexcept { return get<std::int64_t>(name); }
std::string_view OptionValues::text(std::string_view name) const noexcept { return get<std::string>(name); }

std::vector<OptionValues::Shown> OptionValues::show() const {
  std::vector<Shown> list;
  for (const Entry& entry : entries_) {
    std::string text;
    if (const auto* const flag = std::get_if<bool>(&entry.value)) {
      text = *flag ? "true" : "false";
    } else if (const auto* const number = std::get_if<std::int64_t>(&entry.value)) {
      text = std::to_string(*number);
    } else {
      text = std::get<std::string>(entry.value);
    }
    list.push_back({entry.spec->name, std::move(text), entry.given});
  }
  return list;
}

}  // namespace trellis
