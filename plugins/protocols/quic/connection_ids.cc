#include "connection_ids.h"

#include <botan/mac.h>

#include <span>
#include <string_view>

namespace trellis::quic {
namespace {

void derive(SecretKey& out, std::span<const std::uint8_t> from, std::string_view what) {
  const auto mac = Botan::MessageAuthenticationCode::create_or_throw("HMAC(SHA-256)");
  mac->set_key(from);
  mac->update(std::string("trellis quic ").append(what));
  mac->final(std::span(out));
}

}  // namespace

Secrets::Secrets(std::span<const std::uint8_t> ticket_key) {
  derive(reset, ticket_key, "reset");
  derive(token, ticket_key, "token");
}

}  // namespace trellis::quic
