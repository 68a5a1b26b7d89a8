// seeded_random.h: the random numbers of a simulated world. One seed makes them all.
//
// Every loop, link and host draws from a stream of its own (fork), so that a knob turned at one place does not
// change what is drawn at another. The generator is splitmix64: small, fast, and good enough for simulations.
#pragma once
#include <cstdint>
#include <string_view>

#include "trellis/clock.h"

namespace trellis {

/// Mixes all bits of `value` into all bits of the result.
constexpr std::uint64_t mix(std::uint64_t value) noexcept {
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
  return value ^ (value >> 31);
}

/// A stream of random numbers.
class SeededRandom {
 public:
  explicit SeededRandom(std::uint64_t seed) noexcept : state_(seed) {}
  /// An independent stream; the same name gives the same stream. Draws nothing from this one.
  SeededRandom fork(std::string_view name) const noexcept {
    std::uint64_t hash = mix(state_ ^ 0x2545f4914f6cdd1du);
    for (const char c : name) hash = mix(hash ^ static_cast<unsigned char>(c));
    return SeededRandom(hash);
  }
  std::uint64_t next() noexcept { return mix(state_ += 0x9e3779b97f4a7c15u); }  ///< 64 random bits
  /// 0 … limit-1; 0 when limit is 0.
  std::uint64_t below(std::uint64_t limit) noexcept { return limit == 0 ? 0 : next() % limit; }
  /// True with this probability. 0 and 1 draw nothing, so that a knob that is off leaves the stream alone.
  bool chance(double probability) noexcept {
    if (probability <= 0) return false;
    if (probability >= 1) return true;
    return static_cast<double>(next() >> 11) * 0x1p-53 < probability;
  }
  /// 0 … longest, both included; draws nothing when longest is 0.
  Duration up_to(Duration longest) noexcept {
    if (longest <= Duration::zero()) return Duration::zero();
    return Duration(static_cast<Duration::rep>(below(static_cast<std::uint64_t>(longest.count()) + 1)));
  }

 private:
  std::uint64_t state_;
};

}  // namespace trellis
