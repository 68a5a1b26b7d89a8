// ticket_store.h: a client's session tickets, kept in the engine's State and used once.
#pragma once
#include <botan/tls_session.h>
#include <botan/tls_session_manager.h>

#include <chrono>
#include <string>
#include <vector>

#include "trellis/security.h"
#include "trellis/state.h"

namespace trellis::tls {

/// Taking a ticket removes it, so two attempts of a race never show the same one (RFC 8446 appendix C.4).
class TicketStore final : public Botan::TLS::Session_Manager {
 public:
  /// `detail` tells sessions apart that must not stand in for each other: application protocol and rules of trust.
  TicketStore(State& state, std::string detail, const std::shared_ptr<Botan::RandomNumberGenerator>& random)
      : Session_Manager(random), state_(state), detail_(std::move(detail)) {}

  void store(const Botan::TLS::Session& session, const Botan::TLS::Session_Handle& handle) override;
  std::size_t remove(const Botan::TLS::Session_Handle&) override { return 0; }  // taken is removed
  std::size_t remove_all() override { return 0; }
  std::size_t stored() const noexcept { return stored_; }  ///< tickets kept from this connection

  // Of the session that was found:
  const std::string& peer() const noexcept { return peer_; }       ///< whom it was with
  std::vector<Botan::X509_Certificate> peer_certificates() const;  ///< throws what the library throws on bad ones

 protected:
  std::optional<Botan::TLS::Session> retrieve_one(const Botan::TLS::Session_Handle&) override { return std::nullopt; }
  std::vector<Botan::TLS::Session_with_Handle> find_some(const Botan::TLS::Server_Information& server,
                                                         std::size_t most) override;

 private:
  State& state_;
  std::string detail_;
  std::string peer_;
  Der certificates_;  // fields of the entry
  std::size_t stored_ = 0;
};

}  // namespace trellis::tls
