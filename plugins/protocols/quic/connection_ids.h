// connection_ids.h: the names by which peers call our connections.
#pragma once
#include <botan/block_cipher.h>
#include <botan/mac.h>
#include <ngtcp2/ngtcp2.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>

namespace trellis::quic {

inline constexpr std::size_t kIdBytes = 16;  ///< of ours; never empty, so every connection survives a new address

/// A connection id as a key of maps.
struct ConnectionId {
  ConnectionId(const std::uint8_t* bytes, std::size_t length) noexcept
      : size(static_cast<std::uint8_t>(std::min(length, sizeof data))) {
    std::memcpy(data.data(), bytes, size);
  }
  explicit ConnectionId(const ngtcp2_cid& id) noexcept : ConnectionId(id.data, id.datalen) {}
  bool operator==(const ConnectionId&) const = default;
  std::array<std::uint8_t, NGTCP2_MAX_CIDLEN> data{};
  std::uint8_t size = 0;
};

/// Peers choose ids too, so the hash has keys that they cannot know (NH, RFC 4418 section 5.2).
struct ConnectionIdHash {
  std::array<std::uint64_t, 4> keys{};
  std::size_t operator()(const ConnectionId& id) const noexcept {
    std::uint64_t words[3] = {};
    std::memcpy(words, id.data.data(), id.size);
    return fold(words[0] + keys[0], words[1] + keys[1]) ^ fold(words[2] + keys[2], id.size + keys[3]);
  }

 private:
  static std::size_t fold(std::uint64_t a, std::uint64_t b) noexcept {
    const auto product = static_cast<unsigned __int128>(a) * b;
    return static_cast<std::size_t>(product) ^ static_cast<std::size_t>(product >> 64);
  }
};

using SecretKey = std::array<std::uint8_t, 32>;

/// Keys of one layer of one policy, for stateless resets, address tokens and ids. They come from the key of the
/// tickets, so a server that is started anew, or another one, can go on where this one was (RFC 9000 section 10.3.2).
struct Secrets {
  explicit Secrets(std::span<const std::uint8_t> ticket_key);
  SecretKey reset{}, retry{}, token{}, loop{};
};

/// What a stateless reset proves itself by, for each id of ours: the id, encrypted as one block. Who has the key makes
/// it again, and nobody else can tell it from random bytes (RFC 9000 section 10.3.2). Belongs to one loop.
class ResetTokens {
 public:
  explicit ResetTokens(const SecretKey& key);
  ~ResetTokens();
  void write(std::span<std::uint8_t, NGTCP2_STATELESS_RESET_TOKENLEN> out,
             std::span<const std::uint8_t, kIdBytes> id) const noexcept;

 private:
  std::unique_ptr<Botan::BlockCipher> cipher_;
};

/// Ids that name the loop of their connection, so that packets find it when the client's address has changed and the
/// kernel hands them to another loop. Only we can read it: the last byte is masked with a keyed hash of the others
/// (QUIC-84, QUIC-85). Belongs to one loop.
class LoopNames {
 public:
  explicit LoopNames(const SecretKey& key);
  ~LoopNames();
  /// Puts the loop into an id of kIdBytes random bytes.
  void write(std::span<std::uint8_t, kIdBytes> id, unsigned loop) noexcept;
  unsigned read(std::span<const std::uint8_t, kIdBytes> id) noexcept;  ///< of an id of ours; a guess of any other

 private:
  std::uint8_t mask(std::span<const std::uint8_t, kIdBytes> id) noexcept;
  std::unique_ptr<Botan::MessageAuthenticationCode> hash_;
};

}  // namespace trellis::quic
