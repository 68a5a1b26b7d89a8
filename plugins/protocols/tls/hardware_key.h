// hardware_key.h: a private key that nobody can read: the application signs (RFC 9622 section 6.3.2).
#pragma once
#include <botan/pk_keys.h>

#include <memory>

namespace trellis::tls {

/// Lets the library choose a signature algorithm by the public half; signing goes through Callbacks::tls_sign_message.
class HardwareKey final : public Botan::Private_Key {
 public:
  explicit HardwareKey(std::shared_ptr<Botan::Public_Key> half) : public_(std::move(half)) {}

  std::string algo_name() const override { return public_->algo_name(); }
  std::size_t estimated_strength() const override { return public_->estimated_strength(); }
  bool supports_operation(Botan::PublicKeyOperation op) const override { return public_->supports_operation(op); }
  std::unique_ptr<Botan::Private_Key> generate_another(Botan::RandomNumberGenerator&) const override {
    throw Botan::Not_Implemented("a key in hardware makes no other keys");
  }
  std::size_t key_length() const override { return public_->key_length(); }
  bool check_key(Botan::RandomNumberGenerator& rng, bool strong) const override {
    return public_->check_key(rng, strong);
  }
  Botan::AlgorithmIdentifier algorithm_identifier() const override { return public_->algorithm_identifier(); }
  std::vector<std::uint8_t> raw_public_key_bits() const override { return public_->raw_public_key_bits(); }
  std::vector<std::uint8_t> public_key_bits() const override { return public_->public_key_bits(); }
  Botan::secure_vector<std::uint8_t> private_key_bits() const override {
    throw Botan::Not_Implemented("a key in hardware cannot be read");
  }
  std::unique_ptr<Botan::Public_Key> public_key() const override;

 private:
  std::shared_ptr<Botan::Public_Key> public_;
};

}  // namespace trellis::tls
