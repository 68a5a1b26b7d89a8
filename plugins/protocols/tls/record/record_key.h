// record_key.h: what protects the records of one direction: a cipher, an IV, and how often they were used.
//
// The nonce is that of TCPLS (draft-piraux-tcpls-00 section 4.3): the IV, its first 32 bits xor the connection's id,
// its last 64 bits xor the record's sequence number. Connection 0 is TLS (RFC 8446 section 5.3), so one construction
// serves both.
#pragma once
#include <array>
#include <memory>

#include "record/aead.h"
#include "record/key_schedule.h"

namespace trellis::tls {

/// How many records one key may seal (RFC 8446 section 5.5).
struct UsageLimit {
  std::uint64_t update;  ///< from here on a new key is asked for
  std::uint64_t last;    ///< no more than these are sealed
};
/// AES-GCM: 2^24.5 records, asked for at half of them. ChaCha20-Poly1305: as many as the sequence has numbers.
UsageLimit usage_limit(CipherSuite suite) noexcept;

/// The key and IV of one direction. TLS has one for its connection until the next KeyUpdate; TCPLS shares one among the
/// connections of a session, so that the limit counts all of them.
class RecordKey {
 public:
  /// [sender]_write_key and [sender]_write_iv of a traffic secret (RFC 8446 section 7.3).
  static Result<std::shared_ptr<RecordKey>> derive(const TrafficSecret& secret, Direction direction) noexcept;
  /// From key and IV themselves. Reason::invalid_argument: one of them has not its size.
  static Result<std::shared_ptr<RecordKey>> make(CipherSuite suite, std::span<const std::byte> key,
                                                 std::span<const std::byte> iv, Direction direction) noexcept;

  /// The nonce of one record. Nobody may use the same pair of numbers twice for sealing.
  std::array<std::byte, kNonce> nonce(std::uint32_t connection_id, std::uint64_t sequence) const noexcept;
  Aead& aead() noexcept { return *aead_; }  ///< the cipher

  void count() noexcept { ++records_; }                                     ///< one record more was sealed
  bool wants_update() const noexcept { return records_ >= limit_.update; }  ///< time for a KeyUpdate
  bool exhausted() const noexcept { return records_ >= limit_.last; }       ///< must not seal any more
  void limit(UsageLimit limit) noexcept { limit_ = limit; }                 ///< stricter than usage_limit()

  RecordKey(std::unique_ptr<Aead> aead, UsageLimit limit) noexcept;  ///< use derive() or make()
  RecordKey(const RecordKey&) = delete;
  RecordKey& operator=(const RecordKey&) = delete;

 private:
  std::unique_ptr<Aead> aead_;
  SecretBytes iv_;
  std::uint64_t records_ = 0;
  UsageLimit limit_;
};

}  // namespace trellis::tls
