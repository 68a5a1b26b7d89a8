#include "line.h"

#include <algorithm>
#include <cstring>

namespace trellis {
namespace {

constexpr OptionSpec kLineOptions[] = {
    {.name = "delimiter",
     .fallback = std::string_view("lf"),
     .meaning = "what stands behind a line: a line feed, or a carriage return and a line feed",
     .words = "lf crlf"},
    {.name = "max-bytes",
     .fallback = std::int64_t{65536},
     .meaning = "bytes of a line at most, sent or received, without its delimiter",
     .least = 1,
     .most = std::int64_t{1} << 30},
};

constexpr std::byte kCr{'\r'}, kLf{'\n'};

std::size_t find(std::span<const std::byte> text, std::byte what, std::size_t from) noexcept {
  if (from >= text.size()) return text.size();
  const void* at = std::memchr(text.data() + from, std::to_integer<int>(what), text.size() - from);
  return at == nullptr ? text.size() : static_cast<std::size_t>(static_cast<const std::byte*>(at) - text.data());
}

class Line final : public Framer {
 public:
  Line(LineFraming::Delimiter delimiter, BlockPool& pool) noexcept
      : width_(static_cast<std::uint8_t>(delimiter)), pool_(pool) {}

  Result<void> frame(Chunk part, bool first, std::size_t, Batch& out) noexcept override {
    const auto text = part.data.bytes();
    if (first) sent_cr_ = false;
    if (holds_delimiter(text)) {
      return fail(Reason::invalid_argument, "the message holds the delimiter that ends a line", 0, "line");
    }
    if (!text.empty()) sent_cr_ = text.back() == kCr;
    if (!part.end_of_message) {
      out.add(std::move(part));
      return {};
    }
    if (part.data.tailroom() >= width_) {
      write(part.data.append(width_));
      out.add(std::move(part));
      return {};
    }
    Chunk tail{.data = pool_.allocate(0, width_, 0), .info = part.info, .end_of_message = true};
    write(tail.data.edit());
    if (part.data.size() > 0) out.add(std::move(part));
    out.add(std::move(tail));
    return {};
  }

  // A line's end is delivered before its delimiter is dropped, so that the last bytes and the end are one piece.
  Result<Piece> parse(std::span<const std::byte> front) noexcept override {
    if (front.size() < to_drop_) return Piece{};
    const std::size_t begin = std::exchange(to_drop_, std::uint8_t{0});
    const std::size_t at = find_delimiter(front, begin);
    if (at < front.size()) {
      to_drop_ = width_;
      return Piece{.skip = begin, .deliver = at - begin, .end = true};
    }
    std::size_t text = front.size() - begin;
    if (width_ == 2 && text > 0 && front.back() == kCr) --text;  // the next byte says whether it belongs to the line
    return Piece{.skip = begin, .deliver = text};
  }

 private:
  bool holds_delimiter(std::span<const std::byte> text) const noexcept {
    if (width_ == 2 && sent_cr_ && !text.empty() && text[0] == kLf) return true;
    return find_delimiter(text, 0) < text.size();
  }
  std::size_t find_delimiter(std::span<const std::byte> text, std::size_t from) const noexcept {
    if (width_ == 1) return find(text, kLf, from);
    for (std::size_t at = from; (at = find(text, kLf, at)) < text.size(); ++at) {
      if (at > from && text[at - 1] == kCr) return at - 1;
    }
    return text.size();
  }
  void write(std::span<std::byte> to) const noexcept {
    if (width_ == 2) to[0] = kCr;
    to[width_ - 1u] = kLf;
  }

  std::uint8_t width_;        // bytes of the delimiter
  std::uint8_t to_drop_ = 0;  // bytes of the delimiter of the line that was delivered
  bool sent_cr_ = false;      // the part before this one ended so
  BlockPool& pool_;
};

}  // namespace

std::span<const OptionSpec> line_options() noexcept { return kLineOptions; }

Result<std::unique_ptr<Framing>> LineFraming::make_from(const Options& options) {
  const auto delimiter = options.text("delimiter") == "crlf" ? Delimiter::crlf : Delimiter::lf;
  return std::make_unique<LineFraming>(delimiter, static_cast<std::size_t>(options.number("max-bytes")));
}

std::unique_ptr<Framer> LineFraming::make(BlockPool& pool) const noexcept {
  return std::make_unique<Line>(delimiter_, pool);
}

}  // namespace trellis
