#include "ticket_store.h"

#include <botan/tls_session.h>

#include <cstring>

#include "tls_settings.h"

namespace trellis::tls {
namespace {

constexpr std::size_t kLengthBytes = 2;  // of the ticket, before it; the session follows
constexpr std::chrono::seconds kLifetimeMost = std::chrono::hours(24 * 7);  // RFC 8446 section 4.6.1

}  // namespace

void TicketStore::store(const Botan::TLS::Session& session, const Botan::TLS::Session_Handle& handle) {
  const auto ticket = handle.ticket();
  if (!ticket || ticket->size() > 0xffff || session.version() != Botan::TLS::Protocol_Version::TLS_V13) return;
  const auto der = session.DER_encode();
  StateValue value(kLengthBytes + ticket->size() + der.size());
  value[0] = static_cast<std::byte>(ticket->size() >> 8);
  value[1] = static_cast<std::byte>(ticket->size());
  std::memcpy(value.data() + kLengthBytes, ticket->get().data(), ticket->size());
  std::memcpy(value.data() + kLengthBytes + ticket->size(), der.data(), der.size());
  state_.put(StateKind::session_ticket, detail_, std::move(value), std::min(session.lifetime_hint(), kLifetimeMost));
  ++stored_;
}

std::vector<Botan::TLS::Session_with_Handle> TicketStore::find_some(const Botan::TLS::Server_Information&,
                                                                    std::size_t) {
  std::vector<Botan::TLS::Session_with_Handle> found;
  const StateValue value = state_.take(StateKind::session_ticket, detail_);
  const auto bytes = octets(value);
  if (bytes.size() < kLengthBytes) return found;
  const std::size_t size = std::size_t{bytes[0]} << 8 | bytes[1];
  if (bytes.size() < kLengthBytes + size) return found;
  try {
    Botan::TLS::Session session(bytes.subspan(kLengthBytes + size));
    Botan::TLS::Session_Ticket ticket(bytes.subspan(kLengthBytes, size));
    found.push_back({std::move(session), Botan::TLS::Session_Handle(std::move(ticket))});
  } catch (const std::exception&) {
    return found;  // another version's or a damaged store: a full handshake will do
  }
  return found;
}

}  // namespace trellis::tls
