#include "core/experience.h"

#include <algorithm>
#include <format>

namespace trellis {
namespace {

using std::chrono::duration_cast;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::system_clock;

constexpr double kNewLeast = 0.125;  // weight of a new measurement, as in RFC 6298; more when the average is old

void average(Duration& mean, Duration measured, double weight) noexcept {
  if (measured <= Duration{}) return;
  if (mean == Duration{}) {
    mean = measured;
    return;
  }
  mean += duration_cast<Duration>((measured - mean) * weight);
}

// The most that was seen counts at once: whoever asked for less got less.
void learn_throughput(std::uint64_t& most, std::uint64_t measured, double weight) noexcept {
  if (measured >= most)
    most = measured;
  else if (measured > 0)
    most -= static_cast<std::uint64_t>(double(most - measured) * weight);
}

std::string time_text(Duration time) {
  if (time < milliseconds(10)) return std::format("{:.1f} ms", std::chrono::duration<double, std::milli>(time).count());
  return std::format("{} ms", duration_cast<milliseconds>(time).count());
}

std::string age_text(Duration age) {
  const auto seconds = duration_cast<std::chrono::seconds>(age).count();
  if (seconds < 1) return "just now";
  if (seconds < 120) return std::format("{} s ago", seconds);
  if (seconds < 7200) return std::format("{} min ago", seconds / 60);
  return std::format("{} h ago", seconds / 3600);
}

}  // namespace

void Experience::learn(const Attempted& attempt, TimePoint now, Duration keep) noexcept {
  const double age = keep <= Duration{} ? 1 : std::min(1.0, double((now - seen_at()).count()) / double(keep.count()));
  const double weight = kNewLeast + (1 - kNewLeast) * age;
  average(rtt, attempt.rtt, weight);
  learn_throughput(throughput, attempt.throughput, weight);
  switch (attempt.how) {
    case Attempted::How::ready:
      average(ready, attempt.ran, bad() ? 1 : weight);
      good_at = now;
      ++successes;
      return;
    case Attempted::How::answered: return;
    case Attempted::How::failed:
    case Attempted::How::silent:
      bad_at = now;
      bad_ran = attempt.ran;
      reason = attempt.how == Attempted::How::silent ? Reason::timed_out : attempt.reason;
      ++failures;
  }
}

Address subnet_of(const Address& address, std::uint8_t bits) noexcept {
  Address cut{.family = address.family, .scope = address.scope, .ip = address.ip};
  const std::size_t whole = bits / 8;
  if (whole >= cut.ip.size()) return cut;
  cut.ip[whole] = static_cast<std::uint8_t>(cut.ip[whole] & (0xff << (8 - bits % 8)));
  std::fill(cut.ip.begin() + static_cast<std::ptrdiff_t>(whole) + 1, cut.ip.end(), std::uint8_t{0});
  return cut;
}

const Experience* find_experience(std::span<const Experience> all, const Address& address, std::uint8_t bits) noexcept {
  const Address where = subnet_of(address, bits);
  const auto found = std::ranges::find_if(all, [&](const Experience& e) { return e.bits == bits && e.where == where; });
  return found == all.end() ? nullptr : &*found;
}

void learn(Experiences& all, std::uint8_t bits, const Attempted& attempt, TimePoint now, Duration keep) {
  if (const Experience* known = find_experience(all, attempt.remote, bits)) {
    return all[static_cast<std::size_t>(known - all.data())].learn(attempt, now, keep);
  }
  if (attempt.how == Attempted::How::answered) return;  // it says too little to begin with
  if (all.size() >= kExperiencesMost) all.erase(std::ranges::min_element(all, {}, &Experience::seen_at));
  Experience fresh{.where = subnet_of(attempt.remote, bits), .bits = bits};
  fresh.learn(attempt, now, keep);
  all.push_back(fresh);
}

Judgement judge(std::span<const Experience> all, Address::Family family) noexcept {
  Judgement verdict;
  for (const Experience& e : all) {
    if (family != Address::Family::none && e.where.family != family) continue;
    if (e.good() && (verdict.best == nullptr || e.ready < verdict.best->ready)) verdict.best = &e;
    if (!e.bad()) continue;
    ++verdict.bad;
    if (verdict.latest == nullptr || e.bad_at > verdict.latest->bad_at) verdict.latest = &e;
  }
  if (verdict.best != nullptr) verdict.latest = nullptr;
  return verdict;
}

std::string to_text(const Experience& e, TimePoint now) {
  const std::string age = age_text(now - e.seen_at());
  if (e.good()) return std::format("{}, {}", time_text(e.ready), age);
  if (e.reason == Reason::timed_out) return std::format("no answer within {}, {}", time_text(e.bad_ran), age);
  return std::format("{} after {}, {}", to_string(e.reason), time_text(e.bad_ran), age);
}

// ---- as bytes: all numbers in network byte order

namespace {

constexpr std::uint8_t kFormat = 2;
constexpr std::size_t kEntryBytes = 64;
constexpr std::uint32_t kMicrosecondsMost = 3'600'000'000;  // an hour: longer than anything waits

template <class T>
void write(std::vector<std::byte>& out, T number) {
  for (int shift = (int(sizeof(T)) - 1) * 8; shift >= 0; shift -= 8)
    out.push_back(static_cast<std::byte>(std::uint64_t(number) >> shift));
}
void write(std::vector<std::byte>& out, Duration time) {
  const auto us = duration_cast<microseconds>(time).count();
  write(out, static_cast<std::uint32_t>(std::clamp<std::int64_t>(us, 0, kMicrosecondsMost)));
}

struct Reading {
  std::span<const std::byte> left;
  bool sound = true;
  template <class T>
  T number() {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i) value = value << 8 | std::to_integer<std::uint64_t>(left[i]);
    left = left.subspan(sizeof(T));
    return static_cast<T>(value);
  }
  Duration time() {
    const auto us = number<std::uint32_t>();
    sound = sound && us <= kMicrosecondsMost;
    return microseconds(us);
  }
};

// Milliseconds of the wall clock; 0: never.
std::uint64_t stamp(TimePoint at, system_clock::time_point wall, TimePoint now) {
  if (at == TimePoint{}) return 0;
  const auto then = wall - duration_cast<system_clock::duration>(now - at);
  return static_cast<std::uint64_t>(
      std::max<std::int64_t>(1, duration_cast<milliseconds>(then.time_since_epoch()).count()));
}
TimePoint moment(std::uint64_t stamp, system_clock::time_point wall, TimePoint now, Duration keep) {
  const auto today = static_cast<std::uint64_t>(duration_cast<milliseconds>(wall.time_since_epoch()).count());
  if (stamp == 0) return {};
  if (stamp >= today) return now;
  if (today - stamp >= static_cast<std::uint64_t>(duration_cast<milliseconds>(keep).count())) return {};
  return std::max(TimePoint(Duration(1)), now - milliseconds(today - stamp));
}

Experience read_one(Reading& in, system_clock::time_point wall, TimePoint now, Duration keep) {
  Experience e;
  const auto family = in.number<std::uint8_t>();
  in.sound = in.sound && (family == 4 || family == 6);
  e.where.family = family == 4 ? Address::Family::ipv4 : Address::Family::ipv6;
  e.bits = in.number<std::uint8_t>();
  const auto reason = in.number<std::uint8_t>();
  in.sound = in.sound && e.bits <= (family == 4 ? 32 : 128) && reason <= static_cast<std::uint8_t>(Reason::canceled);
  e.reason = static_cast<Reason>(reason);
  in.sound = in.number<std::uint8_t>() == 0 && in.sound;
  for (std::uint8_t& byte : e.where.ip) byte = in.number<std::uint8_t>();
  in.sound = in.sound && subnet_of(e.where, e.bits) == e.where;
  e.ready = in.time();
  e.rtt = in.time();
  e.bad_ran = in.time();
  e.throughput = in.number<std::uint64_t>();
  e.successes = in.number<std::uint32_t>();
  e.failures = in.number<std::uint32_t>();
  e.good_at = moment(in.number<std::uint64_t>(), wall, now, keep);
  e.bad_at = moment(in.number<std::uint64_t>(), wall, now, keep);
  return e;
}

}  // namespace

std::vector<std::byte> encode(std::span<const Experience> all, system_clock::time_point wall, TimePoint now) {
  std::vector<std::byte> out;
  out.reserve(2 + all.size() * kEntryBytes);
  write(out, kFormat);
  write(out, static_cast<std::uint8_t>(0));
  for (const Experience& e : all) {
    if (e.where.scope != 0) continue;  // a link-local address means another link after the next start
    write(out, static_cast<std::uint8_t>(e.where.family == Address::Family::ipv4 ? 4 : 6));
    write(out, e.bits);
    write(out, static_cast<std::uint8_t>(e.reason));
    write(out, static_cast<std::uint8_t>(0));
    for (const std::uint8_t byte : e.where.ip) write(out, byte);
    write(out, e.ready);
    write(out, e.rtt);
    write(out, e.bad_ran);
    write(out, e.throughput);
    write(out, e.successes);
    write(out, e.failures);
    write(out, stamp(e.good_at, wall, now));
    write(out, stamp(e.bad_at, wall, now));
  }
  out[1] = static_cast<std::byte>((out.size() - 2) / kEntryBytes);
  return out;
}

Experiences decode(std::span<const std::byte> value, system_clock::time_point wall, TimePoint now, Duration keep) {
  if (value.size() < 2 || value[0] != std::byte{kFormat}) return {};
  const auto count = std::to_integer<std::size_t>(value[1]);
  if (count > kExperiencesMost || value.size() != 2 + count * kEntryBytes) return {};
  Reading in{value.subspan(2)};
  Experiences all;
  for (std::size_t i = 0; i < count; ++i) {
    const Experience e = read_one(in, wall, now, keep);
    if (!in.sound || find_experience(all, e.where, e.bits) != nullptr) return {};
    if (e.good() || e.bad()) all.push_back(e);
  }
  return all;
}

}  // namespace trellis
