// text.cc: UTF-8 after RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF.
#include "core/text.h"

#include <algorithm>
#include <cstdint>

namespace trellis {
namespace {

constexpr std::size_t kQuotedBytesMax = 80;

struct Range {
  unsigned char least, most;
};

bool is_control(unsigned char byte) noexcept { return byte < 0x20 || byte == 0x7f; }

/// How many bytes follow a lead byte, and what the first of them may be; -1: no lead byte.
int follow(unsigned char lead, Range& second) noexcept {
  second = {0x80, 0xbf};
  if (lead < 0x80) return 0;
  if (lead >= 0xc2 && lead <= 0xdf) return 1;
  if (lead >= 0xe0 && lead <= 0xef) {
    if (lead == 0xe0) second.least = 0xa0;
    if (lead == 0xed) second.most = 0x9f;
    return 2;
  }
  if (lead >= 0xf0 && lead <= 0xf4) {
    if (lead == 0xf0) second.least = 0x90;
    if (lead == 0xf4) second.most = 0x8f;
    return 3;
  }
  return -1;
}

/// Bytes of the character at the front; 0: not well-formed.
std::size_t character(std::string_view text) noexcept {
  Range range{};
  const int more = follow(static_cast<unsigned char>(text[0]), range);
  if (more < 0 || text.size() <= static_cast<std::size_t>(more)) return 0;
  for (std::size_t i = 1; i <= static_cast<std::size_t>(more); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < range.least || byte > range.most) return 0;
    range = {0x80, 0xbf};
  }
  return static_cast<std::size_t>(more) + 1;
}

}  // namespace

std::size_t find_bad_utf8(std::string_view text) noexcept {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = character(text.substr(at));
    if (length == 0) return at;
    at += length;
  }
  return std::string_view::npos;
}

bool is_printable(std::string_view text) noexcept {
  for (const char c : text) {
    if (is_control(static_cast<unsigned char>(c))) return false;
  }
  return find_bad_utf8(text) == std::string_view::npos;
}

bool is_kebab_case(std::string_view word) noexcept {
  if (word.empty() || word.front() < 'a' || word.front() > 'z' || word.back() == '-') return false;
  char before = 0;
  for (const char c : word) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (!plain && (c != '-' || before == '-')) return false;
    before = c;
  }
  return true;
}

std::string printable(std::string_view text) {
  std::string shown;
  while (!text.empty()) {
    const std::size_t length = character(text);
    if (length == 0 || is_control(static_cast<unsigned char>(text[0]))) {
      shown += '?';
    } else {
      shown += text.substr(0, length);
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return shown;
}

std::string in_quotes(std::string_view text) {
  if (text.size() <= kQuotedBytesMax) return '"' + printable(text) + '"';
  std::size_t end = kQuotedBytesMax;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;  // not inside a character
  return '"' + printable(text.substr(0, end)) + "…\"";
}

bool same_word(std::string_view a, std::string_view b) noexcept {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

}  // namespace trellis
