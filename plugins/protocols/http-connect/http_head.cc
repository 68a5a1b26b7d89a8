#include "http_head.h"

#include <algorithm>
#include <format>

#include "handshake.h"

namespace trellis::http_connect {
namespace {

constexpr std::string_view kEnd = "\r\n\r\n";

std::unexpected<Error> bad(std::string detail) {
  return fail(Reason::protocol_violation, std::move(detail), 0, kLayer);
}

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
// RFC 9110 section 5.6.2
bool is_token(char c) {
  return is_letter(c) || is_digit(c) || std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}
// Of a value or a first line: no control characters but the tab (RFC 9110
// section 5.5).
bool is_text(char c) { return c == '\t' || (static_cast<unsigned char>(c) >= ' ' && c != '\x7f'); }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

Result<Field> parse_field(std::string_view line) {
  const std::size_t colon = line.find(':');
  const std::string_view name = line.substr(0, colon);
  if (colon == std::string_view::npos || name.empty() || !std::ranges::all_of(name, is_token))
    return bad(std::format("found the header line '{}', expected NAME: VALUE", proxy::shown(line)));
  const std::string_view value = trimmed(line.substr(colon + 1));
  if (!std::ranges::all_of(value, is_text))
    return bad(std::format("found control characters in the header field {}", proxy::shown(name)));
  return Field{name, value};
}

}  // namespace

bool same_word(std::string_view a, std::string_view b) noexcept {
  return std::ranges::equal(
      a, b, {}, [](char c) { return is_letter(c) ? c | 0x20 : c; }, [](char c) { return is_letter(c) ? c | 0x20 : c; });
}

std::vector<std::string_view> Head::values(std::string_view name) const {
  std::vector<std::string_view> found;
  for (const Field& field : fields) {
    if (same_word(field.name, name)) found.push_back(field.value);
  }
  return found;
}

std::size_t head_size(std::string_view text) noexcept {
  const std::size_t end = text.find(kEnd);
  return end == std::string_view::npos ? 0 : end + kEnd.size();
}

Result<Head> parse_head(std::string_view text) {
  Head head;
  text.remove_suffix(kEnd.size());
  for (bool first = true; first || !text.empty(); first = false) {
    const std::size_t end = std::min(text.find("\r\n"), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 2, text.size()));
    if (first) {
      if (!std::ranges::all_of(line, is_text)) return bad("found control characters in the first line");
      head.first_line = line;
      continue;
    }
    if (head.fields.size() == kFieldsMost) return bad(std::format("found more than {} header fields", kFieldsMost));
    auto field = parse_field(line);
    if (!field) return fail(std::move(field));
    head.fields.push_back(*field);
  }
  return head;
}

Result<unsigned> parse_status(std::string_view line) {
  // "HTTP/1.1 200 Connection established"; the reason may be missing.
  const bool http = line.starts_with("HTTP/1.1 ") || line.starts_with("HTTP/1.0 ");
  const std::string_view code = http ? line.substr(9, 3) : std::string_view();
  if (!http || code.size() != 3 || !std::ranges::all_of(code, is_digit) || (line.size() > 12 && line[12] != ' '))
    return bad(
        std::format("found '{}', expected the status line of HTTP/1.1: it is no HTTP proxy", proxy::shown(line)));
  return static_cast<unsigned>((code[0] - '0') * 100 + (code[1] - '0') * 10 + (code[2] - '0'));
}

std::string basic_credentials(std::string_view user, std::string_view password) {
  static constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const std::string pair = std::format("{}:{}", user, password);
  std::string text = "Basic ";
  for (std::size_t i = 0; i < pair.size(); i += 3) {  // RFC 4648 section 4
    const auto octet = [&](std::size_t n) {
      return i + n < pair.size() ? static_cast<unsigned>(static_cast<unsigned char>(pair[i + n])) : 0u;
    };
    const unsigned bits = octet(0) << 16 | octet(1) << 8 | octet(2);
    text += kAlphabet[bits >> 18];
    text += kAlphabet[bits >> 12 & 63];
    text += i + 1 < pair.size() ? kAlphabet[bits >> 6 & 63] : '=';
    text += i + 2 < pair.size() ? kAlphabet[bits & 63] : '=';
  }
  return text;
}

}  // namespace trellis::http_connect
