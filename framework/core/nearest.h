// nearest.h: the valid word nearest to a wrong one, for messages that a user can act on.
#pragma once
#include <span>
#include <string>
#include <string_view>

namespace trellis {

/// Insertions, deletions, replacements and swaps of neighbours that turn one word into the other.
std::size_t edit_distance(std::string_view from, std::string_view to);

/// The word of `words` nearest to `word`, the first of equals; empty when none is near enough to be meant.
std::string_view nearest(std::string_view word, std::span<const std::string_view> words);

/// The end of a message about an unknown word: `did you mean "tcp"? Known: sctp, tcp, udp`. Long lists are cut short
/// only when a near word was found; without any word it says that there is none.
std::string suggest(std::string_view word, std::span<const std::string_view> words);

}  // namespace trellis
