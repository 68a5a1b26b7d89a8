// Keys and values as a Redis server gives them: any bytes. What is accepted is what this version writes.
#include <cstdint>
#include <cstdlib>

#include "redis_entries.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace trellis;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto key = redis::parse_key(text);
  if (key && redis::to_text(*key) != text) std::abort();
  const auto now = std::chrono::system_clock::time_point(std::chrono::hours(24 * 20'000));
  const auto entry = redis::unpack({StateKind::performance, {}, {}, {}, {}, {}}, text, now);
  if (entry && (entry->value.empty() || entry->expires <= now || redis::pack(*entry) != text)) std::abort();
  return 0;
}
