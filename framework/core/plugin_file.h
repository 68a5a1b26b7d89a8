// plugin_file.h: a plugin's file, opened once and judged before anything in it is believed.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <string>

#include "core/elf_descriptor.h"
#include "trellis/result.h"

namespace trellis {

/// An open file that only root or this user could have written. Descriptor and hash are taken from the same open file;
/// unchanged() tells whether the path still names it when the dynamic linker gets to open it by name.
class PluginFile {
 public:
  /// Opens it and checks owner and mode of the file and of the directories that it was found in and lies in.
  /// Errors: "found X, expected Y: what to do".
  static Result<PluginFile> open(const std::string& path);
  PluginFile(PluginFile&& other) noexcept;
  PluginFile& operator=(PluginFile&&) = delete;
  ~PluginFile();

  const std::string& path() const noexcept { return path_; }  // without symbolic links
  FileSource bytes() const noexcept { return {descriptor_, size_}; }
  bool unchanged() const noexcept;        // the path names the same file with the same content
  Result<std::string> sha256() const;     // 64 hexadecimal digits
  /// Tells files apart: device and inode.
  struct Identity {
    dev_t device;
    ino_t inode;
    auto operator<=>(const Identity&) const = default;
  };
  Identity identity() const noexcept { return identity_; }

 private:
  PluginFile() = default;
  std::string path_;
  int descriptor_ = -1;
  std::uint64_t size_ = 0;
  Identity identity_{};
  std::int64_t changed_at_ = 0;  // ctime in nanoseconds
};

}  // namespace trellis
