#include "redis_entries.h"

#include <algorithm>
#include <charconv>
#include <format>

#include "store_worker.h"

namespace trellis::redis {
namespace {

using std::chrono::duration_cast;
using std::chrono::seconds;

constexpr std::string_view kVersion = "1 ";
constexpr std::size_t kFieldMost = 1 << 16;
constexpr std::int64_t kYears = 100LL * 366 * 24 * 3600;

void add(std::string& text, std::string_view field) {
  text += ',';
  text += std::to_string(field.size());
  text += ':';
  text += field;
}

// Digits up to `end`, which is taken too.
std::optional<std::int64_t> number(std::string_view& text, char end) {
  std::int64_t value = 0;
  const auto [last, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const auto used = static_cast<std::size_t>(last - text.data());
  if (error != std::errc() || value < 0 || used == 0 || used >= text.size() || text[used] != end) return {};
  if (text[0] == '-' || (text[0] == '0' && used > 1)) return {};
  text.remove_prefix(used + 1);
  return value;
}

bool field(std::string_view& text, std::string& out) {
  if (!text.starts_with(',')) return false;
  text.remove_prefix(1);
  const auto size = number(text, ':');
  if (!size || static_cast<std::uint64_t>(*size) > std::min(kFieldMost, text.size())) return false;
  out = text.substr(0, static_cast<std::size_t>(*size));
  text.remove_prefix(static_cast<std::size_t>(*size));
  return true;
}

}  // namespace

std::string to_text(const StateKey& key) {
  std::string text = std::to_string(static_cast<int>(key.kind));
  for (const std::string* part : {&key.partition, &key.network, &key.endpoint, &key.protocol, &key.detail})
    add(text, *part);
  return text;
}

std::string to_text(const StatePlace& place) {
  std::string text;
  add(text, place.partition);
  add(text, place.endpoint);
  return text;
}

std::optional<StateKey> parse_key(std::string_view text) {
  if (text.empty() || text[0] < '0' || text[0] > '3') return {};
  StateKey key{static_cast<StateKind>(text[0] - '0'), {}, {}, {}, {}, {}};
  text.remove_prefix(1);
  for (std::string* part : {&key.partition, &key.network, &key.endpoint, &key.protocol, &key.detail}) {
    if (!field(text, *part)) return {};
  }
  return text.empty() ? std::optional(std::move(key)) : std::nullopt;
}

std::string pack(const StateEntry& entry) {
  const auto expires = duration_cast<seconds>(entry.expires.time_since_epoch()).count();
  std::string text = std::format("{}{}\n", kVersion, expires);
  text.append(reinterpret_cast<const char*>(entry.value.data()), entry.value.size());
  return text;
}

std::optional<StateEntry> unpack(const StateKey& key, std::string_view text,
                                 std::chrono::system_clock::time_point now) {
  if (!text.starts_with(kVersion)) return {};
  text.remove_prefix(kVersion.size());
  const auto expires = number(text, '\n');
  const std::int64_t today = duration_cast<seconds>(now.time_since_epoch()).count();
  if (!expires || *expires <= today || *expires > today + kYears) return {};
  if (text.empty() || text.size() > StoreWorker::kValueMost) return {};
  const auto* bytes = reinterpret_cast<const std::byte*>(text.data());
  return StateEntry{key, StateValue(bytes, bytes + text.size()),
                    std::chrono::system_clock::time_point(seconds(*expires))};
}

}  // namespace trellis::redis
