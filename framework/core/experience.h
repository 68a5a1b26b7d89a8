// experience.h: how it went with one address, or with all addresses of a subnet, as far as it is remembered.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "trellis/address.h"
#include "trellis/clock.h"
#include "trellis/result.h"

namespace trellis {

/// What one attempt came to.
struct Attempted {
  /// Canceled is none of them: who was merely slower has not failed. `answered`: alive, and then not needed any more.
  enum class How : std::uint8_t { ready, answered, failed, silent };
  How how = How::ready;
  Address remote{};
  Duration ran{};                       ///< until it was ready, failed, or was given up
  Duration rtt{};                       ///< zero: not measured
  std::uint64_t throughput = 0;         ///< bits per second that came through at best; zero: not measured
  Reason reason = Reason::unreachable;  ///< failed: why
};

/// What is remembered of an address or a subnet.
struct Experience {
  Address where{};               ///< first address, without port
  std::uint8_t bits = 0;         ///< length of the prefix
  Duration ready{}, rtt{};       ///< averages in which the old weighs less; zero: unknown
  std::uint64_t throughput = 0;  ///< the most in bits per second; less when it was less lately; zero: unknown
  TimePoint good_at{};           ///< of the last success; zero: never
  TimePoint bad_at{};            ///< of the last failure or silence; zero: never
  Duration bad_ran{};            ///< how long that attempt ran
  Reason reason{};               ///< why it failed; timed_out: it was silent
  std::uint32_t successes = 0, failures = 0;

  bool good() const noexcept { return good_at > bad_at; }
  bool bad() const noexcept { return bad_at > good_at; }
  TimePoint seen_at() const noexcept { return good() ? good_at : bad_at; }
  /// `keep`: how long one is remembered at most; the older the average, the less it weighs against this one.
  void learn(const Attempted& attempt, TimePoint now, Duration keep) noexcept;
  bool operator==(const Experience&) const = default;
};

/// All that is remembered of one stack at one place.
using Experiences = std::vector<Experience>;
inline constexpr std::size_t kExperiencesMost = 16;  ///< of one stack at one place; more: the oldest is forgotten

/// The address without port, cut to the first `bits` bits.
Address subnet_of(const Address& address, std::uint8_t bits) noexcept;
/// The experience with this prefix; null: there is none.
const Experience* find_experience(std::span<const Experience> all, const Address& address, std::uint8_t bits) noexcept;
/// Adds what an attempt came to.
void learn(Experiences& all, std::uint8_t bits, const Attempted& attempt, TimePoint now, Duration keep);

/// What many experiences come to: the best that is known, and whether nothing but failure is.
struct Judgement {
  const Experience* best = nullptr;    ///< the fastest that was good last time
  const Experience* latest = nullptr;  ///< the last that was bad; only where none was good
  std::size_t bad = 0;                 ///< how many
};
/// `family`: only addresses of it; none: of both.
Judgement judge(std::span<const Experience> all, Address::Family family) noexcept;

/// "23 ms, 4 min ago", "no answer within 280 ms, 2 min ago".
std::string to_text(const Experience& experience, TimePoint now);

/// For stores that outlive the process: ages instead of times.
std::vector<std::byte> encode(std::span<const Experience> all, std::chrono::system_clock::time_point wall,
                              TimePoint now);
/// Strict: anything that encode() could not have written comes to nothing. What is older than `keep` is left out, and
/// what seems to come from the future (a clock was set back) is as new as can be.
Experiences decode(std::span<const std::byte> value, std::chrono::system_clock::time_point wall, TimePoint now,
                   Duration keep);

}  // namespace trellis
