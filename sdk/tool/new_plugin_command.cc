// new_plugin_command.cc: `trellis new-plugin`: copies a template that builds and passes at once, under a new name.
#include <algorithm>
#include <cctype>
#include <cstdio>
#include <filesystem>
#include <format>
#include <fstream>
#include <iostream>
#include <iterator>

#include "arguments.h"
#include "commands.h"
#include "core/nearest.h"
#include "core/text.h"
#include "report.h"

namespace trellis::tool {

namespace {

namespace fs = std::filesystem;

Arguments new_plugin_arguments() {
  Arguments arguments(
      "new-plugin", "KIND NAME [FOLDER]",
      "Makes a folder with a plugin that builds and passes the conformance kit at once: a start for one "
      "of your own. NAME is in lower case and hyphens; FOLDER is ./NAME when not given.");
  arguments.footer("Kinds: protocol. What to do with the folder is said when it is made.");
  return arguments;
}

Error cannot(const std::string& what, const std::error_code& why) {
  return {Reason::exhausted, static_cast<std::uint64_t>(why.value()), "core", "cannot " + what + ": " + why.message()};
}

/// Where this program is installed, or the build folder that it lies in.
fs::path prefix() {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  return program.parent_path().parent_path();
}

std::vector<std::string> kinds() {
  std::vector<std::string> found;
  std::error_code error;
  for (fs::directory_iterator entry(prefix() / "share/trellis/template", error), end; !error && entry != end;
       entry.increment(error)) {
    if (entry->is_directory()) found.push_back(entry->path().filename());
  }
  std::ranges::sort(found);
  return found;
}

void replace_all(std::string& text, std::string_view from, const std::string& to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
}

/// The template is a plugin named "example". Its name stands there as a word of policies (example), of C++ (example_…)
/// and of types (Example…).
std::string renamed(std::string text, const std::string& name) {
  std::string snake = name, pascal;
  std::ranges::replace(snake, '-', '_');
  bool upper = true;
  for (const char c : name) {
    if (c != '-') pascal += upper ? static_cast<char>(std::toupper(static_cast<unsigned char>(c))) : c;
    upper = c == '-';
  }
  replace_all(text, "Example", pascal);
  replace_all(text, "example_", snake + "_");
  replace_all(text, "example", name);
  return text;
}

Result<void> copy(const fs::path& from, const fs::path& folder, const std::string& name) {
  std::ifstream in(from, std::ios::binary);
  const std::string text(std::istreambuf_iterator<char>(in), {});
  const fs::path to = folder / renamed(from.filename(), name);
  std::ofstream out(to, std::ios::binary);
  out << renamed(text, name);
  out.close();
  if (in && out) return {};
  return std::unexpected(
      cannot(std::format("copy {} to {}", from.string(), to.string()), {errno, std::generic_category()}));
}

Result<void> make(const std::string& kind, const std::string& name, const fs::path& folder) {
  std::error_code error;
  if (fs::exists(folder, error) && !fs::is_empty(folder, error)) {
    return std::unexpected(wrong_argument(folder.string() + " is there already and not empty: name another folder"));
  }
  fs::create_directories(folder, error);
  if (error) return std::unexpected(cannot("make the folder " + folder.string(), error));
  const fs::path from = prefix() / "share/trellis/template" / kind;
  for (fs::directory_iterator entry(from, error), end; !error && entry != end; entry.increment(error)) {
    if (auto copied = copy(entry->path(), folder, name); !copied) return copied;
  }
  if (error) return std::unexpected(cannot("read the template " + from.string(), error));
  return {};
}

Result<void> check_words(const std::vector<std::string>& words) {
  if (words.size() < 2 || words.size() > 3)
    return std::unexpected(wrong_argument("expected a kind, a name and perhaps a folder"));
  const std::vector<std::string> known = kinds();
  if (!std::ranges::contains(known, words[0])) {
    const std::vector<std::string_view> views(known.begin(), known.end());
    return std::unexpected(
        wrong_argument(std::format("found kind {}, {}", in_quotes(words[0]), expected_one_of(words[0], views))));
  }
  if (!is_kebab_case(words[1]) || words[1].size() > 31) {
    return std::unexpected(wrong_argument(std::format(
        "found name {}, expected 31 letters, digits and single hyphens at most, in lower case", in_quotes(words[1]))));
  }
  return {};
}

}  // namespace

int new_plugin(std::span<char* const> words) {
  Arguments arguments = new_plugin_arguments();
  if (const auto over = read_command_line(arguments, words)) return *over;
  const Report report("new-plugin", false);
  const auto& operands = arguments.operands();
  if (const auto fine = check_words(operands); !fine) return report.usage(fine.error());
  const std::string& name = operands[1];
  const std::string folder = operands.size() > 2 ? operands[2] : name;
  if (const auto made = make(operands[0], name, folder); !made) {
    return made.error().reason == Reason::invalid_argument ? report.usage(made.error())
                                                           : report.error(made.error(), kBroken);
  }
  std::cout << std::format(
      "{0} is made. Build it and hold it to its claims:\n\n"
      "  cmake -S {0} -B {0}/build -DCMAKE_PREFIX_PATH={1}\n"
      "  cmake --build {0}/build\n"
      "  ctest --test-dir {0}/build --output-on-failure\n",
      folder, prefix().string());
  return kDone;
}

}  // namespace trellis::tool
