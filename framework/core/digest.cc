#include "core/digest.h"

#include <botan/hash.h>
#include <botan/hex.h>
#include <botan/system_rng.h>

namespace trellis {

std::string sha256(std::string_view text) {
  const auto hash = Botan::HashFunction::create_or_throw("SHA-256");
  hash->update(text);
  return Botan::hex_encode(hash->final(), false);
}

const std::string& process_mark() {
  static const std::string kMark = [] {
    Botan::System_RNG random;
    return Botan::hex_encode(random.random_vec(16));
  }();
  return kMark;
}

}  // namespace trellis
