// ticket_seal.h: a server's session tickets: sessions that only who has the ticket key can open.
#pragma once
#include <botan/aead.h>
#include <botan/secmem.h>
#include <botan/tls_session_manager.h>

#include <array>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

namespace trellis::tls {

/// Seals with a key of its own, which is made of the ticket key and a random seed that every ticket carries: so many
/// processes may share a ticket key (RFC 8446 section 8, RFC 5077 section 4). Any loop may ask.
class TicketSeal {
 public:
  using Secret = Botan::secure_vector<std::uint8_t>;
  explicit TicketSeal(Secret ticket_key);

  std::vector<std::uint8_t> seal(Secret session, Botan::RandomNumberGenerator& random);
  /// None: it is damaged, or of somebody else.
  std::optional<Secret> open(std::span<const std::uint8_t> ticket);

 private:
  using Seed = std::array<std::uint8_t, 16>;
  struct Opener {
    Seed seed;
    std::unique_ptr<Botan::AEAD_Mode> aead;
  };
  std::unique_ptr<Botan::AEAD_Mode> aead_for(const Seed& seed, Botan::Cipher_Dir direction) const;
  void renew(Botan::RandomNumberGenerator& random);

  const Secret ticket_key_;
  std::mutex mutex_;
  Seed seed_{};
  std::unique_ptr<Botan::AEAD_Mode> sealer_;  // of seed_
  std::uint32_t sealed_ = 0;                  // with it
  Opener opener_;                             // of the last ticket that was opened
};

/// A server's sessions, which are with its clients: sealed in their tickets.
class SealedSessions final : public Botan::TLS::Session_Manager {
 public:
  SealedSessions(std::shared_ptr<TicketSeal> seal, const std::shared_ptr<Botan::RandomNumberGenerator>& random)
      : Session_Manager(random), seal_(std::move(seal)) {}

  std::optional<Botan::TLS::Session_Handle> establish(const Botan::TLS::Session& session,
                                                      const std::optional<Botan::TLS::Session_ID>& id,
                                                      bool no_ticket) override;
  void store(const Botan::TLS::Session&, const Botan::TLS::Session_Handle&) override {}
  std::size_t remove(const Botan::TLS::Session_Handle&) override { return 0; }
  std::size_t remove_all() override { return 0; }
  bool emits_session_tickets() override { return true; }

 protected:
  std::optional<Botan::TLS::Session> retrieve_one(const Botan::TLS::Session_Handle& handle) override;
  std::vector<Botan::TLS::Session_with_Handle> find_some(const Botan::TLS::Server_Information&, std::size_t) override;

 private:
  std::shared_ptr<TicketSeal> seal_;
};

}  // namespace trellis::tls
