#include "bench.h"

#include <algorithm>
#include <cstdio>
#include <optional>

#include "process.h"

namespace trellis::bench {
namespace {

std::optional<double> run(const std::function<double()>& measurement) {
  Child child(kClientCpu, [&](const Outlet& out) { out.put(measurement()); });
  return child.take<double>(std::chrono::seconds(kSecondsMax));
}

struct Pair {
  double ours, baseline;
};

std::optional<Pair> run_pair(const Row& row, bool ours_first) {
  if (!row.baseline) {
    const auto ours = run(row.ours);
    return ours ? std::optional(Pair{*ours, row.limit}) : std::nullopt;
  }
  const auto first = run(ours_first ? row.ours : row.baseline);
  if (!first) return std::nullopt;
  const auto second = run(ours_first ? row.baseline : row.ours);
  if (!second) return std::nullopt;
  return ours_first ? Pair{*first, *second} : Pair{*second, *first};
}

}  // namespace

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

Outcome measure(const Row& row, int pairs) {
  Outcome outcome;
  std::vector<double> ours, baseline;
  for (int i = 0; i < pairs; ++i) {
    const auto pair = run_pair(row, i % 2 == 1);
    if (!pair) {
      outcome.failure = "a measurement ended without a result";
      return outcome;
    }
    ours.push_back(pair->ours);
    baseline.push_back(pair->baseline);
    outcome.ratios.push_back(pair->ours / pair->baseline);
    std::fprintf(stderr, "%s %d/%d: %.4g %s to %.4g, ratio %.3f\n", row.name.c_str(), i + 1, pairs, pair->ours,
                 row.unit.c_str(), pair->baseline, outcome.ratios.back());
  }
  outcome.ours = median(ours);
  outcome.baseline = median(baseline);
  outcome.ratio = median(outcome.ratios);
  std::ranges::sort(outcome.ratios);
  outcome.pass = row.better == Better::lower ? outcome.ratio <= row.target : outcome.ratio >= row.target;
  return outcome;
}

}  // namespace trellis::bench
