#include "report.h"

#include <algorithm>
#include <cmath>
#include <format>

namespace trellis::bench {
namespace {

// Three digits that mean something, and no exponents.
std::string number(double value) {
  const double size = std::fabs(value);
  const int decimals = size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3;
  return std::format("{:.{}f}", value, decimals);
}

std::string with_unit(double value, const std::string& unit) {
  return unit.empty() ? number(value) : number(value) + " " + unit;
}

const char* sign(const Row& row) { return row.better == Better::lower ? "<=" : ">="; }

}  // namespace

std::string as_text(const Row& row, const Outcome& outcome) {
  if (!outcome.failure.empty()) return std::format("{:<14}  failed: {}", row.name, outcome.failure);
  return std::format("{:<14}  ours {}  {} {}  ratio {:.2f} ({:.2f} to {:.2f})  target {} {:.2f}  {}", row.name,
                     with_unit(outcome.ours, row.unit), row.baseline ? "baseline" : "limit",
                     with_unit(outcome.baseline, row.unit), outcome.ratio, outcome.ratios.front(),
                     outcome.ratios.back(), sign(row), row.target, outcome.pass ? "ok" : "missed");
}

std::string as_json(const Row& row, const Outcome& outcome) {
  const char* better = row.better == Better::lower ? "lower" : "higher";
  if (!outcome.failure.empty()) {
    return std::format(
        R"({{"name":"{}","ratio":null,"target":{},"better":"{}","pass":false,"ours":null,"baseline":null,)"
        R"("unit":"{}","failure":"{}"}})",
        row.name, row.target, better, row.unit, outcome.failure);
  }
  return std::format(
      R"({{"name":"{}","ratio":{:.4f},"target":{},"better":"{}","pass":{},"ours":{:.6g},"baseline":{:.6g},)"
      R"("unit":"{}"}})",
      row.name, outcome.ratio, row.target, better, outcome.pass, outcome.ours, outcome.baseline, row.unit);
}

std::string as_list_entry(const Row& row) {
  const std::string target = row.baseline ? std::format("{} {:.2f}x", sign(row), row.target)
                                          : std::format("{} {}", sign(row), with_unit(row.limit, row.unit));
  return std::format("{:<14}  {:<13}  {}", row.name, target, row.about);
}

}  // namespace trellis::bench
