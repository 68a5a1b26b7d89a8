// text.h: judging and showing text that somebody else wrote.
#pragma once
#include <string>
#include <string_view>

namespace trellis {

/// The offset of the first byte that is not part of well-formed UTF-8 (RFC 3629); npos when there is none.
std::size_t find_bad_utf8(std::string_view text) noexcept;

/// Well-formed UTF-8 without control characters.
bool is_printable(std::string_view text) noexcept;

/// The same but for the case of ASCII letters.
bool same_word(std::string_view a, std::string_view b) noexcept;

/// Letters, digits and single hyphens between them, lower case, beginning with a letter.
bool is_kebab_case(std::string_view word) noexcept;

/// The text in double quotes for a message of one line: what is not printable becomes '?', long texts are cut.
std::string in_quotes(std::string_view text);

/// A file's name for a message of one line: what is not printable becomes '?'.
std::string printable(std::string_view text);

}  // namespace trellis
