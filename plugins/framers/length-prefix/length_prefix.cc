#include "length_prefix.h"

#include <algorithm>
#include <bit>

namespace trellis {
namespace {

using Prefix = LengthPrefixFraming::Prefix;

constexpr std::size_t kVarintMost = (std::size_t{1} << 62) - 1;

constexpr OptionSpec kLengthPrefixOptions[] = {
    {.name = "bytes",
     .fallback = std::string_view("4"),
     .meaning = "how the length is written: bytes of a big-endian number, or a QUIC variable-length integer",
     .words = "1 2 4 varint"},
    {.name = "max-bytes",
     .fallback = std::int64_t{16} << 20,
     .meaning = "bytes of a message at most, sent or received; never more than the prefix can say",
     .least = 1,
     .most = std::int64_t{1} << 40},
};

constexpr std::size_t most(Prefix prefix) noexcept {
  return prefix == Prefix::varint ? kVarintMost : (std::size_t{1} << (8 * static_cast<unsigned>(prefix))) - 1;
}

// The two highest bits of a varint say how long it is: 1, 2, 4 or 8 bytes.
constexpr unsigned varint_width(std::size_t size) noexcept {
  if (size < (1u << 6)) return 1;
  if (size < (1u << 14)) return 2;
  return size < (1u << 30) ? 4 : 8;
}

class LengthPrefix final : public Framer {
 public:
  LengthPrefix(Prefix prefix, BlockPool& pool) noexcept : prefix_(prefix), pool_(pool) {}

  Result<void> frame(Chunk part, bool first, std::size_t size, Batch& out) noexcept override {
    if (first) {
      const unsigned width = prefix_ == Prefix::varint ? varint_width(size) : static_cast<unsigned>(prefix_);
      if (part.data.headroom() >= width) {
        write(size, part.data.prepend(width));
      } else {
        Chunk head{.data = pool_.allocate(0, width, 0), .info = part.info};
        write(size, head.data.edit());
        out.add(std::move(head));
      }
    }
    out.add(std::move(part));
    return {};
  }

  Result<Piece> parse(std::span<const std::byte> front) noexcept override {
    const auto first = std::to_integer<unsigned>(front[0]);
    const unsigned width = prefix_ == Prefix::varint ? 1u << (first >> 6) : static_cast<unsigned>(prefix_);
    if (front.size() < width) return Piece{};
    std::size_t size = prefix_ == Prefix::varint ? first & 0x3f : first;
    for (unsigned i = 1; i < width; ++i) size = size << 8 | std::to_integer<std::size_t>(front[i]);
    return Piece{.skip = width, .deliver = size, .end = true};
  }

 private:
  void write(std::size_t size, std::span<std::byte> to) const noexcept {
    for (std::size_t i = to.size(); i-- > 0; size >>= 8) to[i] = static_cast<std::byte>(size);
    if (prefix_ == Prefix::varint) to[0] |= static_cast<std::byte>(std::countr_zero(to.size()) << 6);
  }

  Prefix prefix_;
  BlockPool& pool_;
};

}  // namespace

std::span<const OptionSpec> length_prefix_options() noexcept { return kLengthPrefixOptions; }

LengthPrefixFraming::LengthPrefixFraming(Prefix prefix, std::size_t max_bytes) noexcept
    : prefix_(prefix), largest_(std::min(max_bytes, most(prefix))) {}

Result<std::unique_ptr<Framing>> LengthPrefixFraming::make_from(const Options& options) {
  const std::string_view word = options.text("bytes");
  const Prefix prefix = word == "varint" ? Prefix::varint : static_cast<Prefix>(word[0] - '0');
  return std::make_unique<LengthPrefixFraming>(prefix, static_cast<std::size_t>(options.number("max-bytes")));
}

std::uint16_t LengthPrefixFraming::headroom() const noexcept {
  if (prefix_ == Prefix::varint) return static_cast<std::uint16_t>(varint_width(largest_));
  return static_cast<std::uint16_t>(prefix_);
}

std::unique_ptr<Framer> LengthPrefixFraming::make(BlockPool& pool) const noexcept {
  return std::make_unique<LengthPrefix>(prefix_, pool);
}

}  // namespace trellis
