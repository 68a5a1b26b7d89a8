// line.h: a framer for text protocols: each message is a line, and a delimiter stands behind it.
#pragma once
#include "trellis/framer.h"

namespace trellis {

/// The settings of a line layer, for policies and `trellis plugins`.
std::span<const OptionSpec> line_options() noexcept;

/// Delimiters behind messages, with the options of one policy layer.
class LineFraming final : public Framing {
 public:
  /// What stands behind a line.
  enum class Delimiter : std::uint8_t { lf = 1, crlf = 2 };  // as many bytes

  static Result<std::unique_ptr<Framing>> make_from(const Options& options);
  LineFraming(Delimiter delimiter, std::size_t max_bytes) noexcept : delimiter_(delimiter), max_bytes_(max_bytes) {}

  std::uint16_t tailroom() const noexcept override { return static_cast<std::uint16_t>(delimiter_); }
  /// A line that holds the delimiter is refused, which is possible only as long as nothing of it has left.
  bool needs_size() const noexcept override { return true; }
  std::size_t largest() const noexcept override { return max_bytes_; }
  std::unique_ptr<Framer> make(BlockPool& pool) const noexcept override;

 private:
  Delimiter delimiter_;
  std::size_t max_bytes_;
};

}  // namespace trellis
