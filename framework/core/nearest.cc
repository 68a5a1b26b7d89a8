// nearest.cc: optimal string alignment distance, in two rows and a half of a table.
#include "core/nearest.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace trellis {
namespace {

/// Longer words are compared with nothing: no valid word is that long, and the table would be.
constexpr std::size_t kWordMax = 64;

/// A third of the letters may be wrong; of short words one.
std::size_t tolerance(std::string_view word) { return std::max<std::size_t>(1, word.size() / 3); }

}  // namespace

std::size_t edit_distance(std::string_view from, std::string_view to) {
  std::vector<std::size_t> before(to.size() + 1), last(to.size() + 1), row(to.size() + 1);
  for (std::size_t j = 0; j <= to.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= from.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= to.size(); ++j) {
      const std::size_t differs = from[i - 1] == to[j - 1] ? 0 : 1;
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + differs});
      const bool swapped = i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1];
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    std::swap(before, last);
    std::swap(last, row);
  }
  return last[to.size()];
}

std::string_view nearest(std::string_view word, std::span<const std::string_view> words) {
  if (word.size() > kWordMax) return {};
  std::string_view best;
  std::size_t least = tolerance(word) + 1;
  for (const std::string_view candidate : words) {
    if (candidate.size() > kWordMax) continue;
    const std::size_t distance = edit_distance(word, candidate);
    if (distance < least && distance < candidate.size()) {
      least = distance;
      best = candidate;
    }
  }
  return best;
}

std::string listed(std::span<const std::string_view> words) {
  if (words.empty()) return "nothing";
  std::string list(words.front());
  for (std::size_t i = 1; i < words.size(); ++i) {
    list += i + 1 == words.size() ? " or " : ", ";
    list += words[i];
  }
  return list;
}

std::string expected_one_of(std::string_view word, std::span<const std::string_view> words) {
  std::string message = "expected " + listed(words);
  if (const std::string_view near = nearest(word, words); !near.empty()) {
    message += ": did you mean \"";
    message += near;
    message += "\"?";
  }
  return message;
}

}  // namespace trellis
