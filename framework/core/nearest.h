// nearest.h: the valid word nearest to a wrong one, for messages that a user can act on.
#pragma once
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace trellis {

/// Insertions, deletions, replacements and swaps of neighbours that turn one word into the other.
std::size_t edit_distance(std::string_view from, std::string_view to);

/// The word of `words` nearest to `word`, the first of equals; empty when none is near enough to be meant.
std::string_view nearest(std::string_view word, std::span<const std::string_view> words);

/// "a, b or c"; "nothing" without words.
std::string listed(std::span<const std::string_view> words);

/// How a message about an unknown word goes on: `expected sctp, tcp or udp: did you mean "tcp"?`
std::string expected_one_of(std::string_view word, std::span<const std::string_view> words);

}  // namespace trellis
