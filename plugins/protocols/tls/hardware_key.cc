#include "hardware_key.h"

#include <botan/x509_key.h>

namespace trellis::tls {

std::unique_ptr<Botan::Public_Key> HardwareKey::public_key() const {
  return Botan::X509::load_key(public_->subject_public_key());
}

}  // namespace trellis::tls
