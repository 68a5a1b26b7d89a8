#include "redis_store.h"

#include <Poco/Exception.h>
#include <Poco/Redis/Exception.h>

#include <algorithm>
#include <format>
#include <fstream>

namespace trellis::redis {
namespace {

using Poco::Redis::Array;
using Poco::Redis::BulkString;
using std::chrono::duration_cast;
using std::chrono::milliseconds;
using std::chrono::system_clock;

constexpr std::int64_t kTicketsOfOneKeyMost = 8;
constexpr milliseconds kPlaceTime = std::chrono::hours(24 * 8);  // a day longer than anything is kept
constexpr std::size_t kScanMost = 1000;                          // rounds of SCAN

constexpr OptionSpec kOptions[] = {
    {"host", std::string_view{"127.0.0.1"}, "name or address of the server"},
    {"port", std::int64_t{6379}, "of the server", 1, 65535},
    {"database", std::int64_t{0}, "number of the database (SELECT)", 0, 1 << 20},
    {"prefix", std::string_view{"trellis"}, "of all keys: letters, digits, '-', '_', '.' and ':'"},
    {"user", std::string_view{}, "to log in as (ACL); empty: the default user"},
    {"password-file", std::string_view{}, "a file whose first line is the password; empty: no login"},
    {"timeout-ms", std::int64_t{500}, "for connecting, and for each answer", 10, 1000},
};

template <class... Words>
Array command(const Words&... words) {
  Array all;
  (all.add(std::string(words)), ...);
  return all;
}

// Whatever else comes back (an error, nil, a number) is no text.
std::optional<std::string> text_at(const Array& replies, std::size_t i) {
  if (i >= replies.size() || replies.isNull() || replies.getType(i) != Poco::Redis::RedisTypeTraits<BulkString>::TypeId)
    return {};
  const auto reply = replies.get<BulkString>(i);
  return reply.isNull() ? std::nullopt : std::optional(reply.value());
}
Array array_at(const Array& replies, std::size_t i) {
  if (i >= replies.size() || replies.isNull() || replies.getType(i) != Poco::Redis::RedisTypeTraits<Array>::TypeId)
    return {};
  const auto reply = replies.get<Array>(i);
  return reply.isNull() ? Array() : reply;
}
std::vector<std::string> texts(const Array& replies) {
  std::vector<std::string> all;
  for (std::size_t i = 0; !replies.isNull() && i < replies.size(); ++i) {
    if (auto text = text_at(replies, i)) all.push_back(std::move(*text));
  }
  return all;
}

// The server itself said no: full, read-only, another type than ours under our key.
void refuse_errors(const Array& replies) {
  using Poco::Redis::Error;
  for (std::size_t i = 0; !replies.isNull() && i < replies.size(); ++i) {
    if (replies.getType(i) == Poco::Redis::RedisTypeTraits<Error>::TypeId)
      throw Poco::Redis::RedisException(replies.get<Error>(i).getMessage());
  }
}

}  // namespace

template <class Work>
auto RedisBackend::talk(Work work) -> decltype(work()) {
  const std::string server = std::format("{}:{}", settings_.host, settings_.port);
  try {
    return work();
  } catch (const Poco::TimeoutException&) {
    return fail(Reason::timed_out, server + " did not answer in time; going on without it", 0, "redis");
  } catch (const Poco::Exception& thrown) {
    return fail(Reason::unreachable, server + ": " + thrown.displayText() + "; going on without it", 0, "redis");
  }
}

Result<void> RedisBackend::open() {
  client_.reset();
  return talk([&]() -> Result<void> {
    const Poco::Timespan timeout(duration_cast<std::chrono::microseconds>(settings_.timeout).count());
    client_ = std::make_unique<Poco::Redis::Client>();
    client_->connect(settings_.host, settings_.port, timeout);
    client_->setReceiveTimeout(timeout);
    if (auto in = log_in(); !in) return in;
    if (settings_.database != 0) client_->execute<std::string>(command("SELECT", std::to_string(settings_.database)));
    client_->execute<std::string>(command("PING"));
    return {};
  });
}

Result<void> RedisBackend::log_in() {
  if (settings_.password_file.empty()) return {};
  std::ifstream file(settings_.password_file);
  std::string password;
  if (!std::getline(file, password) || password.empty())
    return fail(Reason::configuration, "no password can be read from " + settings_.password_file, 0, "redis");
  Array words = command("AUTH");
  if (!settings_.user.empty()) words.add(settings_.user);
  client_->execute<std::string>(words.add(password));
  return {};
}

std::vector<std::pair<StatePlace, StateKey>> RedisBackend::keys_of(const std::vector<StatePlace>& places) {
  Commands asked;
  for (const StatePlace& place : places)
    asked.push_back(command("SRANDMEMBER", place_key(place), std::to_string(OpenStore::kAnswerMost)));
  const Array replies = client_->sendCommands(asked);
  std::vector<std::pair<StatePlace, StateKey>> keys;
  for (std::size_t i = 0; i < places.size(); ++i) {
    for (const std::string& text : texts(array_at(replies, i))) {
      auto key = parse_key(text);
      const bool ours = key && key->partition == places[i].partition && key->endpoint == places[i].endpoint;
      if (ours && keys.size() < OpenStore::kAnswerMost) keys.emplace_back(places[i], std::move(*key));
    }
  }
  return keys;
}

// LPOP gives a ticket to one client only.
Result<std::vector<StateEntry>> RedisBackend::fetch(const std::vector<StatePlace>& places) {
  return talk([&]() -> Result<std::vector<StateEntry>> {
    std::vector<StateEntry> found;
    const auto keys = keys_of(places);
    if (keys.empty()) return found;
    Commands asked;
    std::vector<std::size_t> whose;
    for (std::size_t i = 0; i < keys.size(); ++i) {
      const bool once = single_use(keys[i].second.kind);
      for (std::size_t n = 0; n < (once ? OpenStore::kGivenMost : 1); ++n) {
        asked.push_back(command(once ? "LPOP" : "GET", value_key(keys[i].second)));
        whose.push_back(i);
      }
    }
    const Array replies = client_->sendCommands(asked);
    Commands forget;  // keys without a value: it has expired, or was taken
    for (std::size_t i = 0; i < whose.size(); ++i) {
      const auto& [place, key] = keys[whose[i]];
      const auto text = text_at(replies, i);
      if (!text && (i == 0 || whose[i - 1] != whose[i]))
        forget.push_back(command("SREM", place_key(place), to_text(key)));
      if (!text) continue;
      if (auto entry = unpack(key, *text, system_clock::now())) found.push_back(std::move(*entry));
    }
    if (!forget.empty()) client_->sendCommands(forget);
    return found;
  });
}

Result<void> RedisBackend::put(std::vector<StateEntry> entries) {
  return talk([&]() -> Result<void> {
    Commands said;
    for (const StateEntry& entry : entries) {
      const auto left = duration_cast<milliseconds>(entry.expires - system_clock::now()).count();
      if (left <= 0) continue;
      const std::string key = value_key(entry.key);
      if (single_use(entry.key.kind)) {
        said.push_back(command("LPUSH", key, pack(entry)));
        said.push_back(command("LTRIM", key, "0", std::to_string(kTicketsOfOneKeyMost - 1)));
        said.push_back(command("PEXPIRE", key, std::to_string(left)));
      } else {
        said.push_back(command("SET", key, pack(entry), "PX", std::to_string(left)));
      }
      const std::string place = place_key({entry.key.partition, entry.key.endpoint});
      said.push_back(command("SADD", place, to_text(entry.key)));
      said.push_back(command("PEXPIRE", place, std::to_string(kPlaceTime.count())));
    }
    if (!said.empty()) refuse_errors(client_->sendCommands(said));
    return {};
  });
}

std::vector<std::string> RedisBackend::scan(const std::string& pattern) {
  std::vector<std::string> keys;
  std::string cursor = "0";
  for (std::size_t round = 0; round < kScanMost; ++round) {
    const auto reply = client_->execute<Array>(command("SCAN", cursor, "MATCH", pattern, "COUNT", "1000"));
    for (std::string& key : texts(array_at(reply, 1))) keys.push_back(std::move(key));
    cursor = text_at(reply, 0).value_or("0");
    if (cursor == "0") break;
  }
  std::ranges::sort(keys);  // SCAN may tell a key twice
  keys.erase(std::ranges::unique(keys).begin(), keys.end());
  return keys;
}

Result<std::vector<StateEntry>> RedisBackend::list() {
  return talk([&]() -> Result<std::vector<StateEntry>> {
    std::vector<StateEntry> all;
    const std::string begin = settings_.prefix + ":v:";
    for (const std::string& name : scan(begin + "*")) {
      const auto key = parse_key(std::string_view(name).substr(begin.size()));
      if (!key) continue;
      const bool once = single_use(key->kind);
      const Commands asked{once ? command("LRANGE", name, "0", "-1") : command("GET", name)};
      const Array replies = client_->sendCommands(asked);
      for (const std::string& text : once ? texts(array_at(replies, 0)) : texts(replies)) {
        if (auto entry = unpack(*key, text, system_clock::now())) all.push_back(std::move(*entry));
      }
    }
    return all;
  });
}

Result<std::uint64_t> RedisBackend::clear() {
  const auto before = list();
  if (!before) return std::unexpected(before.error());
  return talk([&]() -> Result<std::uint64_t> {
    for (const std::string& key : scan(settings_.prefix + ":[vp]:*"))
      client_->execute<Poco::Int64>(command("UNLINK", key));
    return before->size();
  });
}

std::span<const OptionSpec> RedisStore::options() const noexcept { return kOptions; }

Result<std::unique_ptr<OpenStore>> RedisStore::open(const Options& options) noexcept {
  RedisSettings settings{.host = std::string(options.text("host")),
                         .port = static_cast<std::uint16_t>(options.number("port")),
                         .prefix = std::string(options.text("prefix")),
                         .user = std::string(options.text("user")),
                         .password_file = std::string(options.text("password-file")),
                         .database = options.number("database"),
                         .timeout = milliseconds(options.number("timeout-ms"))};
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("-_.:").contains(c);
  };
  if (settings.host.empty()) return fail(Reason::configuration, "found an empty host, expected a name or an address");
  if (settings.prefix.empty() || !std::ranges::all_of(settings.prefix, plain))
    return fail(Reason::configuration,
                "found prefix='" + settings.prefix +
                    "', expected letters, digits, '-', '_', '.' and ':': it stands before all keys");
  return std::make_unique<StoreWorker>(std::make_unique<RedisBackend>(std::move(settings)));
}

}  // namespace trellis::redis
