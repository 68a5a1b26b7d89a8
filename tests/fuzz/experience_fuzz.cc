// History as a store gives it back: any bytes, read at any time of any clock. What is accepted is sane and is written
// the same again.
#include <cstdint>
#include <cstdlib>

#include "core/experience.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace trellis;
  const auto* bytes = reinterpret_cast<const std::byte*>(data);
  constexpr TimePoint kNow{std::chrono::hours(24 * 30)};
  constexpr Duration kKeep = std::chrono::hours(24 * 7);
  for (const std::int64_t day : {0, 1, 20'000, 100'000}) {
    const auto wall = std::chrono::system_clock::time_point(std::chrono::hours(24 * day));
    const Experiences all = decode({bytes, size}, wall, kNow, kKeep);
    for (const Experience& e : all) {
      if (e.seen_at() > kNow || kNow - e.seen_at() > kKeep || e.ready > std::chrono::hours(1)) std::abort();
      if (subnet_of(e.where, e.bits) != e.where) std::abort();
      if (to_text(e, kNow).empty()) std::abort();
    }
    if (decode(encode(all, wall, kNow), wall, kNow, kKeep).size() != all.size() && day > 7) std::abort();
    judge(all, Address::Family::ipv6);
  }
  return 0;
}
