// length_prefix.h: a framer that writes the length of each message in front of it, big endian, in 1, 2 or 4 bytes or as
// a variable-length integer of QUIC (RFC 9000 section 16).
#pragma once
#include "trellis/framer.h"

namespace trellis {

/// The settings of a length-prefix layer, for policies and `trellis plugins`.
std::span<const OptionSpec> length_prefix_options() noexcept;

/// Lengths in front of messages, with the options of one policy layer.
class LengthPrefixFraming final : public Framing {
 public:
  /// How the length is written.
  enum class Prefix : std::uint8_t { one = 1, two = 2, four = 4, varint = 0 };

  static Result<std::unique_ptr<Framing>> make_from(const Options& options);
  LengthPrefixFraming(Prefix prefix, std::size_t max_bytes) noexcept;

  std::uint16_t headroom() const noexcept override;
  bool needs_size() const noexcept override { return true; }
  std::size_t largest() const noexcept override { return largest_; }
  std::unique_ptr<Framer> make(BlockPool& pool) const noexcept override;

 private:
  Prefix prefix_;
  std::size_t largest_;  // what the policy allows and the prefix can say
};

}  // namespace trellis
