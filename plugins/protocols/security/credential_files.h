// credential_files.h: the files that options name: certificates, keys, lists. Errors name the option and the file.
#pragma once
#include <botan/certstor.h>
#include <botan/secmem.h>

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../octets.h"
#include "trellis/result.h"
#include "trellis/security.h"

namespace trellis::security {

/// Reads the file that one option names. Each returns an error of reason configuration with the option's name, its
/// value and what was expected.
class CredentialFile {
 public:
  /// `layer` is the Error's layer and lives as long as the plugin.
  CredentialFile(const char* layer, std::string_view option, std::string_view path)
      : layer_(layer), option_(option), path_(path) {}

  Result<std::string> bytes() const;              ///< as it is; an empty file is an error
  Result<std::vector<Der>> certificates() const;  ///< PEM certificates and nothing else
  Result<std::vector<Der>> public_keys() const;   ///< SPKI of PEM public keys and of certificates
  /// A PEM chain, or one PEM public key, and the private key in the file that option `key` names.
  Result<Identity> identity(std::string_view key) const;
  Result<std::shared_ptr<Botan::Certificate_Store_In_Memory>> revocation_lists() const;
  Result<std::vector<PresharedKey>> preshared_keys() const;                   ///< a line each
  Result<Botan::secure_vector<std::uint8_t>> secret(std::size_t size) const;  ///< exactly that many bytes

  std::unexpected<Error> refuse(std::string_view why) const;  ///< "found option='path', why"

 private:
  struct Block;
  Result<std::vector<Block>> pem() const;
  const char* layer_;
  std::string_view option_, path_;
};

/// The words of a list that is separated by spaces.
std::vector<std::string> words_of(std::string_view text);

/// DER of a library's object.
template <class Bytes>
Der to_der(const Bytes& bytes) {
  const auto* const begin = reinterpret_cast<const std::byte*>(bytes.data());
  return Der(begin, begin + bytes.size());
}

}  // namespace trellis::security
