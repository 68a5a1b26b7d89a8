#include "ticket_store.h"

#include <botan/exceptn.h>
#include <botan/pk_keys.h>
#include <botan/tls_session.h>

#include <algorithm>

#include "tls_settings.h"

namespace trellis::tls {
namespace {

using Bytes = std::span<const std::uint8_t>;

constexpr std::chrono::seconds kLifetimeMost = std::chrono::hours(24 * 7);  // RFC 8446 section 4.6.1
constexpr std::size_t kLengthBytes = 4;                                     // before each field

// An entry is a list of fields: ticket, session, name of the peer, its certificates.
void add(StateValue& entry, Bytes field) {
  for (std::size_t i = kLengthBytes; i-- > 0;) entry.push_back(static_cast<std::byte>(field.size() >> (8 * i)));
  const auto bytes = std::as_bytes(field);
  entry.insert(entry.end(), bytes.begin(), bytes.end());
}

Bytes next(Bytes& entry) {
  std::size_t size = 0;
  if (entry.size() < kLengthBytes) throw Botan::Decoding_Error("an entry that ends too early");
  for (std::size_t i = 0; i < kLengthBytes; ++i) size = size << 8 | entry[i];
  entry = entry.subspan(kLengthBytes);
  if (entry.size() < size) throw Botan::Decoding_Error("an entry that ends too early");
  const Bytes field = entry.first(size);
  entry = entry.subspan(size);
  return field;
}

// Certificates are costly to parse and hardly ever asked for when a session goes on, so they are kept apart.
Botan::TLS::Session without_certificates(const Botan::TLS::Session& session) {
  return {session.master_secret(),
          std::nullopt,
          session.session_age_add(),
          session.lifetime_hint(),
          session.version(),
          session.ciphersuite_code(),
          session.side(),
          {},
          nullptr,
          session.server_info(),
          session.start_time()};
}

std::string name_of_peer(const Botan::TLS::Session& session) {
  if (!session.peer_certs().empty()) return session.peer_certs().front().subject_dn().to_string();
  if (session.peer_raw_public_key()) return "key " + session.peer_raw_public_key()->fingerprint_public("SHA-256");
  return {};
}

}  // namespace

void TicketStore::store(const Botan::TLS::Session& session, const Botan::TLS::Session_Handle& handle) {
  const auto ticket = handle.ticket();
  if (!ticket || session.version() != Botan::TLS::Protocol_Version::TLS_V13) return;
  StateValue entry;
  // A session that has gone on itself knows no certificates: those are what the entry that was taken held.
  const bool again = session.peer_certs().empty() && !session.peer_raw_public_key();
  const std::string peer = again ? peer_ : name_of_peer(session);
  add(entry, ticket->get());
  add(entry, without_certificates(session).DER_encode());
  add(entry, {reinterpret_cast<const std::uint8_t*>(peer.data()), peer.size()});
  for (const auto& certificate : session.peer_certs()) add(entry, certificate.BER_encode());
  if (again) entry.insert(entry.end(), certificates_.begin(), certificates_.end());
  state_.put(StateKind::session_ticket, detail_, std::move(entry), std::min(session.lifetime_hint(), kLifetimeMost));
  ++stored_;
}

// Another version's or a damaged store: a full handshake will do.
std::vector<Botan::TLS::Session_with_Handle> TicketStore::find_some(const Botan::TLS::Server_Information&,
                                                                    std::size_t) try {
  const StateValue entry = state_.take(StateKind::session_ticket, detail_);
  if (entry.empty()) return {};
  Bytes rest = octets(entry);
  Botan::TLS::Session_Ticket ticket(next(rest));
  Botan::TLS::Session session(next(rest));
  const Bytes peer = next(rest);
  peer_.assign(peer.begin(), peer.end());
  certificates_ = to_der(rest);
  return {{std::move(session), Botan::TLS::Session_Handle(std::move(ticket))}};
} catch (const std::exception&) {
  return {};
}

std::vector<Botan::X509_Certificate> TicketStore::peer_certificates() const {
  std::vector<Botan::X509_Certificate> chain;
  for (Bytes rest = octets(certificates_); !rest.empty();) {
    const Bytes der = next(rest);
    chain.emplace_back(der.data(), der.size());
  }
  return chain;
}

}  // namespace trellis::tls
