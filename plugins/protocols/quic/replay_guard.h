// replay_guard.h: a server takes early data once. It remembers the first flights of a short while; those that are older
// are refused by their age (RFC 8446 section 8.2).
#pragma once
#include <gnutls/gnutls.h>

#include <mutex>
#include <string>
#include <unordered_set>
#include <utility>

namespace trellis::quic {

/// Shared by all loops. Bounded: when it is full, early data are refused, which costs a round trip and nothing else.
class ReplayGuard {
 public:
  ReplayGuard();
  ~ReplayGuard();
  ReplayGuard(const ReplayGuard&) = delete;
  ReplayGuard& operator=(const ReplayGuard&) = delete;
  /// Precondition: it outlives the session.
  void guard(gnutls_session_t session) noexcept;

 private:
  static int add(void* self, time_t expires, const gnutls_datum_t* key, const gnutls_datum_t* data);
  bool seen(std::string flight, time_t expires);

  gnutls_anti_replay_t library_ = nullptr;
  std::mutex mutex_;
  std::unordered_set<std::string> young_, old_;  // what came in this period, and in the one before
  time_t young_until_ = 0;
};

}  // namespace trellis::quic
