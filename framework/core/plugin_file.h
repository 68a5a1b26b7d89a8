// plugin_file.h: a plugin's file, opened once and judged before anything in it is believed.
#pragma once
#include <sys/stat.h>

#include <compare>
#include <string>

#include "core/elf_descriptor.h"
#include "trellis/result.h"

namespace trellis {

/// An open file that only root or this user could have written. Descriptor and hash are taken from the open file;
/// unchanged() tells whether its path, which the dynamic linker opens by itself, still leads to the same content.
class PluginFile {
 public:
  /// Opens it and checks owner and mode of the file, of the directory that it was found in and of the one that it lies
  /// in. Errors: "found X, expected Y: what to do".
  static Result<PluginFile> open(const std::string& path);
  PluginFile(PluginFile&& other) noexcept;
  PluginFile& operator=(PluginFile&&) = delete;
  ~PluginFile();

  const std::string& path() const noexcept { return path_; }  ///< without symbolic links
  FileSource bytes() const noexcept { return {descriptor_, static_cast<std::uint64_t>(status_.st_size)}; }
  bool unchanged() const noexcept;

  /// Tells files apart, whatever their names.
  struct Identity {
    dev_t device;
    ino_t inode;
    auto operator<=>(const Identity&) const = default;
  };
  Identity identity() const noexcept { return {status_.st_dev, status_.st_ino}; }

 private:
  explicit PluginFile(int descriptor) : descriptor_(descriptor) {}
  Result<void> check() noexcept;

  std::string path_;
  int descriptor_;  // -1: moved away
  struct stat status_{};
};

}  // namespace trellis
