// folder.h: a folder for one test, and programs that run in it.
#pragma once
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace trellis::tests {

inline std::string read_file(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  EXPECT_TRUE(in) << file;
  return {std::istreambuf_iterator<char>(in), {}};
}

/// A new folder that is removed in the end; shell commands run in it with the built `trellis` in front of the path.
class Folder {
 public:
  Folder() {
    std::string name = std::filesystem::temp_directory_path() / "trellis-sdk-XXXXXX";
    if (mkdtemp(name.data()) == nullptr) std::abort();
    path_ = name;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  const std::filesystem::path& path() const { return path_; }

  struct Ran {
    int status = -1;
    std::string output;  ///< both streams
  };
  /// Runs lines of shell; ends at the first that fails.
  Ran run(const std::string& lines) const {
    std::ofstream(path_ / ".script") << "set -e\ncd '" << path_.string() << "'\nexport PATH='" << TRELLIS_BUILD_DIR
                                     << "/bin':\"$PATH\"\nexport TRELLIS_SOURCE='" << TRELLIS_SOURCE_DIR
                                     << "'\nexport CXX='" << TRELLIS_CXX << "' CXXFLAGS='" << TRELLIS_CXX_FLAGS << "'\n"
                                     << lines << '\n';
    Ran ran;
    std::FILE* const out = popen(("bash '" + (path_ / ".script").string() + "' 2>&1 </dev/null").c_str(), "r");
    if (out == nullptr) return ran;
    char buffer[4096];
    for (std::size_t n; (n = std::fread(buffer, 1, sizeof buffer, out)) > 0;) ran.output.append(buffer, n);
    const int status = pclose(out);
    ran.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return ran;
  }

 private:
  std::filesystem::path path_;
};

}  // namespace trellis::tests
