// aead.h: authenticated encryption on raw memory, in place. The only place that knows which library does it.
#pragma once
#include <cstddef>
#include <memory>
#include <span>

#include "record/record.h"

namespace trellis::tls {

/// What an Aead is for: ciphers are keyed for one direction, to save memory.
enum class Direction : std::uint8_t { seal, open };

inline constexpr std::size_t kNonce = 12;  ///< bytes, for all suites
using Nonce = std::span<const std::byte, kNonce>;

/// A keyed cipher. Neither function allocates.
class Aead {
 public:
  virtual ~Aead() = default;
  /// Encrypts a text that lies in several pieces, each in place, and writes its tag, which may lie right behind it.
  /// A nonce serves once. Precondition: made for Direction::seal.
  virtual void seal(Nonce nonce, std::span<const std::byte> additional, std::span<const std::span<std::byte>> pieces,
                    std::span<std::byte, kTag> tag) noexcept = 0;
  /// The same in one piece.
  void seal(Nonce nonce, std::span<const std::byte> additional, std::span<std::byte> text,
            std::span<std::byte, kTag> tag) noexcept {
    seal(nonce, additional, std::span<const std::span<std::byte>>(&text, 1), tag);
  }
  /// Decrypts `text` in place. False: the tag does not belong to it, and `text` was wiped.
  /// Precondition: made for Direction::open.
  [[nodiscard]] virtual bool open(Nonce nonce, std::span<const std::byte> additional, std::span<std::byte> text,
                                  std::span<const std::byte, kTag> tag) noexcept = 0;
};

/// Bytes of a suite's key.
std::size_t key_size(CipherSuite suite) noexcept;

/// The cipher of a suite. Reason::invalid_argument: the key has another size; Reason::unsupported: the crypto library
/// was built without it.
Result<std::unique_ptr<Aead>> make_aead(CipherSuite suite, std::span<const std::byte> key,
                                        Direction direction) noexcept;

}  // namespace trellis::tls
