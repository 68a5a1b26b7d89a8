// digest.h: fingerprints of texts, keyed ones of messages, and a mark that no other process has.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace trellis {

/// SHA-256, as 64 hexadecimal digits.
std::string sha256(std::string_view text);

/// What the key of a password is made with, and what messages are signed with (RFC 8489 sections 14.5, 14.6, 18.5).
enum class Hash : std::uint8_t { md5, sha1, sha256 };
std::vector<std::byte> hash_of(Hash hash, std::string_view text);
std::vector<std::byte> hmac_of(Hash hash, std::span<const std::byte> key, std::span<const std::byte> message);
/// In a time that does not tell how much of them is equal.
bool same_digest(std::span<const std::byte> a, std::span<const std::byte> b) noexcept;

/// Random, the same for the life of the process.
const std::string& process_mark();

}  // namespace trellis
