// laps.h: the time of many equal pieces of work.
//
// A piece is short, so that on a busy machine most pieces run from end to end without losing the processor. The median
// then is what a piece takes when nothing else happens, and a slow piece now and then does not count.
#pragma once
#include <cstddef>
#include <utility>
#include <vector>

#include "bench.h"
#include "process.h"

namespace trellis::bench {

/// A stop-watch that keeps every lap.
class Laps {
 public:
  explicit Laps(std::size_t expected) { seconds_.reserve(expected); }
  /// A lap begins; what was before belongs to none.
  void begin() { begin_ = now(); }
  /// A lap ends and the next one begins.
  void lap() {
    const double end = now();
    seconds_.push_back(end - begin_);
    begin_ = end;
  }
  void add(double seconds) { seconds_.push_back(seconds); }  ///< a lap that somebody else has measured
  std::size_t count() const { return seconds_.size(); }
  /// Seconds of a typical lap. The first tenth is left out: caches and pools fill in it.
  double typical() const {
    return median({seconds_.begin() + static_cast<std::ptrdiff_t>(seconds_.size() / 10), seconds_.end()});
  }

 private:
  std::vector<double> seconds_;
  double begin_ = 0;
};

}  // namespace trellis::bench
