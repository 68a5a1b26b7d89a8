// record_keys.h: from the master secret to the keys of an association's records (RFC 5246 section 6.3).
#pragma once
#include <cstdint>
#include <memory>

#include "record/record_key.h"
#include "trellis/result.h"

namespace trellis::tls {
struct MasterSecret;
}

namespace trellis::dtls {

/// What protects the records of both directions.
struct RecordKeys {
  std::shared_ptr<tls::RecordKey> sealing, opening;
  bool explicit_nonce = true;  ///< AES-GCM: 8 bytes of the nonce are in the record (RFC 5288); else RFC 7905

  /// For the cipher suite with that number. Reason::unsupported: it is none of ours.
  static Result<RecordKeys> derive(std::uint16_t suite, const tls::MasterSecret& master, bool server) noexcept;
};

}  // namespace trellis::dtls
