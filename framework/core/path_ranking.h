// path_ranking.h: which of several paths a capacity profile puts first, by what is known of how quick and how wide they
// are (RFC 9623 section 4.1.3).
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "trellis/clock.h"
#include "trellis/message.h"
#include "trellis/property.h"

namespace trellis {

/// What is known of a path; zero: nothing.
struct PathQuality {
  Duration rtt{};                ///< the shortest round trip that was measured, else what is expected of it
  std::uint64_t throughput = 0;  ///< the most that came through, in bits per second
};

/// Bits per second that came to a Connection at best: of windows in which data came all the time, and the application
/// kept up with them.
class ThroughputMeter {
 public:
  void received(std::size_t bytes, TimePoint now) noexcept;
  /// The application had asked for nothing for some time: what comes now may have waited for it.
  void was_held_back() noexcept { held_back_ = true; }
  TimePoint last() const noexcept { return last_; }
  std::uint64_t best() const noexcept { return best_; }  ///< zero: too little came

 private:
  void begin(TimePoint now, bool counts) noexcept;
  TimePoint begin_{}, last_{};  // of the window; of all
  std::uint64_t bytes_ = 0, best_ = 0;
  bool counts_ = false, held_back_ = false;
};

class PathRanking {
 public:
  /// By the properties of a Preconnection: connCapacityProfile, minSendRate and minRecvRate.
  explicit PathRanking(std::span<const std::pair<std::string, PropertyValue>> properties);
  bool any() const noexcept { return rule_ != Rule::none; }  ///< false: all paths are alike
  /// Lower goes first. Paths of which nothing is known follow those of which good is known.
  std::uint64_t place(const PathQuality& path) const noexcept;
  /// "Capacity-Seeking: 23.5 Mbit/s"; empty: any() is false.
  std::string text(const PathQuality& path) const;

 private:
  enum class Rule : std::uint8_t { none, lowest_rtt, low_rtt, fits_rate, highest_throughput };
  Rule rule_ = Rule::none;
  CapacityProfile profile_ = CapacityProfile::best_effort;
  std::uint64_t rate_ = 0;  // bits per second that a path has to carry
};

}  // namespace trellis
