#include "core/text_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <format>

#include "core/text.h"

namespace trellis {
namespace {

class OpenFile {
 public:
  // Nonblocking, because opening a named pipe would wait for its writer.
  explicit OpenFile(const std::string& path) : descriptor_(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {}
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  ~OpenFile() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  int get() const { return descriptor_; }

 private:
  int descriptor_;
};

}  // namespace

Error too_large(const std::string& path, const char* kind, std::size_t most) {
  return {
      Reason::configuration, 0, kind,
      std::format("{}: found more than {} bytes, expected a {}: this is something else", printable(path), most, kind)};
}

Result<std::string> read_text_file(const std::string& path, const char* kind, std::size_t most) {
  const auto unreadable = [&](std::string_view found, std::string_view advice, int code = 0) {
    return fail(Reason::configuration,
                std::format("{}: found {}, expected a {}{}", printable(path), found, kind, advice),
                static_cast<std::uint64_t>(code), kind);
  };
  const OpenFile file(path);
  struct stat status{};
  if (file.get() < 0 || fstat(file.get(), &status) != 0) {
    const int code = errno;
    return unreadable(std::format("no file to read ({})", std::strerror(code)), ": check the path", code);
  }
  if (S_ISDIR(status.st_mode)) return unreadable("a directory", ": name a file in it");
  if (!S_ISREG(status.st_mode)) return unreadable("a device, pipe or socket", " in a regular file");
  // One byte more than there should be, so that too much is noticed.
  std::string text(std::min(static_cast<std::size_t>(status.st_size), most) + 1, '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t got = read(file.get(), text.data() + size, text.size() - size);
    if (got < 0) return unreadable(std::format("an unreadable file ({})", std::strerror(errno)), "", errno);
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  if (size > most) return std::unexpected(too_large(path, kind, most));
  if (size == text.size()) return unreadable("a file that grows while it is read", " that is complete: try again");
  text.resize(size);
  return text;
}

}  // namespace trellis
