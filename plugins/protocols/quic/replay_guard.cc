#include "replay_guard.h"

namespace trellis::quic {
namespace {

constexpr unsigned kWindowMs = 10'000;         // how far a client's idea of a ticket's age may be off
constexpr std::size_t kFlightsMost = 100'000;  // in one period

}  // namespace

ReplayGuard::ReplayGuard() {
  if (gnutls_anti_replay_init(&library_) != 0) return;
  gnutls_anti_replay_set_window(library_, kWindowMs);
  gnutls_anti_replay_set_ptr(library_, this);
  gnutls_anti_replay_set_add_function(library_, add);
}

ReplayGuard::~ReplayGuard() { gnutls_anti_replay_deinit(library_); }

void ReplayGuard::guard(gnutls_session_t session) noexcept {
  if (library_ != nullptr) gnutls_anti_replay_enable(session, library_);
}

int ReplayGuard::add(void* self, time_t expires, const gnutls_datum_t* key, const gnutls_datum_t*) {
  std::string flight(reinterpret_cast<const char*>(key->data), key->size);
  return static_cast<ReplayGuard*>(self)->seen(std::move(flight), expires) ? GNUTLS_E_DB_ENTRY_EXISTS : 0;
}

// The library's expiry is its clock's now plus the window, so no other clock is needed.
bool ReplayGuard::seen(std::string flight, time_t expires) {
  const std::lock_guard lock(mutex_);
  if (expires > young_until_) {
    old_ = std::exchange(young_, {});
    young_until_ = expires + kWindowMs / 1000;
  }
  if (young_.size() >= kFlightsMost || old_.contains(flight)) return true;
  return !young_.insert(std::move(flight)).second;
}

}  // namespace trellis::quic
