#include "connection_ids.h"

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
  derive(retry, ticket_key, "retry");
  derive(token, ticket_key, "token");
  derive(loop, ticket_key, "loop");
}

// Every id of every handshake has a token: made the library's own way (HKDF) they cost a fifteenth of the handshake.
ResetTokens::ResetTokens(const SecretKey& key) : cipher_(Botan::BlockCipher::create_or_throw("AES-256")) {
  cipher_->set_key(key);
}

ResetTokens::~ResetTokens() = default;

void ResetTokens::write(std::span<std::uint8_t, NGTCP2_STATELESS_RESET_TOKENLEN> out,
                        std::span<const std::uint8_t, kIdBytes> id) const noexcept {
  static_assert(kIdBytes == NGTCP2_STATELESS_RESET_TOKENLEN);
  cipher_->encrypt_n(id.data(), out.data(), 1);
}

LoopNames::LoopNames(const SecretKey& key) : hash_(Botan::MessageAuthenticationCode::create_or_throw("SipHash(2,4)")) {
  hash_->set_key(std::span(key).first(16));
}

LoopNames::~LoopNames() = default;

std::uint8_t LoopNames::mask(std::span<const std::uint8_t, kIdBytes> id) noexcept {
  std::array<std::uint8_t, 8> out;
  hash_->update(id.first<kIdBytes - 1>());
  hash_->final(std::span(out));
  return out[0];
}

void LoopNames::write(std::span<std::uint8_t, kIdBytes> id, unsigned loop) noexcept {
  id.back() = static_cast<std::uint8_t>(mask(id) ^ loop);
}

unsigned LoopNames::read(std::span<const std::uint8_t, kIdBytes> id) noexcept { return id.back() ^ mask(id); }

}  // namespace trellis::quic
