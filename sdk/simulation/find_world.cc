// find_world.cc: worlds by name: those that are shipped lie beside the policies.
#include <algorithm>
#include <filesystem>
#include <format>
#include <iterator>

#include "core/nearest.h"
#include "core/text.h"
#include "simulation/world_file.h"

namespace trellis::simulation {
namespace {

namespace fs = std::filesystem;

// Beside the program in the build tree, and where `cmake --install` puts them.
std::vector<fs::path> directories() {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error).parent_path();
  std::vector<fs::path> all;
  for (const char* place : {"../policies/worlds", "../share/trellis/policies/worlds"}) {
    all.push_back((program / place).lexically_normal());
  }
  return all;
}

std::vector<std::string> names_in(const fs::path& directory) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory, error)) {
    if (entry.path().extension() == ".xml") names.push_back(entry.path().stem());
  }
  std::ranges::sort(names);
  return names;
}

}  // namespace

std::vector<std::string> shipped_worlds() {
  std::vector<std::string> all;
  for (const fs::path& directory : directories()) std::ranges::move(names_in(directory), std::back_inserter(all));
  return all;
}

Result<std::string> find_world(const std::string& word) {
  if (!is_kebab_case(word)) return word;  // a path
  std::vector<std::string> known;
  for (const fs::path& directory : directories()) {
    std::vector<std::string> names = names_in(directory);
    if (std::ranges::contains(names, word)) return (directory / (word + ".xml")).string();
    known.insert(known.end(), names.begin(), names.end());
  }
  if (known.empty()) {
    return fail(Reason::configuration,
                std::format("found no world {} and no worlds at {}, expected the path of a world file", in_quotes(word),
                            directories().front().string()),
                0, "world");
  }
  std::vector<std::string_view> words{"the path of a world file"};
  words.insert(words.end(), known.begin(), known.end());
  return fail(Reason::configuration,
              std::format("found no world {}, {}", in_quotes(word), expected_one_of(word, words)), 0, "world");
}

}  // namespace trellis::simulation
