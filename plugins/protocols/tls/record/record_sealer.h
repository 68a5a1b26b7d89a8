// record_sealer.h: plaintext to records (RFC 8446 section 5.2).
#pragma once
#include "record/record_key.h"
#include "trellis/buffer.h"

namespace trellis::tls {

/// Seals what one direction of one connection sends. Allocates nothing but blocks of the pool, and those only for data
/// that lacks room around it, is longer than a record, or is so little that it shares a record with what follows.
class RecordSealer {
 public:
  /// `connection_id`: of TCPLS; 0 for TLS. `sequence`: of the first record; not 0 when another has sealed before.
  explicit RecordSealer(std::shared_ptr<RecordKey> key, std::uint32_t connection_id = 0,
                        std::uint64_t sequence = 0) noexcept;

  /// Seals all chunks of `plain`, adds the records to `sealed` and leaves `plain` empty. Chunks longer than 2^14 bytes
  /// are cut; application data in chunks below kSmall bytes shares records. An empty chunk makes no record. Each
  /// MessageRef leaves with the record that ends its data.
  /// Reason::exhausted: the key or the sequence numbers are used up; what was not sealed is left in `plain`.
  Result<void> seal(ContentType type, Batch& plain, Batch& sealed, BlockPool& pool) noexcept;
  /// One record: a handshake message, the frames of TCPLS. May be empty for application data: such a record is cover
  /// traffic. Precondition: at most kPlaintextMax bytes.
  Result<void> seal(ContentType type, Slice&& plain, Batch& sealed, BlockPool& pool) noexcept;
  /// One record of application data that lies in several pieces, each encrypted where it is. The first one begins with
  /// kRecordHeader bytes for the header, the last one ends with kTailroom bytes for type and tag. Adds the pieces to
  /// `sealed` and leaves `pieces` empty. Precondition: 1 to kPiecesMax pieces, all editable, with at most
  /// kPlaintextMax bytes between header and tail.
  Result<void> seal_pieces(Batch& pieces, Batch& sealed) noexcept;
  static constexpr std::size_t kPiecesMax = 64;
  /// An alert record; its level is the one that TLS 1.3 prescribes.
  Result<void> seal(AlertDescription alert, Batch& sealed, BlockPool& pool) noexcept;

  /// The key has protected so much that a KeyUpdate should be sent.
  bool wants_update() const noexcept { return key_->wants_update(); }
  /// The key after a KeyUpdate, for the records after it; they count from 0.
  void rekey(std::shared_ptr<RecordKey> key) noexcept;
  std::uint64_t sequence() const noexcept { return sequence_; }  ///< of the next record

  static constexpr std::uint32_t kSmall = 4096;  ///< below it, copying is cheaper than a record

 private:
  Result<void> seal_together(Batch& plain, std::uint32_t count, Batch& sealed, BlockPool& pool) noexcept;
  Result<void> seal_front(ContentType type, Batch& plain, Batch& sealed, BlockPool& pool) noexcept;
  void seal_one(ContentType type, Chunk&& chunk, Batch& sealed, BlockPool& pool) noexcept;
  Result<void> may_seal() const noexcept;
  void protect(std::uint32_t length, std::span<std::byte> header, std::span<const std::span<std::byte>> text,
               std::span<std::byte, kTag> tag) noexcept;

  std::shared_ptr<RecordKey> key_;
  std::uint64_t sequence_;
  std::uint32_t connection_id_;
};

}  // namespace trellis::tls
