#include "core/plugin_path.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <ranges>
#include <string_view>

namespace trellis {
namespace {

namespace fs = std::filesystem;

class Directories {
 public:
  void add(const fs::path& directory) {
    if (directory.empty()) return;
    std::error_code error;
    fs::path real = fs::weakly_canonical(directory, error);
    if (error) real = directory.lexically_normal();
    std::string name = real.string();
    if (name.size() > 1 && name.ends_with('/')) name.pop_back();
    if (!std::ranges::contains(list_, name)) list_.push_back(std::move(name));
  }
  std::vector<std::string> take() { return std::move(list_); }

 private:
  std::vector<std::string> list_;
};

}  // namespace

std::vector<std::string> plugin_directories(std::span<const PluginRules> policies,
                                            std::span<const std::string> application) {
  Directories directories;
  for (const PluginRules& rules : policies) {
    for (const std::string& directory : rules.search) directories.add(directory);
  }
  for (const std::string& directory : application) directories.add(directory);
  if (const char* const path = secure_getenv("TRELLIS_PLUGIN_PATH"); path != nullptr) {
    for (const auto part : std::views::split(std::string_view(path), ':')) directories.add(std::string_view(part));
  }
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  if (!error) {
    directories.add(program.parent_path() / "../plugins");
    directories.add(program.parent_path() / "../lib/trellis/plugins");
  }
  return directories.take();
}

}  // namespace trellis
