// bench.h: what a row of the benchmark is, and how it is measured.
//
// A row compares the framework with plain C code that does the same work in the same run. Both are measured in turns,
// each time in a fresh process. The row's result is the median of the ratios of these pairs, which is far steadier on a
// busy machine than any number of seconds.
#pragma once
#include <functional>
#include <string>
#include <vector>

namespace trellis::bench {

/// Which way a row's value should go.
enum class Better { lower, higher };

/// Pairs that are measured for a row at least, and for rows that the rest of the machine disturbs more.
inline constexpr int kPairsMin = 5;
inline constexpr int kPairsNoisy = 9;
/// Seconds that one measurement may take; a process that needs longer is ended and its row has failed.
inline constexpr int kSecondsMax = 60;

/// One line of the result.
struct Row {
  std::string name;   ///< kebab-case; a family shares its first word
  std::string about;  ///< one line for --list
  std::string unit;   ///< of ours() and baseline(); "" for plain numbers
  Better better = Better::lower;
  double target = 1;                      ///< the ratio must reach it: at most it, or at least it, as `better` says
  std::function<double()> ours;           ///< one measurement with the framework; runs in a process of its own
  std::function<double()> baseline = {};  ///< the same work in plain C; empty: `limit` stands in for it
  double limit = 0;                       ///< the fixed value that ours() is divided by when there is no baseline
  int pairs = kPairsMin;                  ///< measured unless more are asked for
};

/// What became of a row.
struct Outcome {
  double ours = 0;             ///< median
  double baseline = 0;         ///< median, or the limit
  double ratio = 0;            ///< median of the pairs' ratios, ours to baseline
  std::vector<double> ratios;  ///< of each pair, sorted
  bool pass = false;           ///< the target was reached
  std::string failure;         ///< why there is no result; empty: there is one
};

/// Measures `pairs` pairs, ours first in every second one. Progress goes to standard error.
Outcome measure(const Row& row, int pairs);

/// The middle value; the upper one of two. Precondition: not empty.
double median(std::vector<double> values);

}  // namespace trellis::bench
