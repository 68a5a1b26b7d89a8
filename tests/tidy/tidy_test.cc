// tidy_test.cc: rules of the tree that no compiler checks. Each failure names file and line.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;
const fs::path kRoot = TRELLIS_SOURCE_DIR;

struct File {
  std::string path;  // from the root
  std::vector<std::string> lines;
};

bool starts_with_any(const std::string& text, const std::vector<std::string>& prefixes) {
  return std::ranges::any_of(prefixes, [&](const std::string& p) { return text.starts_with(p); });
}

const std::vector<File>& sources() {
  static const std::vector<File> all = [] {
    std::vector<File> found;
    for (const char* top : {"framework", "plugins", "sdk", "tests", "samples"}) {
      if (!fs::exists(kRoot / top)) continue;
      for (const auto& entry : fs::recursive_directory_iterator(kRoot / top)) {
        const std::string extension = entry.path().extension();
        if (!entry.is_regular_file() || (extension != ".h" && extension != ".cc")) continue;
        File file{fs::relative(entry.path(), kRoot), {}};
        std::ifstream in(entry.path());
        for (std::string line; std::getline(in, line);) file.lines.push_back(line);
        found.push_back(std::move(file));
      }
    }
    return found;
  }();
  return all;
}

// For each file of `under`, calls check(include, complain) with each include's path.
template <class Check>
void each_include(const std::vector<std::string>& under, Check check) {
  static const std::regex pattern(R"(^\s*#\s*include\s*([<"])([^>"]+)[>"])");
  for (const File& file : sources()) {
    if (!starts_with_any(file.path, under)) continue;
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      std::smatch m;
      if (!std::regex_search(file.lines[i], m, pattern)) continue;
      const std::string why = check(m[2].str(), m[1].str() == "<");
      if (!why.empty()) ADD_FAILURE() << file.path << ":" << i + 1 << ": includes " << m[2].str() << ": " << why;
    }
  }
}

bool is_header_of(const char* folder, const std::string& include) {
  return include.starts_with("trellis/") && fs::exists(kRoot / folder / include);
}
bool is_std(const std::string& include) {
  return include.find('/') == std::string::npos && include.find('.') == std::string::npos;
}

TEST(Tidy, ContractIncludesNothingButStdAndItself) {
  each_include({"framework/api/"}, [](const std::string& include, bool angle) -> std::string {
    if (angle && is_std(include)) return "";
    if (!angle && is_header_of("framework/api", include)) return "";
    return "framework/api includes nothing but std and itself";
  });
}

TEST(Tidy, ApplicationHeadersIncludeOnlyTheContract) {
  each_include({"framework/app/"}, [](const std::string& include, bool angle) -> std::string {
    if (angle ? is_std(include) : include.starts_with("trellis/")) return "";
    return "framework/app includes nothing but std, framework/api and itself";
  });
}

TEST(Tidy, IncludeArrowsHold) {
  const std::map<std::string, std::vector<std::string>> forbidden = {
      {"framework/core/", {"loop/", "plugins/", "conformance/", "tool/"}},
      {"framework/loop/", {"core/", "plugins/", "conformance/", "tool/"}},
      {"plugins/", {"core/", "loop/", "tool/"}},
      {"sdk/", {"plugins/"}},
      {"samples/", {"plugins/", "core/"}},
  };
  for (const auto& [folder, words] : forbidden) {
    each_include({folder}, [&](const std::string& include, bool angle) -> std::string {
      if (!angle && starts_with_any(include, words)) return folder + " must not depend on it";
      return "";
    });
  }
}

TEST(Tidy, PluginsSeeOnlyTheContract) {
  each_include({"plugins/"}, [](const std::string& include, bool) -> std::string {
    if (include.starts_with("trellis/") && !is_header_of("framework/api", include))
      return "plugins see framework/api only";
    return "";
  });
}

TEST(Tidy, ThirdPartiesStayInTheirCorner) {
  const std::vector<std::pair<std::string, std::vector<std::string>>> corners = {
      {"boost/", {"framework/core/plugin_loader", "sdk/tool/json", "sdk/tool/trace.cc"}},
      {"tinyxml2.h", {"framework/core/xml"}},
      {"event2/", {"framework/loop/libevent_loop", "framework/loop/posix_", "sdk/tool/", "tests/"}},
      {"botan/",
       {"framework/core/plugin_", "framework/core/digest", "plugins/protocols/security/", "plugins/protocols/tls",
        "plugins/protocols/tcpls", "plugins/protocols/dtls", "plugins/protocols/quic/",
        "plugins/protocols/sctp/authentication", "sdk/simulation/world_authority", "tests/"}},
      {"ngtcp2/", {"plugins/protocols/quic/", "tests/bench/"}},
      {"gnutls/", {"plugins/protocols/quic/", "tests/bench/"}},
      {"ares.h", {"plugins/resolvers/dns/", "tests/names/"}},
      {"sqlite3.h", {"plugins/stores/sqlite/", "tests/stores/"}},
      {"Poco/", {"samples/", "plugins/paths/", "plugins/stores/", "tests/"}},
  };
  for (const auto& [library, places] : corners) {
    for (const File& file : sources()) {
      if (starts_with_any(file.path, places)) continue;
      for (std::size_t i = 0; i < file.lines.size(); ++i) {
        const std::string& line = file.lines[i];
        if (line.find("#include") == std::string::npos || line.find("<" + library) == std::string::npos) continue;
        ADD_FAILURE() << file.path << ":" << i + 1 << ": " << library << " is used in its corner only";
      }
    }
  }
}

TEST(Tidy, FilesStayShort) {
  constexpr std::size_t kLinesMax = 700;
  for (const File& file : sources()) {
    EXPECT_LE(file.lines.size(), kLinesMax)
        << file.path << " has " << file.lines.size() << " lines: split it by subject";
  }
}

TEST(Tidy, LinesStayShort) {
  constexpr std::size_t kColumnsMax = 120;
  for (const File& file : sources()) {
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      const auto columns =
          std::ranges::count_if(file.lines[i], [](char c) { return (static_cast<unsigned char>(c) & 0xc0u) != 0x80u; });
      EXPECT_LE(static_cast<std::size_t>(columns), kColumnsMax) << file.path << ":" << i + 1;
    }
  }
}

TEST(Tidy, FilesSayWhatTheyAreFor) {
  for (const File& file : sources()) {
    if (file.path.starts_with("tests/broken-plugins/") || file.path.find("/template/") != std::string::npos) continue;
    ASSERT_FALSE(file.lines.empty()) << file.path;
    const bool header = file.path.ends_with(".h");
    if (!header) continue;  // a .cc's subject is told by its header
    EXPECT_TRUE(file.lines[0].starts_with("//")) << file.path << ":1: a header begins with what it is for";
  }
}

// A declaration at namespace or class level in the public headers needs a `///` before it or a `///<` behind it.
TEST(Tidy, PublicNamesHaveDocstrings) {
  // A declaration at namespace or class level; not a definition of something of another class.
  static const std::regex type(R"(^\s*(template <.*> *)?(class|struct|enum class|using|inline constexpr) )"
                               R"((\[\[nodiscard\]\] )?[A-Za-z_]+(?!.*::))");
  static const std::regex forward(R"(^\s*(class|struct) [A-Za-z_]+;)");
  static const std::regex virtual_function(R"(^\s*virtual .*\()");
  for (const File& file : sources()) {
    if (!file.path.starts_with("framework/api/") && !file.path.starts_with("framework/app/")) continue;
    bool is_private = false, in_detail = false, documented_run = false;
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      const std::string& line = file.lines[i];
      if (line.starts_with("namespace detail")) in_detail = true;
      if (line.starts_with("}  // namespace detail")) in_detail = false;
      if (line.find(" private:") != std::string::npos) is_private = true;
      if (line.find(" public:") != std::string::npos || line.starts_with("};")) is_private = false;
      const bool comment = line.find("///") != std::string::npos;
      const bool declares = (std::regex_search(line, type) && !std::regex_search(line, forward)) ||
                            (std::regex_search(line, virtual_function) && line.find("override") == std::string::npos &&
                             line.find('~') == std::string::npos);
      if (declares && !is_private && !in_detail && !comment && !documented_run) {
        ADD_FAILURE() << file.path << ":" << i + 1 << ": needs a docstring (///): " << line;
      }
      // A comment covers the declaration that follows it, over template lines and continued lines.
      const std::string trimmed = line.substr(std::min(line.find_first_not_of(' '), line.size()));
      documented_run = trimmed.starts_with("///") || trimmed.starts_with("#el") ||
                       (documented_run && (trimmed.starts_with("template") || trimmed.starts_with("#")));
    }
  }
}

TEST(Tidy, ProjectSpeaksOfItselfAlone) {
  // Words are assembled, so that this file does not contain them.
  const std::vector<std::string> banned = {std::string("/wo") + "rk/", std::string("deb.") + "debian",
                                           std::string("anthro") + "pic", std::string("TO") + "DO",
                                           std::string("FIX") + "ME"};
  for (const File& file : sources()) {
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      for (const std::string& word : banned) {
        EXPECT_EQ(file.lines[i].find(word), std::string::npos) << file.path << ":" << i + 1 << ": '" << word << "'";
      }
    }
  }
}

TEST(Tidy, TopLevelIsFixed) {
  const std::set<std::string> allowed = {"CMakeLists.txt", "CMakePresets.json", "LICENSE", "README.md", "framework",
                                         "plugins",        "policies",          "samples", "sdk",       "tests"};
  for (const auto& entry : fs::directory_iterator(kRoot)) {
    const std::string name = entry.path().filename();
    if (name.starts_with(".") || name.starts_with("build")) continue;
    EXPECT_TRUE(allowed.contains(name)) << name << ": the top level is fixed";
  }
}

}  // namespace
