#include "record/aead.h"

#include <botan/aead.h>
#include <botan/exceptn.h>
#include <botan/mem_ops.h>

#include <algorithm>
#include <format>

#include "../../octets.h"

namespace trellis::tls {
namespace {

const char* botan_name(CipherSuite suite) noexcept {
  switch (suite) {
    case CipherSuite::aes_128_gcm_sha256: return "AES-128/GCM";
    case CipherSuite::aes_256_gcm_sha384: return "AES-256/GCM";
    case CipherSuite::chacha20_poly1305_sha256: return "ChaCha20Poly1305";
  }
  return "";
}

// process() works in place on any memory. Only finish() insists on a vector of its own, so it gets nothing but the tag.
class BotanAead final : public Aead {
 public:
  explicit BotanAead(std::unique_ptr<Botan::AEAD_Mode> mode) : mode_(std::move(mode)) { tail_.reserve(kTag); }

  void seal(Nonce nonce, std::span<const std::byte> additional, std::span<const std::span<std::byte>> pieces,
            std::span<std::byte, kTag> tag) noexcept override {
    begin(nonce, additional);
    for (const std::span<std::byte> piece : pieces) process(piece);
    tail_.clear();
    mode_->finish(tail_);
    std::ranges::copy(std::as_bytes(std::span(tail_)), tag.begin());
  }

  bool open(Nonce nonce, std::span<const std::byte> additional, std::span<std::byte> text,
            std::span<const std::byte, kTag> tag) noexcept override {
    begin(nonce, additional);
    process(text);
    const auto expected = octets(tag);
    tail_.assign(expected.begin(), expected.end());
    try {
      mode_->finish(tail_);
      return true;
    } catch (const Botan::Invalid_Authentication_Tag&) {
      mode_->reset();
      std::ranges::fill(text, std::byte{});
      return false;
    }
  }

 private:
  void begin(Nonce nonce, std::span<const std::byte> additional) {
    mode_->set_associated_data(octets(additional));
    mode_->start(octets(nonce));
  }

  void process(std::span<std::byte> text) {
    mode_->process({reinterpret_cast<std::uint8_t*>(text.data()), text.size()});
  }

  std::unique_ptr<Botan::AEAD_Mode> mode_;
  Botan::secure_vector<std::uint8_t> tail_;
};

}  // namespace

std::size_t key_size(CipherSuite suite) noexcept { return suite == CipherSuite::aes_128_gcm_sha256 ? 16 : 32; }

Result<std::unique_ptr<Aead>> make_aead(CipherSuite suite, std::span<const std::byte> key,
                                        Direction direction) noexcept {
  if (key.size() != key_size(suite)) {
    return trellis::fail(
        Reason::invalid_argument,
        std::format("a key of {} bytes for {}, which needs {}", key.size(), botan_name(suite), key_size(suite)), 0,
        "tls");
  }
  auto mode = Botan::AEAD_Mode::create(
      botan_name(suite), direction == Direction::seal ? Botan::Cipher_Dir::Encryption : Botan::Cipher_Dir::Decryption);
  if (!mode) {
    return trellis::fail(Reason::unsupported, std::format("Botan was built without {}", botan_name(suite)), 0, "tls");
  }
  mode->set_key(octets(key));
  return std::make_unique<BotanAead>(std::move(mode));
}

}  // namespace trellis::tls
