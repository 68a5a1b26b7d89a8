#include "ticket_seal.h"

#include <botan/exceptn.h>
#include <botan/mac.h>
#include <botan/rng.h>
#include <botan/system_rng.h>
#include <botan/tls_session.h>
#include <botan/x509cert.h>

#include <algorithm>

namespace trellis::tls {
namespace {

// A ticket: seed, nonce, sealed session with its tag.
constexpr std::size_t kSeedBytes = 16, kNonceBytes = 12, kTagBytes = 16;
constexpr std::size_t kHeadBytes = kSeedBytes + kNonceBytes;
// With random nonces a key shall not seal more than 2^32 times (NIST SP 800-38D section 8.3).
constexpr std::uint32_t kSealsPerKey = 1U << 31;

}  // namespace

// HMAC as a key derivation function (NIST SP 800-108): the seed is random and the label says what the key is for.
std::unique_ptr<Botan::AEAD_Mode> TicketSeal::aead_for(const Seed& seed, Botan::Cipher_Dir direction) const {
  const auto mac = Botan::MessageAuthenticationCode::create_or_throw("HMAC(SHA-256)");
  mac->set_key(ticket_key_);
  mac->update("trellis session ticket");
  mac->update(seed);
  auto aead = Botan::AEAD_Mode::create_or_throw("AES-256/GCM", direction);
  aead->set_key(mac->final());
  return aead;
}

// As the ticket key, the first seed is not the loop's: what a connection draws shall not depend on who was first.
TicketSeal::TicketSeal(Secret ticket_key) : ticket_key_(std::move(ticket_key)) { renew(Botan::system_rng()); }

void TicketSeal::renew(Botan::RandomNumberGenerator& random) {
  random.randomize(seed_);
  sealer_ = aead_for(seed_, Botan::Cipher_Dir::Encryption);
  sealed_ = 0;
}

std::vector<std::uint8_t> TicketSeal::seal(Secret session, Botan::RandomNumberGenerator& random) {
  const std::lock_guard lock(mutex_);
  if (sealed_ == kSealsPerKey) renew(random);
  ++sealed_;
  std::array<std::uint8_t, kNonceBytes> nonce;
  random.randomize(nonce);
  sealer_->set_associated_data(seed_);
  sealer_->start(nonce);
  sealer_->finish(session);
  std::vector<std::uint8_t> ticket(seed_.begin(), seed_.end());
  ticket.reserve(kHeadBytes + session.size());
  ticket.insert(ticket.end(), nonce.begin(), nonce.end());
  ticket.insert(ticket.end(), session.begin(), session.end());
  return ticket;
}

std::optional<TicketSeal::Secret> TicketSeal::open(std::span<const std::uint8_t> ticket) {
  if (ticket.size() < kHeadBytes + kTagBytes) return std::nullopt;
  Seed seed;
  std::ranges::copy(ticket.first(kSeedBytes), seed.begin());
  const auto rest = ticket.subspan(kHeadBytes);
  Secret session(rest.begin(), rest.end());
  const std::lock_guard lock(mutex_);
  if (opener_.aead == nullptr || opener_.seed != seed) opener_ = {seed, aead_for(seed, Botan::Cipher_Dir::Decryption)};
  opener_.aead->set_associated_data(seed);
  opener_.aead->start(ticket.subspan(kSeedBytes, kNonceBytes));
  try {
    opener_.aead->finish(session);
    return session;
  } catch (const Botan::Invalid_Authentication_Tag&) {
    opener_.aead.reset();
    return std::nullopt;
  }
}

std::optional<Botan::TLS::Session_Handle> SealedSessions::establish(const Botan::TLS::Session& session,
                                                                    const std::optional<Botan::TLS::Session_ID>&,
                                                                    bool no_ticket) {
  if (no_ticket) return std::nullopt;
  return Botan::TLS::Session_Handle(Botan::TLS::Session_Ticket(seal_->seal(session.DER_encode(), *m_rng)));
}

// Another version's session inside a good seal: a full handshake will do.
std::optional<Botan::TLS::Session> SealedSessions::retrieve_one(const Botan::TLS::Session_Handle& handle) try {
  const auto ticket = handle.ticket();
  if (!ticket) return std::nullopt;
  const auto session = seal_->open(ticket->get());
  if (!session) return std::nullopt;
  return Botan::TLS::Session(*session);
} catch (const std::exception&) {
  return std::nullopt;
}

std::vector<Botan::TLS::Session_with_Handle> SealedSessions::find_some(const Botan::TLS::Server_Information&,
                                                                       std::size_t) {
  return {};
}

}  // namespace trellis::tls
