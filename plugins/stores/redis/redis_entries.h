// redis_entries.h: entries and their keys as the texts that a Redis server keeps. Strict both ways: what this version
// would not have written is no entry.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "trellis/state.h"

namespace trellis::redis {

/// Every field with its length before it, so that no two keys come to one text: "0,9:partition,4:eth0,…".
std::string to_text(const StateKey& key);
std::string to_text(const StatePlace& place);
std::optional<StateKey> parse_key(std::string_view text);

/// "1 EXPIRES\n" and the value; EXPIRES in seconds since 1970.
std::string pack(const StateEntry& entry);
/// The value of a key; none: it is not one, or has expired.
std::optional<StateEntry> unpack(const StateKey& key, std::string_view text, std::chrono::system_clock::time_point now);

}  // namespace trellis::redis
