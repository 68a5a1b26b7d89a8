// golden.h: text that was reviewed, against text that was computed.
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

namespace trellis {

inline std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

/// What only one of the two has, "-" for the reviewed text and "+" for the computed one.
inline std::string difference(const std::string& reviewed, const std::string& computed) {
  const auto before = lines_of(reviewed), after = lines_of(computed);
  std::string all;
  for (const std::string& line : before) {
    if (!std::ranges::contains(after, line)) all += "- " + line + "\n";
  }
  for (const std::string& line : after) {
    if (!std::ranges::contains(before, line)) all += "+ " + line + "\n";
  }
  return all.empty() ? "the order of lines" : all;
}

/// Compares with tests/equivalence/NAME; with TRELLIS_REGENERATE=1 in the environment writes it instead.
inline void expect_golden(const std::string& name, const std::string& computed) {
  const std::string file = std::string(TRELLIS_SOURCE_DIR) + "/tests/equivalence/" + name;
  if (std::getenv("TRELLIS_REGENERATE") != nullptr) {
    std::ofstream(file) << computed;
    GTEST_SKIP() << "wrote " << file << ": review the difference";
  }
  std::ifstream in(file);
  const std::string reviewed{std::istreambuf_iterator<char>(in), {}};
  EXPECT_TRUE(reviewed == computed)
      << file << " says otherwise:\n"
      << difference(reviewed, computed)
      << "If this is right: TRELLIS_REGENERATE=1 build/bin/equivalence_tests, and review.";
}

}  // namespace trellis
