// digest.h: fingerprints of texts, and a mark that no other process has.
#pragma once
#include <string>
#include <string_view>

namespace trellis {

/// SHA-256, as 64 hexadecimal digits.
std::string sha256(std::string_view text);

/// Random, the same for the life of the process.
const std::string& process_mark();

}  // namespace trellis
