// text_file.h: reads the files that people write: policies, worlds.
#pragma once
#include <string>
#include <string_view>

#include "trellis/result.h"

namespace trellis {

/// The content of a regular file of at most `most` bytes. `kind`: what it must be ("policy"), for messages; a static
/// text. Errors name the file.
Result<std::string> read_text_file(const std::string& path, const char* kind, std::size_t most);
/// What to say of a file or text with more than `most` bytes.
Error too_large(const std::string& path, const char* kind, std::size_t most);

}  // namespace trellis
