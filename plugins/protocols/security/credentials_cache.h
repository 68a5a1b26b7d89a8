// credentials_cache.h: what was made of a Security is found again.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "trellis/result.h"
#include "trellis/security.h"

namespace trellis::security {

/// Nothing of what Credentials hold was given: they are the same for every connection.
inline bool says_nothing(const Security& s) {
  return s.server_identities.empty() && s.client_identities.empty() && s.trusted.empty() && s.pinned.empty() &&
         s.preshared_keys.empty() && s.groups.empty() && s.ciphers.empty() && s.signatures.empty() &&
         s.version_floor == Security{}.version_floor;
}

/// Finds the Credentials of a Security again by its id. Any loop may ask. `Credentials::make(settings, security,
/// server)` makes them; `Credentials::says_nothing(security)`: one without an id needs none of its own. `settings`
/// outlive the cache.
template <class Credentials, class Settings>
class CredentialsCache {
 public:
  explicit CredentialsCache(const Settings& settings) : settings_(settings) {}
  Result<std::shared_ptr<Credentials>> get(const Security& security, bool server) {
    if (security.id == 0 && !Credentials::says_nothing(security)) return Credentials::make(settings_, security, server);
    const std::lock_guard lock(mutex_);
    const auto key = std::pair(security.id, server);
    if (const auto found = made_.find(key); found != made_.end()) return found->second;
    auto made = Credentials::make(settings_, security, server);
    if (!made) return made;
    if (made_.size() >= kMost) made_.clear();
    made_.emplace(key, *made);
    return made;
  }

 private:
  static constexpr std::size_t kMost = 64;
  const Settings& settings_;
  std::mutex mutex_;
  std::map<std::pair<std::uint64_t, bool>, std::shared_ptr<Credentials>> made_;
};

}  // namespace trellis::security
