#include "core/path_ranking.h"

#include <algorithm>
#include <bit>
#include <chrono>
#include <format>

#include "core/message_wishes.h"
#include "core/selection_properties.h"
#include "core/text.h"

namespace trellis {
namespace {

using namespace std::chrono_literals;

constexpr Duration kWindow = 50ms;  // shorter ones say more of buffers than of the path
constexpr std::uint64_t kWindowBytes = 64ull << 10;
constexpr Duration kPause = 200ms;                  // then the peer had nothing to send
constexpr std::uint64_t kUnknown = UINT64_MAX - 1;  // behind all that is known to be good, before what is too slow

std::uint64_t number(const PropertyValue& value) {
  const auto* const bits = std::get_if<std::uint64_t>(&value);
  return bits != nullptr && *bits != UINT64_MAX ? *bits : 0;
}

std::uint64_t microseconds(Duration time) {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(time).count());
}

}  // namespace

// What came first in a window had been under way before.
void ThroughputMeter::received(std::size_t bytes, TimePoint now) noexcept {
  if (now - std::exchange(last_, now) > kPause || held_back_) return begin(now, !std::exchange(held_back_, false));
  bytes_ += bytes;
  const Duration took = now - begin_;
  if (took < kWindow || bytes_ < kWindowBytes) return;
  if (counts_) best_ = std::max(best_, bytes_ * 8'000'000 / microseconds(took));
  begin(now, true);
}

void ThroughputMeter::begin(TimePoint now, bool counts) noexcept {
  begin_ = now;
  bytes_ = 0;
  counts_ = counts;
}

PathRanking::PathRanking(std::span<const std::pair<std::string, PropertyValue>> properties) {
  for (const auto& [name, value] : properties) {
    if (is_hint(name)) rate_ = std::max(rate_, number(value));
    if (same_word(name, kConnCapacityProfile.name))
      profile_ = capacity_profile_of(value).value_or(CapacityProfile::best_effort);
  }
  if (profile_ == CapacityProfile::low_latency_interactive) rule_ = Rule::lowest_rtt;
  if (profile_ == CapacityProfile::low_latency_non_interactive) rule_ = Rule::low_rtt;
  if (profile_ == CapacityProfile::constant_rate_streaming && rate_ > 0) rule_ = Rule::fits_rate;
  if (profile_ == CapacityProfile::capacity_seeking) rule_ = Rule::highest_throughput;
}

std::uint64_t PathRanking::place(const PathQuality& path) const noexcept {
  const bool known_rtt = path.rtt > Duration{}, known_throughput = path.throughput > 0;
  switch (rule_) {
    case Rule::none: return 0;
    case Rule::lowest_rtt: return known_rtt ? microseconds(path.rtt) : kUnknown;
    case Rule::low_rtt:
      return known_rtt ? std::uint64_t(std::bit_width(microseconds(path.rtt))) : kUnknown;  // doublings
    case Rule::fits_rate: return !known_throughput ? kUnknown : path.throughput >= rate_ ? 0 : UINT64_MAX;
    case Rule::highest_throughput:
      return known_throughput ? kUnknown - 1 - std::min(path.throughput, kUnknown - 1) : kUnknown;
  }
  return 0;
}

std::string PathRanking::text(const PathQuality& path) const {
  const bool by_rtt = rule_ == Rule::lowest_rtt || rule_ == Rule::low_rtt;
  if (!any()) return {};
  const std::string profile(kCapacityProfileWords[static_cast<std::size_t>(profile_) - 1]);
  if (by_rtt && path.rtt > Duration{})
    return std::format("{}: round trip {:.1f} ms", profile, double(microseconds(path.rtt)) / 1e3);
  if (!by_rtt && path.throughput > 0) return std::format("{}: {:.1f} Mbit/s", profile, double(path.throughput) / 1e6);
  return profile + (by_rtt ? ": its round trip is not known" : ": its throughput is not known");
}

}  // namespace trellis
