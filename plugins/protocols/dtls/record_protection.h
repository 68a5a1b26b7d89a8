// record_protection.h: sealing and opening the records of epoch 1 in place (RFC 6347 section 4.1.2), and the window in
// which a record counts once (section 4.1.2.6).
#pragma once
#include <bitset>
#include <cstdint>
#include <memory>
#include <optional>

#include "record_header.h"
#include "record_keys.h"
#include "trellis/buffer.h"

namespace trellis::dtls {

inline constexpr std::uint32_t kExplicitNonce = 8;
inline constexpr std::uint32_t kHeadroom = kRecordHeader + kExplicitNonce;  ///< room that sealing in place needs before
inline constexpr std::uint32_t kTailroom = tls::kTag;                       ///< and behind
inline constexpr std::uint32_t kOverhead = kHeadroom + kTailroom;

class Sealer {
 public:
  /// `next`: number behind those records that the library has sealed with this key already.
  Sealer(const RecordKeys& keys, std::uint64_t next)
      : key_(keys.sealing), next_(next), explicit_nonce_(keys.explicit_nonce) {}
  /// Makes a record of a content, in its memory where there is room around it. Precondition: at most kFragmentMost
  /// bytes; not worn().
  Slice seal(ContentType type, Slice&& content, BlockPool& pool) noexcept;
  /// The key has protected as much as it may (RFC 8446 section 5.5, counted in blocks): DTLS 1.2 has no other one.
  bool worn() const noexcept { return blocks_ >= kBlocksMost; }

 private:
  static constexpr std::uint64_t kBlocksMost = 23'726'566ull * 1024;  // 2^24.5 records of 2^14 bytes
  std::shared_ptr<tls::RecordKey> key_;
  std::uint64_t next_;
  std::uint64_t blocks_ = 0;
  bool explicit_nonce_;
};

/// Which records have come.
class ReplayWindow {
 public:
  static constexpr std::uint64_t kSize = 256;      ///< records that may overtake one
  bool seen(std::uint64_t number) const noexcept;  ///< it came, or is too old to tell
  void note(std::uint64_t number) noexcept;

 private:
  std::bitset<kSize> seen_;  // bit n: newest_ - n
  std::uint64_t newest_ = 0;
};

class Opener {
 public:
  explicit Opener(const RecordKeys& keys) : key_(keys.opening), explicit_nonce_(keys.explicit_nonce) {}
  /// The content of a record, in the record's memory where nobody shares it. Nothing: it is forged, damaged or came
  /// before; it is counted and has no other effect (RFC 6347 section 4.1.2.7).
  std::optional<Slice> open(const RecordHeader& header, Slice&& record, BlockPool& pool) noexcept;
  std::uint64_t forged() const noexcept { return forged_; }      ///< records that failed their check
  std::uint64_t replayed() const noexcept { return replayed_; }  ///< and that came again, or too late
  /// So many were forged that one might pass (RFC 9147 section 4.5.3).
  bool worn() const noexcept { return forged_ >= kForgedMost; }

 private:
  static constexpr std::uint64_t kForgedMost = std::uint64_t{1} << 36;
  std::shared_ptr<tls::RecordKey> key_;
  ReplayWindow window_;
  std::uint64_t forged_ = 0, replayed_ = 0;
  bool explicit_nonce_;
};

}  // namespace trellis::dtls
