#include "connection_ids.h"

#include <gnutls/crypto.h>

namespace trellis::quic {

// The library's generator and not a loop's: all loops share these.
Secrets::Secrets() {
  gnutls_rnd(GNUTLS_RND_KEY, reset.data(), reset.size());
  gnutls_rnd(GNUTLS_RND_KEY, token.data(), token.size());
}

}  // namespace trellis::quic
