// http_head.h: the head of an HTTP/1.1 message (RFC 9112), strictly: what is
// not allowed is an error, not a guess.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "trellis/result.h"

namespace trellis::http_connect {

inline constexpr const char* kLayer = "http-connect";
/// A head, its first line and all fields, may have so many bytes; a larger one
/// is refused.
inline constexpr std::size_t kHeadMost = 16384;
inline constexpr std::size_t kFieldsMost = 100;

struct Field {
  std::string_view name, value;
};

/// A first line and its fields; views into the text.
struct Head {
  std::string_view first_line;
  std::vector<Field> fields;
  /// The values of the fields with this name, compared without case.
  std::vector<std::string_view> values(std::string_view name) const;
};

/// The size of the head that `text` begins with, its empty line included; 0: it
/// is not complete.
std::size_t head_size(std::string_view text) noexcept;
/// Parses a complete head. Errors: protocol_violation.
Result<Head> parse_head(std::string_view text);
/// The code of a status line. Errors: protocol_violation.
Result<unsigned> parse_status(std::string_view line);
/// Compares without case (ASCII).
bool same_word(std::string_view a, std::string_view b) noexcept;
/// "Basic …" (RFC 7617).
std::string basic_credentials(std::string_view user, std::string_view password);

}  // namespace trellis::http_connect
