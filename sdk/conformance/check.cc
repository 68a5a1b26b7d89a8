#include "conformance/check.h"

#include <algorithm>
#include <cstdio>

namespace trellis::conformance {

bool Trial::wants(std::string label) {
  if (failed() || (!settings_.only.empty() && settings_.only != label)) return false;
  begin(std::move(label));
  return true;
}

bool Trial::prepares(std::string_view label) {
  const std::string_view only = settings_.only;
  if (failed() || (!only.empty() && !only.starts_with(std::string(label) + "@"))) return false;
  begin(std::string(label) + "@all");
  return true;
}

void Trial::begin(std::string label) {
  if (settings_.verbose) std::printf("%s:\n", label.c_str());
  label_ = std::move(label);
  position_.seed = settings_.seed;
  const std::size_t length = label_.copy(position_.label, sizeof position_.label - 1);
  position_.label[length] = '\0';
}

std::vector<unsigned> Trial::positions(std::uint64_t count) {
  std::vector<unsigned> chosen;
  for (std::uint64_t i = 0; i < count; ++i) {
    if (!settings_.only.empty() || i % settings_.shares == settings_.share) chosen.push_back(static_cast<unsigned>(i));
  }
  for (int extra = 0; extra < 2 && count > 0; ++extra) chosen.push_back(static_cast<unsigned>(random.below(count)));
  std::ranges::sort(chosen);
  const auto [first, last] = std::ranges::unique(chosen);
  chosen.erase(first, last);
  return chosen;
}

void Trial::fail(std::string why) {
  if (!failure_) failure_ = std::move(why);
}

std::vector<Check> all_checks() {
  std::vector<Check> all;
  for (const auto group :
       {descriptor_checks(), contract_checks(), data_checks(), backpressure_checks(), teardown_checks(), time_checks(),
        fault_checks(), claim_checks(), hook_checks(), multicast_checks()}) {
    all.insert(all.end(), group.begin(), group.end());
  }
  return all;
}

}  // namespace trellis::conformance
