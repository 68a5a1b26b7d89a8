#include "core/digest.h"

#include <botan/hash.h>
#include <botan/hex.h>
#include <botan/mac.h>
#include <botan/mem_ops.h>
#include <botan/system_rng.h>

namespace trellis {
namespace {

const char* botan_name(Hash hash) { return hash == Hash::md5 ? "MD5" : hash == Hash::sha1 ? "SHA-1" : "SHA-256"; }

std::span<const std::uint8_t> octets(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
}

std::vector<std::byte> bytes_of(std::span<const std::uint8_t> octets) {
  const auto bytes = std::as_bytes(octets);
  return {bytes.begin(), bytes.end()};
}

}  // namespace

std::string sha256(std::string_view text) {
  const auto hash = Botan::HashFunction::create_or_throw("SHA-256");
  hash->update(text);
  return Botan::hex_encode(hash->final(), false);
}

std::vector<std::byte> hash_of(Hash hash, std::string_view text) {
  const auto made = Botan::HashFunction::create_or_throw(botan_name(hash));
  made->update(text);
  return bytes_of(made->final());
}

std::vector<std::byte> hmac_of(Hash hash, std::span<const std::byte> key, std::span<const std::byte> message) {
  const auto mac = Botan::MessageAuthenticationCode::create_or_throw("HMAC(" + std::string(botan_name(hash)) + ")");
  mac->set_key(octets(key));
  mac->update(octets(message));
  return bytes_of(mac->final());
}

bool same_digest(std::span<const std::byte> a, std::span<const std::byte> b) noexcept {
  return a.size() == b.size() && Botan::constant_time_compare(octets(a), octets(b));
}

const std::string& process_mark() {
  static const std::string kMark = [] {
    Botan::System_RNG random;
    return Botan::hex_encode(random.random_vec(16));
  }();
  return kMark;
}

}  // namespace trellis
