// redis_store.h: state on a Redis server, shared by a fleet of machines.
//
//   PREFIX v KEY      values of a key: a list where each may be used once (newest first), else a string
//   PREFIX p PLACE    the set of keys of a place (partition and endpoint)
// All of them expire by themselves (PEXPIRE).
#pragma once
#include <Poco/Redis/Client.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "redis_entries.h"
#include "store_worker.h"

namespace trellis::redis {

struct RedisSettings {
  std::string host = "127.0.0.1";
  std::uint16_t port = 6379;
  std::string prefix = "trellis";
  std::string user = {}, password_file = {};
  std::int64_t database = 0;
  std::chrono::milliseconds timeout{500};
};

class RedisBackend final : public StoreBackend {
 public:
  explicit RedisBackend(RedisSettings settings) : settings_(std::move(settings)) {}
  Result<void> open() override;
  Result<std::vector<StateEntry>> fetch(const std::vector<StatePlace>& places) override;
  Result<void> put(std::vector<StateEntry> entries) override;
  Result<std::vector<StateEntry>> list() override;
  Result<std::uint64_t> clear() override;

 private:
  using Commands = std::vector<Poco::Redis::Array>;
  template <class Work>
  auto talk(Work work) -> decltype(work());
  Result<void> log_in();
  std::string value_key(const StateKey& key) const { return settings_.prefix + ":v:" + to_text(key); }
  std::string place_key(const StatePlace& place) const { return settings_.prefix + ":p:" + to_text(place); }
  std::vector<std::pair<StatePlace, StateKey>> keys_of(const std::vector<StatePlace>& places);
  std::vector<std::string> scan(const std::string& pattern);

  RedisSettings settings_;
  std::unique_ptr<Poco::Redis::Client> client_;
};

/// The plugin.
class RedisStore final : public StateStore {
 public:
  std::string_view name() const noexcept override { return "redis"; }
  std::span<const OptionSpec> options() const noexcept override;
  Result<std::unique_ptr<OpenStore>> open(const Options& options) noexcept override;
};

}  // namespace trellis::redis
